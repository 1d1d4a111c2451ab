# Against the real package rnn, where it is installed: the same scripts, the same models, both ways.

same_models <- function(ours, theirs) {
  fields <- setdiff(names(theirs), c("epoch_function", "loss_function"))
  expect_identical(names(ours), names(theirs))
  expect_identical(ours[fields], theirs[fields])
  expect_identical(attributes(ours), attributes(theirs))
}

for (name in c("activity91", "adder", "sine_cosine", "test_set")) {
  test_that(paste("the script", name, "computes with rnnremote what it computes with rnn"), {
    ours <- suppressMessages(run_script(name))
    after <- .Random.seed
    theirs <- suppressMessages(run_script(name, "rnn"))
    expect_identical(.Random.seed, after)
    same_models(ours$model, theirs$model)
    for (result in c("predicted", "sums")) expect_identical(ours[[result]], theirs[[result]])
  })
}

test_that("models go from one package to the other, for prediction and for further training", {
  set.seed(1)
  X <- array(runif(8 * 4 * 2), c(8, 4, 2))
  Y <- array(runif(8 * 4), c(8, 4, 1))
  for (type in c("rnn", "gru", "lstm")) {
    arguments <- list(Y = Y, X = X, learningrate = 0.1, hidden_dim = 3, numepochs = 2, network_type = type, momentum = 0.2)
    set.seed(2)
    ours <- suppressMessages(do.call(rnnremote::trainr, arguments))
    set.seed(2)
    theirs <- suppressMessages(do.call(rnn::trainr, arguments))
    same_models(ours, theirs)
    expect_identical(rnn::predictr(ours, X), rnnremote::predictr(theirs, X))
    expect_identical(rnn::predictr(ours, X, hidden = TRUE), rnnremote::predictr(theirs, X, hidden = TRUE))
    set.seed(3)
    further <- suppressMessages(rnnremote::trainr(Y, X, model = theirs))
    set.seed(3)
    same_models(further, suppressMessages(rnn::trainr(Y, X, model = ours)))
  }
})

test_that("int2bin and bin2int are rnn's", {
  for (numbers in list(5, 0:20, c(77, 255), 3)) {
    for (length in c(1, 4, 8, 16)) {
      expect_identical(rnnremote::int2bin(numbers, length), rnn::int2bin(numbers, length))
    }
  }
  bits <- matrix(runif(80), 10)
  expect_identical(rnnremote::bin2int(bits), rnn::bin2int(bits))
})

test_that("a recorded case is written for pytrainr crosscheck", {
  set.seed(1)
  X <- array(runif(6 * 4 * 2), c(6, 4, 2))
  Y <- array(runif(6 * 4), c(6, 4, 1))
  folder <- Sys.getenv("PYTRAINR_RECORDS")
  crosscheck_record(
    list(name = "a \"gru\"", seed = 5, Y = Y, X = X, learningrate = 0.1, hidden_dim = c(3, 3), network_type = "gru", numepochs = 3),
    file.path(folder, "gru.json.gz")
  )
  crosscheck_record(
    list(seed = 5, Y = Y, X = X, learningrate = 0.1, use_bias = TRUE, clipping = 0.01, momentum = 0.5, retrain = TRUE),
    file.path(folder, "retrained.json")
  )
  crosscheck_record(list(Y = Y, X = X[, 1:3, ], learningrate = 0.1), file.path(folder, "stopped.json"))
  expect_error(crosscheck_record(list(Y = Y, X = X, epoch_function = print), "x.json"), "cannot be recorded")
  expect_length(list.files(folder), 3)
})

test_that("models are saved for read_r_model", {
  set.seed(1)
  X <- array(runif(8 * 4 * 2), c(8, 4, 2))
  Y <- array(runif(8 * 4), c(8, 4, 1))
  folder <- Sys.getenv("PYTRAINR_MODELS")
  for (type in c("rnn", "gru", "lstm")) {
    model <- suppressMessages(rnn::trainr(Y, X, learningrate = 0.1, hidden_dim = c(2, 2), numepochs = 3, network_type = type))
    saveRDS(model, file.path(folder, paste0(type, ".rds")))
    predictions <- rnn::predictr(model, X)
    writeBin(as.vector(predictions), file.path(folder, paste0(type, ".f8")))
  }
  writeBin(as.vector(X), file.path(folder, "X.f8"))
  saveRDS(X, file.path(folder, "X.rds"))
  expect_length(list.files(folder), 8)
})
