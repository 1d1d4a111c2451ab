# Training further; the golden runs compare it with R's, bit by bit.

set.seed(1)
X <- array(runif(6 * 4 * 2), c(6, 4, 2))
Y <- array(runif(6 * 4), c(6, 4, 1))
model <- suppressMessages(trainr(
  Y = Y, X = X, learningrate = 0.1, learningrate_decay = 0.9, momentum = 0.5, hidden_dim = 3, numepochs = 3,
  mine = "kept"
))

test_that("all but X and Y comes from the model, and a message says so", {
  expect_message(
    again <- trainr(Y, X, model = model, learningrate = 99), golden_structure()$texts$retraining, fixed = TRUE
  )
  expect_identical(again$numepochs, model$numepochs)
  expect_identical(again$mine, "kept")
  expect_equal(again$learningrate, model$learningrate * 0.9^3)
  expect_equal(dim(again$error), c(6, 3))
  expect_identical(setdiff(names(again), "store_best"), setdiff(names(model), "store_best"))
})

test_that("a model without its store, saved and read again, trains to the same", {
  small <- model[setdiff(names(model), c("store", "store_best", "last_layer_error", "last_layer_delta"))]
  file <- tempfile(fileext = ".rds")
  saveRDS(small, file)
  set.seed(4)
  full <- suppressMessages(trainr(Y, X, model = model))
  set.seed(4)
  read <- suppressMessages(trainr(Y, X, model = readRDS(file), keep_store = FALSE))
  expect_identical(read$time_synapse, full$time_synapse)
  expect_null(read$store)
})

test_that("a stored model is trained further by name", {
  name <- model_store(model, "retrained")
  set.seed(4)
  by_name <- suppressMessages(trainr(Y, X, model = name))
  set.seed(4)
  by_value <- suppressMessages(trainr(Y, X, model = model))
  expect_identical(by_name$time_synapse, by_value$time_synapse)
})

test_that("other dimensions are refused, naming the argument", {
  expect_error(suppressMessages(trainr(Y, X[, , 1], model = model)), class = "rnnremote_invalid_argument")
  condition <- tryCatch(suppressMessages(trainr(Y, X[, , 1], model = model)), error = identity)
  expect_named(condition$fields, "X")
})

test_that("11.14: models of rnn are trained further where rnn is not installed", {
  # As rnn 1.9.1 has them in its models, whatever formats or compiles them.
  text <- "list(
    epoch_print = function(model) {
      message(paste0('Trained epoch: ', model$current_epoch, ' - Learning rate: ', model$learningrate))
      message(paste0('Epoch error: ', colMeans(model$error)[model$current_epoch]))
      return(model)
    },
    epoch_annealing = function(model) {
      model$learningrate = model$learningrate * model$learningrate_decay # a remark
      return(model)
    }
  )"
  for (keep in c(TRUE, FALSE)) {
    functions <- eval(parse(text = text, keep.source = keep), globalenv())
    functions <- unserialize(serialize(lapply(functions, compiler::cmpfun), NULL))
    expect_identical(rnnremote:::known_function(functions$epoch_print), "epoch_print")
    expect_identical(rnnremote:::known_function(functions$epoch_annealing), "epoch_annealing")
    theirs <- model
    theirs$epoch_function <- unname(functions)
    set.seed(4)
    expected <- suppressMessages(trainr(Y, X, model = model))
    set.seed(4)
    texts <- testthat::capture_messages(further <- trainr(Y, X, model = theirs))
    expect_identical(
      further[c("time_synapse", "learningrate", "error")], expected[c("time_synapse", "learningrate", "error")]
    )
    expect_match(texts[2], "^Trained epoch: 1")
  }
  # A variant is a function of the caller's own.
  variant <- functions$epoch_annealing
  body(variant)[[2]][[3]][[3]] <- quote(model$learningrate_decay^2)
  expect_null(rnnremote:::known_function(variant))
})
