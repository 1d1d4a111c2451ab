# 15.3: schedules of the learning rate, run by the server, or here beside functions of one's own; ending a training.

set.seed(1)
X <- array(runif(12 * 6 * 2), c(12, 6, 2))
Y <- X[, , 1]
quiet <- function(...) suppressMessages(trainr(Y = Y, X = X, learningrate = 0.5, numepochs = 6, ...))
schedules <- list(
  step = step_schedule(2, 0.5), cosine = cosine_schedule(5, lowest = 0.01), exponential = exponential_schedule(0.9),
  plateau = reduce_on_plateau(0.5, patience = 1)
)

test_that("a schedule at the server is the schedule here: the same weights, learning rates, and what is printed", {
  own <- function(model) model
  for (name in names(schedules)) for (exact in c(FALSE, TRUE)) {
    schedule <- schedules[[name]]
    held <- if (exact) list(exact = TRUE, validation = 0.25, output = "linear")
    train <- function(functions) {
      set.seed(2)
      do.call(quiet, c(list(epoch_function = functions), held))
    }
    there <- train(schedule)
    here <- train(c(schedule, own))
    expect_identical(coef(there), coef(here), info = name)
    expect_identical(there$learningrate, here$learningrate, info = name)
    expect_identical(there$epoch_function, list(schedule), info = name)
  }
  expect_message(
    trainr(Y, X, learningrate = 0.5, numepochs = 2, epoch_function = c(schedules$step, epoch_print)), "0.25"
  )
})

test_that("each does what it says", {
  rates <- function(schedule, errors, validation_loss = NULL) {
    model <- list(learningrate = 1, error = matrix(errors, 1), validation_loss = validation_loss)
    vapply(seq_along(errors), function(epoch) {
      model$current_epoch <<- epoch
      model <<- schedule(model)
      model$learningrate
    }, 0)
  }
  expect_equal(rates(exponential_schedule(0.5), c(1, 1, 1)), c(0.5, 0.25, 0.125))
  expect_equal(rates(step_schedule(2), rep(1, 5)), c(1, 0.1, 0.1, 0.01, 0.01))
  expected <- 0.2 + 0.4 * (1 + cos(pi * 1:4 / 4))
  cosine <- cosine_schedule(4, lowest = 0.2)
  expect_equal(rates(cosine, rep(1, 4)), expected)
  expect_equal(rates(cosine, rep(1, 4)), expected) # another training begins anew
  expect_equal(rates(reduce_on_plateau(0.5, 2), c(3, 2, 2, 2, 1, 1, 1)), c(1, 1, 1, 0.5, 0.5, 0.5, 0.25))
  expect_equal(rates(reduce_on_plateau(0.5, 1), c(3, 2, 1), validation_loss = c(1, 2, 2)), c(1, 0.5, 0.25))
})

test_that("they go with jobs in the background, with many models, and come back with stored ones", {
  job <- train_async(Y, X, learningrate = 0.5, numepochs = 6, epoch_function = schedules$step, model_id = "scheduled")
  model <- suppressMessages(job_wait(job))
  expect_equal(model$learningrate, 0.0625)
  stored <- model_fetch("models/scheduled")
  expect_identical(capture.output(stored$epoch_function[[1]]), "step_schedule(epochs = 2, factor = 0.5)")
  expect_equal(suppressMessages(trainr(Y, X, model = stored))$learningrate, 0.0625 / 8)
  for (schedule in schedules) {
    name <- model_store(quiet(epoch_function = schedule), "scheduled")
    expect_identical(capture.output(model_fetch(name)$epoch_function[[1]]), capture.output(schedule))
  }
  model_delete("models/scheduled")
  trained <- trainr_many(Y, X, list(learningrate = c(0.1, 0.5)), numepochs = 2, epoch_function = schedules$exponential)
  expect_equal(vapply(unclass(trained), function(one) one$model$learningrate, 0), c(0.1, 0.5) * 0.81)
})

test_that("what is wrong with a schedule is said", {
  expect_error(step_schedule(0), "`epochs` should be a whole number")
  expect_error(exponential_schedule(-1), "`factor` should be a number, 0 or more")
  expect_error(quiet(exact = TRUE, schedule = "cosine"), "epoch_function")
})

test_that("model$stop_training of a function of one's own ends the training with that epoch", {
  stopping <- function(model) {
    if (model$current_epoch == 2) model$stop_training <- TRUE
    model
  }
  for (exact in c(FALSE, TRUE)) {
    model <- quiet(epoch_function = stopping, exact = exact)
    expect_identical(model$current_epoch, 2L)
    expect_identical(dim(model$error), c(12L, 2L))
    expect_null(model[["stop_training"]])
    expect_identical(dim(predict(model, X)), c(12L, 6L))
  }
})
