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

test_that("a generator the server does not have is refused by name", {
  kinds <- RNGkind()
  on.exit(do.call(RNGkind, as.list(kinds)))
  RNGkind("Wichmann-Hill")
  expect_error(train(), "Wichmann-Hill")
  RNGkind("Mersenne-Twister", "Box-Muller")
  expect_error(train(), "Box-Muller")
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
