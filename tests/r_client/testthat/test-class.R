# 15.1: the class on top of rnn's list, and what R's own functions do with it.

set.seed(1)
X <- array(runif(12 * 6 * 2), c(12, 6, 2))
Y <- X[, , 1]
quiet <- function(...) suppressMessages(trainr(Y = Y, X = X, learningrate = 0.1, ...))

test_that("the fields are those of the bare list, which an option gives", {
  set.seed(2)
  model <- quiet(hidden_dim = 3)
  old <- options(rnnremote.bare_list = TRUE)
  on.exit(options(old))
  set.seed(2)
  bare <- quiet(hidden_dim = 3)
  expect_identical(names(attributes(bare)), c("names", "error"))
  expect_s3_class(model, c("trainr", "list"), exact = TRUE)
  expect_true(is.list(model))
  plain <- model
  attributes(plain) <- attributes(model)[c("names", "error")]
  expect_identical(plain, bare)
  further <- suppressMessages(trainr(Y, X, model = model))
  expect_identical(names(attributes(further)), c("names", "error"))
})

test_that("print says what it is in five lines", {
  model <- quiet(hidden_dim = c(4, 2), network_type = "gru", numepochs = 2)
  lines <- capture.output(print(model))
  expect_length(lines, 5)
  expect_true(all(nchar(lines) <= getOption("width")))
  expect_match(lines[1], "gru network, the arithmetic of rnn")
  expect_match(lines[2], "2 inputs, 4 + 2 units, 1 output; 110 parameters", fixed = TRUE)
  expect_match(lines[3], "12 samples of 6 steps, 2 epochs of sgd, learningrate 0.1")
  expect_match(lines[5], "^trainr\\(Y = Y, X = X")
  held <- quiet(exact = TRUE, validation = 0.25, numepochs = 2, output = "linear")
  expect_match(capture.output(held)[4], "held out: .*, epoch [12]")
})

test_that("summary counts the parameters of each layer", {
  model <- quiet(hidden_dim = 3, network_type = "lstm", exact = TRUE, use_bias = TRUE)
  summary <- summary(model)
  expect_identical(summary$layers$parameters, c(4 * (2 * 3 + 3 * 3 + 3), 4))
  expect_identical(summary$parameters, sum(lengths(unlist(coef(model), recursive = FALSE))) + 0)
  printed <- capture.output(summary)
  expect_match(printed, "Layer (type)  Output Shape  Param #", fixed = TRUE, all = FALSE)
  expect_match(printed, "Total params: 76", all = FALSE)
  expect_identical(sum(summary(quiet(hidden_dim = 3))$layers$parameters), 2 * 3 + 3 * 3 + 3) # no bias is used
})

test_that("predict, fitted, residuals, nobs and coef", {
  model <- quiet(hidden_dim = 3, numepochs = 2)
  expect_identical(predict(model, X[1:2, , ]), predictr(model, X[1:2, , ]))
  expect_identical(fitted(model), predictr(model, X))
  expect_identical(residuals(model), Y - predictr(model, X))
  expect_identical(residuals(model, X[1:2, , ], Y[1:2, ]), Y[1:2, ] - predictr(model, X[1:2, , ]))
  expect_identical(nobs(model), 12L)
  expect_named(coef(model), c("time_synapse", "recurrent_synapse"))
  expect_length(predict(model, X, hidden = TRUE), 2)
  expect_error(residuals(model, X), "both")
  exact <- quiet(exact = TRUE)
  expect_named(predict(exact, X, return_state = TRUE), c("prediction", "state"))
})

test_that("large training data do not stay, and that is said", {
  old <- options(rnnremote.keep_data = 100)
  on.exit(options(old))
  model <- quiet(hidden_dim = 3)
  expect_null(attr(model, "data"))
  expect_error(fitted(model), "does not keep its training data")
  expect_identical(fitted(model, X), predictr(model, X))
  by_value <- suppressMessages(do.call(trainr, list(Y = Y, X = X, learningrate = 0.1)))
  expect_lt(object.size(attr(by_value, "call")), 5000)
  expect_match(capture.output(by_value)[5], "12 x 6", fixed = TRUE)
})

test_that("a model that keeps its scale has fitted values and residuals in raw units", {
  scaled <- list(input_center = c(0.5, 0.5), input_scale = c(2, 4), output_center = 10, output_scale = 5)
  model <- suppressMessages(do.call(trainr, c(list(Y = Y, X = X, learningrate = 0.1, exact = TRUE), scaled)))
  raw <- X
  raw[, , 1] <- X[, , 1] * 2 + 0.5
  raw[, , 2] <- X[, , 2] * 4 + 0.5
  expect_equal(fitted(model), predictr(model, raw))
  expect_equal(residuals(model), Y * 5 + 10 - predictr(model, raw))
})

test_that("update trains again with changed arguments", {
  model <- quiet(hidden_dim = 3)
  set.seed(3)
  wider <- suppressMessages(update(model, hidden_dim = 5, numepochs = 2))
  set.seed(3)
  expect_identical(coef(wider), coef(quiet(hidden_dim = 5, numepochs = 2)))
  expect_identical(update(model, momentum = 0.5, evaluate = FALSE)$momentum, 0.5)
  job <- train_async(Y, X, learningrate = 0.1, hidden_dim = 3, model_id = "updated")
  again <- suppressMessages(update(job_wait(job), hidden_dim = 2))
  expect_identical(again$hidden_dim, 2)
  expect_error(update(model_fetch("models/updated"), hidden_dim = 2), "does not know the call")
  model_delete("models/updated")
})

test_that("plot draws the error and the fit", {
  file <- tempfile(fileext = ".pdf")
  grDevices::pdf(file)
  on.exit(unlink(file))
  model <- quiet(hidden_dim = 3, numepochs = 3)
  expect_identical(plot(model), model)
  plot(model, "fit", main = "fit", col = 2)
  plot(quiet(exact = TRUE, validation = 0.25, numepochs = 4, output = "linear"), type = "b")
  grDevices::dev.off()
  expect_gt(file.size(file), 4000)
})

test_that("epoch functions, within, saveRDS and options that hold models go on working", {
  seen <- NULL
  model <- quiet(epoch_function = function(model) {
    seen <<- model
    model
  })
  expect_s3_class(seen, "trainr")
  file <- tempfile(fileext = ".rds")
  saveRDS(model, file)
  expect_identical(capture.output(readRDS(file)), capture.output(model))
  longer <- suppressMessages(trainr(Y, X, model = within(model, {
    numepochs <- 2
    rm(epoch_function)
  })))
  expect_identical(longer$current_epoch, 2L)
  expect_s3_class(model_fetch(model_store(model, "classed")), "trainr")
  expect_identical(quiet(teacher = model)$teacher, model)
})

test_that("what a method is given and cannot use is an error", {
  model <- quiet(hidden_dim = 3)
  expect_error(predict(model, X, type = "class"), "a formula whose target is a factor")
  expect_error(predict(model, X, hiden = TRUE), "predict() has no argument `hiden`", fixed = TRUE)
  expect_error(residuals(model, type = "pearson"), "no argument `type`")
  expect_error(simulate(model), "softmax over the symbols")
  expect_error(trainr(Y, X), "`learningrate` is missing")
  expect_error(trainr(Y, learningrate = 0.1), "`X` is missing")
  expect_error(trainr(formula = Y ~ X), "`Y` is missing")
  expect_error(predictr("adder", X), "`model` is \"adder\": a model at the server has a name such as")
  expect_error(model_fetch("adder@prod"), "`name` is")
  expect_error(model_store(model, 3), "`model_id` should be one text")
  expect_error(job_list(since = "yesterday"), "`since` should be a time")
  expect_error(model_list(since = NA), "`since` should be a time")
  expect_error(job_status("job-1"), "trainingJobs/")
})

test_that("classes: fitted values, residuals and the plot are of probabilities", {
  classes <- matrix(rep(0:2, 24), 12)
  layers <- list(gru(3, return_sequences = TRUE), dense(3, activation = "softmax"))
  model <- suppressMessages(trainr(classes, X,
    exact = TRUE, layers = layers, loss = "sparse_categorical_crossentropy", learningrate = 0.01, metrics = "accuracy",
    validation = 0.25
  ))
  actual <- outer(classes, 0:2, "==") + 0
  expect_equal(residuals(model), actual - fitted(model))
  expect_equal(residuals(model, X[1:2, , ], classes[1:2, ]), (actual - fitted(model))[1:2, , ])
  expect_identical(summary(model)$metrics$metric, "accuracy")
  expect_match(capture.output(summary(model)), "^accuracy after the last epoch: .* of the data held out", all = FALSE)
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_silent(plot(model, "fit"))
  expect_silent(plot(model))
  targets <- dataset_send(Y)
  by_name <- suppressMessages(trainr(targets, X, learningrate = 0.1))
  expect_identical(dim(fitted(by_name)), dim(Y))
  expect_error(residuals(by_name), "the targets are a data set at the server")
})
