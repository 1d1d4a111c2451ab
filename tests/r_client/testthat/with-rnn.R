options(rnnremote.bare_list = TRUE) # to the attribute; the class is tested in test-class.R
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
    arguments <- list(
      Y = Y, X = X, learningrate = 0.1, hidden_dim = 3, numepochs = 2, network_type = type, momentum = 0.2
    )
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

test_that("11.18: unsynchronised models predict for other numbers of steps as rnn does", {
  set.seed(1)
  X <- array(runif(6 * 3 * 2), c(6, 3, 2))
  for (outputs in 1:2) {
    Y <- array(runif(6 * 2 * outputs), c(6, 2, outputs))
    for (type in c("rnn", "gru", "lstm")) {
      model <- suppressMessages(
        rnn::trainr(Y, X, learningrate = 0.1, hidden_dim = 3, network_type = type, seq_to_seq_unsync = TRUE)
      )
      for (steps in 1:4) {
        other <- array(runif(5 * steps * 2), c(5, steps, 2))
        expect_identical(rnnremote::predictr(model, other), rnn::predictr(model, other), info = paste(type, steps))
        expect_identical(
          rnnremote::predictr(model, other, real_output = FALSE), rnn::predictr(model, other, real_output = FALSE),
          info = paste(type, steps)
        )
      }
    }
  }
})

test_that("11.19 and 11.20: fields are as rnn leaves them", {
  set.seed(1)
  X <- array(runif(6 * 3 * 2), c(6, 3, 2))
  Y <- structure(array(runif(6 * 3), c(6, 3, 1)), dimnames = list(letters[1:6], NULL, "y"))
  compared <- function(...) {
    set.seed(3)
    ours <- suppressMessages(rnnremote::trainr(Y = Y, X = X, ...))
    set.seed(3)
    theirs <- suppressMessages(rnn::trainr(Y = Y, X = X, ...))
    same_models(ours, theirs)
    further <- list(Y = Y[1:4, , , drop = FALSE], X = X[1:4, , ])
    set.seed(4)
    ours <- suppressMessages(do.call(rnnremote::trainr, c(further, list(model = ours))))
    set.seed(4)
    same_models(ours, suppressMessages(do.call(rnn::trainr, c(further, list(model = theirs)))))
  }
  compared(learningrate = 1L)
  compared(learningrate = 1L, epoch_function = c(rnn::epoch_print))
  compared(learningrate = 0.1, epoch_function = NULL)
  compared(learningrate = 0.1, momentum = 0L, batch_size = 2L, clipping = NULL, network_type = "gru", own = c(a = 1))
  compared(learningrate = 0.1, update_rule = "adagrad", loss_function = function(model) stop("never called"))
  compared(learningrate = 0.1, numepochs = 3L, hidden_dim = 2:3, mine = list(1, "a"))
})

test_that("11.21: with every generator the same numbers, and workers' streams too", {
  before <- RNGkind()
  on.exit(suppressWarnings(do.call(RNGkind, as.list(before))))
  X <- matrix((1:20) / 21, 5)
  for (kind in c(
    "Wichmann-Hill", "Marsaglia-Multicarry", "Super-Duper", "Knuth-TAOCP", "Knuth-TAOCP-2002", "L'Ecuyer-CMRG"
  )) {
    suppressWarnings(RNGkind(kind, "Box-Muller"))
    set.seed(1)
    ours <- suppressMessages(rnnremote::trainr(X, X, learningrate = 0.1, numepochs = 2, network_type = "lstm"))
    after <- .Random.seed
    set.seed(1)
    same_models(ours, suppressMessages(rnn::trainr(X, X, learningrate = 0.1, numepochs = 2, network_type = "lstm")))
    expect_identical(.Random.seed, after, info = kind)
  }
})

test_that("11.14: a model of rnn is trained further without rnn's functions being known by name", {
  for (name in c("epoch_print", "epoch_annealing", "loss_L1")) {
    expect_identical(rnnremote:::known_function(getExportedValue("rnn", name)), name)
  }
})

test_that("int2bin and bin2int are rnn's", {
  for (numbers in list(5, 0:20, c(77, 255), 3)) {
    for (length in c(1, 4, 8, 16)) {
      expect_identical(rnnremote::int2bin(numbers, length), rnn::int2bin(numbers, length))
    }
  }
  for (numbers in list(c(a = 3), c(a = 3, b = 4), c(-1L, 5L), 2^31, "3", integer())) {
    expect_identical(suppressWarnings(rnnremote::int2bin(numbers, 32)), suppressWarnings(rnn::int2bin(numbers, 32)))
    bits <- suppressWarnings(rnn::int2bin(numbers, 32))
    if (length(numbers) > 0) expect_identical(rnnremote::bin2int(bits), rnn::bin2int(bits))
  }
  for (bits in list(matrix(c(2, 1, NA, 1, -1, 1), 2), matrix(c(0.4, 3.6), 1))) {
    expect_identical(suppressWarnings(rnnremote::bin2int(bits)), suppressWarnings(rnn::bin2int(bits)))
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
    list(
      name = "a \"gru\"", seed = 5, Y = Y, X = X, learningrate = 0.1, hidden_dim = c(3, 3), network_type = "gru",
      numepochs = 3
    ),
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
    model <- suppressMessages(
      rnn::trainr(Y, X, learningrate = 0.1, hidden_dim = c(2, 2), numepochs = 3, network_type = type)
    )
    saveRDS(model, file.path(folder, paste0(type, ".rds")))
    predictions <- rnn::predictr(model, X)
    writeBin(as.vector(predictions), file.path(folder, paste0(type, ".f8")))
  }
  writeBin(as.vector(X), file.path(folder, "X.f8"))
  saveRDS(X, file.path(folder, "X.rds"))
  expect_length(list.files(folder), 8)
})
