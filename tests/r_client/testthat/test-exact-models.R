# 11.1: a model of exact = TRUE computes the same by every road: list, name, RDS, model_store, retraining, functions of
# one's own.

set.seed(1)
X <- array(runif(12 * 6 * 2), c(12, 6, 2))
Y <- X[, , 1]
one_hot <- array(0, c(12, 6, 2))
one_hot[, , 1] <- X[, , 1] > 0.5
one_hot[, , 2] <- 1 - one_hot[, , 1]
gaps <- X
gaps[1:4, 5:6, ] <- NaN
padded <- Y
padded[1:4, 5:6] <- NaN
mask <- matrix(1, 12, 6)
mask[1:4, 5:6] <- 0

cases <- list(
  gru = list(network_type = "gru", output = "linear", update_rule = "adam"),
  peephole = list(network_type = "lstm", peephole = TRUE, update_rule = "rmsprop", use_bias = TRUE, forget_bias = 1),
  projection = list(network_type = "lstm", hidden_dim = c(4, 3), proj_size = 2L, momentum = 0.5),
  jordan = list(network_type = "jordan", use_bias = TRUE),
  esn = list(
    network_type = "esn", hidden_dim = 10, output = NULL, leak = 0.5, spectral_radius = 0.8, density = 0.5, ridge = 0.01
  ),
  bidirectional = list(network_type = "gru", bidirectional = TRUE, hidden_dim = c(3, 3), update_rule = "adagrad"),
  pyramid = list(network_type = "gru", hidden_dim = c(3, 3), pyramid = 2L, Y = Y[, 1:3]),
  attention = list(network_type = "gru", attention = TRUE, Y = Y[, 1:2], update_rule = "adam"),
  softmax = list(network_type = "rnn", output = "softmax", Y = one_hot, hidden_activation = "tanh"),
  dropout = list(network_type = "gru", dropout = 0.3, recurrent_dropout = 0.2, l2 = 0.01, clip_norm = 1),
  single = list(network_type = "rnn", dtype = "float32", clipping = 0.1, bptt_steps = 3),
  nan = list(network_type = "gru", mask = "nan", X = gaps, Y = padded),
  mask = list(network_type = "gru", mask = mask),
  many_to_one = list(network_type = "lstm", Y = Y[, 6, drop = FALSE]),
  one_to_many = list(network_type = "gru", X = X[, 1, , drop = FALSE]),
  after_the_input = list(network_type = "rnn", Y = Y[, 1:3], seq_to_seq_unsync = TRUE),
  one_unit = list(
    network_type = "rnn", hidden_dim = 1, use_bias = TRUE, loss = "huber", huber_width = 0.5, output = "linear"
  ),
  held_out = list(network_type = "gru", validation = 0.25, patience = 2, numepochs = 4)
)

arguments_of <- function(case) {
  given <- list(Y = Y, X = X, learningrate = 0.05, hidden_dim = 3, numepochs = 3, batch_size = 3, exact = TRUE)
  utils::modifyList(given, case)
}
train <- function(arguments, seed = 5, call = trainr) {
  set.seed(seed)
  suppressMessages(do.call(call, arguments))
}
weights <- function(model) model[rnnremote:::are_weights(names(model))]

for (name in names(cases)) {
  test_that(paste("11.1:", name), {
    arguments <- arguments_of(cases[[name]])
    case <- arguments[c("X", "Y")]
    model <- train(arguments)
    expect_true(model$exact)
    predicted <- predictr(model, case$X)

    # by its name
    stored <- model_store(model, "exact-model")
    expect_identical(predictr(stored, case$X), predicted)
    # fetched, and saved and read
    expect_identical(predictr(model_fetch(stored), case$X), predicted)
    file <- tempfile(fileext = ".rds")
    saveRDS(model, file)
    expect_identical(predictr(readRDS(file), case$X), predicted)
    # what the server itself has trained, never having seen a list
    job <- train(arguments, call = train_async)
    from_job <- suppressMessages(job_wait(job))
    expect_identical(predictr(from_job, case$X), predictr(job_status(job)$model, case$X))

    # trained further: from the list, from the file, by name
    further <- lapply(list(model, readRDS(file), stored), function(start) {
      weights(
        train(list(Y = case$Y, X = case$X, model = start, seq_to_seq_unsync = isTRUE(arguments$seq_to_seq_unsync)))
      )
    })
    expect_identical(further[[2]], further[[1]])
    expect_identical(further[[3]], further[[1]])

    # own epoch functions: the list that they get predicts, and nothing is lost by the pauses
    seen <- NULL
    own <- train(c(arguments, epoch_function = function(model) {
      seen <<- predictr(model, case$X)
      model
    }))
    expect_identical(weights(own), weights(model))
    if (!name %in% "held_out") expect_identical(seen, predicted) # there the best weights come back at the end
    expect_identical(predictr(own, case$X), predicted)
  })
}

test_that("11.1: a small error stays small when the model is used as a list", {
  model <- train(utils::modifyList(arguments_of(cases$gru), list(numepochs = 20)))
  error <- colMeans(model$error)
  expect_equal(mean(rowSums(abs(predictr(model, X) - Y))), tail(error, 1), tolerance = 0.1)
  expect_equal(colMeans(train(list(Y = Y, X = X, model = model))$error)[1], tail(error, 1), tolerance = 0.1)
})

test_that("11.1: what says how a list computes cannot be taken away unnoticed", {
  model <- train(arguments_of(cases$gru))
  for (field in c("exact", "output", "dropout", "output_time_dim", "sigmoid", "use_bias")) {
    less <- model[setdiff(names(model), field)]
    for (road in list(
      function() predictr(less, X), function() model_store(less), function() train(list(Y = Y, X = X, model = less))
    )) {
      condition <- tryCatch(road(), error = identity)
      expect_s3_class(condition, "rnnremote_invalid_argument")
      expect_match(conditionMessage(condition), field, info = field)
    }
  }
})

test_that("11.1: an option changed by an own epoch function counts, or is refused", {
  changed <- train(c(arguments_of(cases$dropout), epoch_function = function(model) {
    model$l2 <- 10
    model
  }))
  expect_false(identical(weights(changed), weights(train(arguments_of(cases$dropout)))))
  expect_error(
    train(c(arguments_of(cases$dropout), epoch_function = function(model) {
      model$l2 <- "much"
      model
    })),
    "l2"
  )
})

test_that("11.1: large options travel too", {
  large <- array(runif(3000 * 6 * 2), c(3000, 6, 2))
  present <- matrix(1, 3000, 6)
  present[1:1500, 4:6] <- 0
  arguments <- list(
    Y = large[, , 1], X = large, learningrate = 0.05, network_type = "gru", hidden_dim = 3, batch_size = 100,
    exact = TRUE
  )
  masked <- train(c(arguments, list(mask = present)))
  large[1:1500, 4:6, ] <- NaN
  arguments[c("Y", "X")] <- list(large[, , 1], large)
  expect_identical(weights(train(c(arguments, mask = "nan"))), weights(masked))
})

test_that("11.1: a state goes on from piece to piece", {
  model <- train(arguments_of(cases$gru))
  first <- predictr(model, X[, 1:4, ], return_state = TRUE)
  then <- predictr(model, X[, 5:6, ], state = first$state)
  expect_equal(cbind(first$prediction, then), predictr(model, X))
})
