# The caller's random stream.

X <- matrix((1:20) / 21, 5)
train <- function() suppressMessages(trainr(Y = X, X = X, learningrate = 0.1, hidden_dim = 2, numepochs = 2))

test_that("the same seed gives the same model and leaves the same stream, wherever the stream stands", {
  set.seed(5)
  invisible(runif(700)) # into the second block of the generator
  before <- .Random.seed
  first <- train()
  after <- .Random.seed
  assign(".Random.seed", before, globalenv())
  second <- train()
  expect_identical(first$time_synapse, second$time_synapse)
  expect_identical(.Random.seed, after)
})

test_that("a missing .Random.seed is made first", {
  rm(".Random.seed", envir = globalenv())
  model <- train()
  expect_length(.Random.seed, 626)
  rm(".Random.seed", envir = globalenv())
  Sys.sleep(0.01)
  expect_false(identical(train()$time_synapse, model$time_synapse))
})

# 11.21: every generator of R
kinds <- c(
  "Wichmann-Hill", "Marsaglia-Multicarry", "Super-Duper", "Knuth-TAOCP", "Knuth-TAOCP-2002", "L'Ecuyer-CMRG",
  "Mersenne-Twister"
)

test_that("11.21: with every generator the weights are those that R draws, and the stream stands where R's would", {
  before <- RNGkind()
  on.exit(suppressWarnings(do.call(RNGkind, as.list(before))))
  for (kind in kinds) for (normal in c("Inversion", "Box-Muller", "Ahrens-Dieter")) {
    suppressWarnings(RNGkind(kind, normal, "Rejection"))
    set.seed(3)
    start <- .Random.seed
    # R's order: all of time_synapse, recurrent_synapse, bias_synapse; then each epoch's groups.
    drawn <- list(
      matrix(runif(2, -1, 1), 1), matrix(runif(2, -1, 1), 2), matrix(runif(4, -1, 1), 2), runif(2, -0.1, 0.1),
      runif(1, -0.1, 0.1)
    )
    for (epoch in 1:2) sample(5, 5, replace = TRUE)
    after <- .Random.seed
    assign(".Random.seed", start, globalenv())
    model <- suppressMessages(trainr(Y = X, X = X, learningrate = 0, hidden_dim = 2, numepochs = 2))
    expect_identical(c(model$time_synapse, model$recurrent_synapse, model$bias_synapse), drawn, info = kind)
    expect_identical(.Random.seed, after, info = kind)
  }
})

test_that("11.21: a normal of a kind that the server lacks is refused where it is drawn", {
  kinds <- RNGkind()
  on.exit(do.call(RNGkind, as.list(kinds)))
  RNGkind("default", "Box-Muller")
  orthogonal <- function() suppressMessages(
    trainr(Y = X, X = X, learningrate = 0.1, hidden_dim = 2, exact = TRUE, init = "orthogonal")
  )
  expect_error(orthogonal(), "Box-Muller")
})

test_that("11.21: workers of parallel have streams of their own, and the connection goes to them (11.12)", {
  cluster <- parallel::makeCluster(2)
  on.exit(parallel::stopCluster(cluster))
  connection <- trainr_connect()
  parallel::clusterExport(cluster, c("X", "connection"), environment())
  once <- function() {
    parallel::clusterSetRNGStream(cluster, 11)
    parallel::clusterEvalQ(cluster, {
      model <- suppressMessages(
        rnnremote::trainr(Y = X, X = X, learningrate = 0.1, hidden_dim = 2, connection = connection)
      )
      list(model$time_synapse, runif(1), rnnremote::predictr(model, X, connection = connection))
    })
  }
  results <- once()
  expect_false(identical(results[[1]], results[[2]]))
  expect_identical(once(), results)
})

test_that("the sampler of R before 3.6 is used where the caller has chosen it", {
  kinds <- RNGkind()
  on.exit(suppressWarnings(do.call(RNGkind, as.list(kinds))))
  set.seed(1)
  rejection <- train()
  suppressWarnings(RNGkind(sample.kind = "Rounding"))
  set.seed(1)
  rounding <- train()
  expect_identical(RNGkind()[3], "Rounding")
  expect_false(identical(rejection$time_synapse, rounding$time_synapse))
})

test_that("names that the client makes for itself do not touch the stream", {
  set.seed(9)
  before <- .Random.seed
  ids <- replicate(50, rnnremote:::new_uuid())
  expect_identical(.Random.seed, before)
  expect_length(unique(ids), 50)
  expect_match(ids, "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$")
})
