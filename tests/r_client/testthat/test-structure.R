# The list that trainr returns: names, order, types and dimensions as R's package gives them, field by field.

recorded <- golden_structure()
options(rnnremote.bare_list = TRUE) # without the class, see test-class.R

described <- function(x) {
  if (is.function(x)) return("function")
  if (is.list(x)) return(lapply(unname(x), described))
  extent <- if (is.null(dim(x))) length(x) else dim(x)
  paste0(typeof(x), "[", paste(extent, collapse = ","), "]")
}

expect_structure <- function(model, recorded) {
  expect_identical(names(model), unlist(recorded$names))
  for (field in names(recorded$shapes)) expect_identical(
    described(model[[field]]), recorded$shapes[[field]], info = field
  )
  expect_identical(setdiff(names(attributes(model)), "names"), unlist(recorded$attributes))
}

set.seed(1)
X <- array(runif(5 * 4 * 2), c(5, 4, 2))
Y <- array(runif(5 * 4), c(5, 4, 1))
quiet <- function(...) suppressMessages(trainr(Y = Y, X = X, learningrate = 0.1, ...))
# store_best is there when the last epoch was the best; a small learning rate sees to that, as where R's were recorded.
best <- function(train) {
  for (seed in 1:50) {
    set.seed(seed)
    model <- train()
    if (!is.null(model$store_best)) return(model)
  }
  stop("no seed ends with its best epoch")
}

test_that("rnn, gru and lstm have R's fields", {
  expect_structure(best(function() quiet(hidden_dim = c(2, 3), numepochs = 2)), recorded$model_structure$rnn)
  expect_structure(quiet(hidden_dim = c(2, 2), network_type = "gru"), recorded$model_structure$gru)
  expect_structure(quiet(hidden_dim = 2, network_type = "lstm"), recorded$model_structure$lstm)
})

test_that("extra arguments come first, adagrad's sums before store_best", {
  model <- quiet(hidden_dim = 2, update_rule = "adagrad", clipping = 1, foo = "bar")
  expect_structure(model, recorded$model_structure$adagrad_clipping_extra)
  expect_identical(model$foo, "bar")
})

test_that("a network whose output follows its input has time_dim_input", {
  Y <- array(runif(5 * 2), c(5, 2, 1))
  X <- array(runif(5 * 3 * 2), c(5, 3, 2))
  model <- suppressMessages(trainr(Y = Y, X = X, learningrate = 0.1, hidden_dim = 2, seq_to_seq_unsync = TRUE))
  expect_structure(model, recorded$model_structure$unsync)
})

test_that("what the caller gave comes back as it was given", {
  own <- list(a = 1:3, b = "x")
  model <- quiet(hidden_dim = 2L, numepochs = 2L, own = own, large = matrix(0, 200, 200), when = Sys.Date())
  expect_identical(model$hidden_dim, 2L)
  expect_identical(model$synapse_dim, c(2L, 2L, 1L))
  expect_identical(model$numepochs, 2L)
  expect_identical(model[c("own", "large")], list(own = own, large = matrix(0, 200, 200)))
  expect_s3_class(model$when, "Date")
  expect_identical(names(model)[1:3], c("own", "large", "when"))
})

test_that("without keep_store only the training-sized fields are missing", {
  set.seed(2)
  full <- quiet(hidden_dim = 2, numepochs = 2)
  set.seed(2)
  small <- quiet(hidden_dim = 2, numepochs = 2, keep_store = FALSE)
  left_out <- setdiff(names(full), names(small))
  expect_setequal(left_out, intersect(names(full), c("store", "store_best", "last_layer_error", "last_layer_delta")))
  same <- setdiff(names(small), c("epoch_function", "loss_function"))
  expect_identical(small[same], full[same])
})

test_that("a store that is too large is refused, and the message says how to do without", {
  old <- options(rnnremote.keep_store_limit = 1000)
  on.exit(options(old))
  expect_error(quiet(hidden_dim = 50), "keep_store = FALSE")
})

test_that("the printed texts are R's", {
  texts <- character()
  withCallingHandlers(
    trainr(Y = Y, X = X, learningrate = 1 / 30, learningrate_decay = 0.001, hidden_dim = 2, numepochs = 2),
    message = function(message) {
      texts <<- c(texts, sub("\n$", "", conditionMessage(message)))
      invokeRestart("muffleMessage")
    }
  )
  expect_length(texts, 4)
  expect_identical(texts[1], "Trained epoch: 1 - Learning rate: 0.0333333333333333")
  expect_identical(texts[3], "Trained epoch: 2 - Learning rate: 3.33333333333333e-05")
  expect_match(texts[2], "^Epoch error: [0-9.]{8,}$")
  expect_message(quiet_adagrad <- trainr(Y = Y, X = X, learningrate = 0.1, hidden_dim = 2, update_rule = "adagrad"),
    recorded$texts$adagrad, fixed = TRUE
  )
})

test_that("11.19: attributes of a 3-D Y stay on the arrays of the output layer", {
  named <- structure(Y, dimnames = list(letters[1:5], NULL, "target"), origin = "a file")
  for (own in list(c(epoch_print, epoch_annealing), function(model) model)) {
    model <- suppressMessages(trainr(Y = named, X = X, learningrate = 0.1, hidden_dim = 2, epoch_function = own))
    expect_identical(attributes(model$last_layer_error), attributes(named))
    expect_identical(attributes(model$last_layer_delta), attributes(named))
  }
  model <- suppressMessages(job_wait(train_async(named, X, learningrate = 0.1, keep_store = TRUE)))
  expect_identical(attributes(model$last_layer_error), attributes(named))
  flat <- suppressMessages(trainr(Y = named[, , 1], X = X, learningrate = 0.1))
  expect_identical(names(attributes(flat$last_layer_error)), "dim")
})

test_that("11.19: retraining on fewer samples keeps the sizes of the first training, as in R", {
  model <- quiet(hidden_dim = 2, numepochs = 2)
  further <- suppressMessages(trainr(Y = Y[1:2, , , drop = FALSE], X = X[1:2, , ], model = model))
  expect_identical(lapply(further$store, dim), lapply(model$store, dim))
  expect_identical(dim(further$last_layer_error), dim(model$last_layer_error))
  expect_identical(further$store[[1]][3:5, , ], model$store[[1]][3:5, , ])
  expect_false(identical(further$store[[1]][1:2, , ], model$store[[1]][1:2, , ]))
  expect_identical(dim(further$error), c(2L, 2L))
})

test_that("11.20: arguments keep their R types, and what is NULL leaves no field", {
  expect_identical(suppressMessages(trainr(Y, X, learningrate = 1L, epoch_function = epoch_print))$learningrate, 1L)
  expect_identical(suppressMessages(trainr(Y, X, learningrate = 1L))$learningrate, 1) # annealing multiplies by a double
  expect_identical(suppressMessages(trainr(Y, X, learningrate = 1L, learningrate_decay = 1L))$learningrate, 1L)
  own <- function(model) model
  expect_identical(suppressMessages(trainr(Y, X, learningrate = 1L, epoch_function = own))$learningrate, 1L)
  expect_identical(
    quiet(momentum = 0L, batch_size = 2L)[c("momentum", "batch_size")], list(momentum = 0L, batch_size = 2L)
  )
  without <- quiet(epoch_function = NULL)
  expect_false("epoch_function" %in% names(without))
  expect_false("epoch_function" %in% names(suppressMessages(trainr(Y, X, model = without))))
  expect_error(quiet(epoch_model_function = own), "epoch_model_function. is not used any more")
  # R: fractions of units stop it; of the text it takes the length for the number of epochs, which nobody can mean.
  expect_error(quiet(hidden_dim = 2.7), "hidden_dim should be a whole number, 1 or more, it is 2.7", fixed = TRUE)
  expect_error(quiet(numepochs = "3"), "numepochs should be a whole number, 1 or more, it is \"3\"", fixed = TRUE)
})

test_that("11.20: under adagrad, which calls no loss function, one's own may be there", {
  own <- function(model) stop("never called")
  model <- quiet(update_rule = "adagrad", loss_function = own)
  expect_identical(model$loss_function, own)
  expect_identical(suppressMessages(trainr(Y, X, model = model))$loss_function, own)
})

test_that("11.19: binary numbers of every kind", {
  expect_identical(bin2int(int2bin(c(a = 3))), c(a = 3L))
  expect_identical(bin2int(int2bin(c(-1L, -5L, 7L), 32)), c(-1L, -5L, 7L))
  expect_identical(suppressWarnings(bin2int(matrix(c(2, 1, NA, 1, -1, 1), 2, byrow = TRUE))), c(2L, 5L))
})
