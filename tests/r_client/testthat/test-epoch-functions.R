# The caller's own functions run here in R, after every epoch, on the real model.

set.seed(1)
X <- array(runif(8 * 4 * 2), c(8, 4, 2))
Y <- array(runif(8 * 4), c(8, 4, 1))
train <- function(..., seed = 3) {
  set.seed(seed)
  suppressMessages(
    trainr(Y = Y, X = X, hidden_dim = 3, numepochs = 4, learningrate = 0.2, learningrate_decay = 0.5, ...)
  )
}
numbers <- function(model) model[setdiff(names(model), c("epoch_function", "loss_function"))]

test_that("an own annealing trains exactly as the built-in one", {
  own <- function(model) {
    model$learningrate <- model$learningrate * model$learningrate_decay
    model
  }
  expect_identical(numbers(train(epoch_function = own)), numbers(train()))
  expect_identical(train(epoch_function = list(epoch_print, own))$learningrate, 0.2 * 0.5^4)
})

test_that("changed weights, momentum and random numbers have the effect they have in R", {
  # Recorded with R's own package; see recorded/README.md.
  for (recorded in jsonlite::fromJSON(
    file.path(Sys.getenv("PYTRAINR_R_TESTS"), "recorded", "epoch_functions.json"), simplifyVector = FALSE
  )) {
    noisy <- function(model) {
      model$learningrate <- model$learningrate * 0.7
      model$time_synapse <- lapply(model$time_synapse, function(w) w * 0.9)
      model$bias_synapse[[1]] <- model$bias_synapse[[1]] + runif(length(model$bias_synapse[[1]]), -0.1, 0.1)
      if (model$current_epoch == 2) model$momentum <- 0.1
      model
    }
    set.seed(recorded$seed)
    model <- suppressMessages(do.call(trainr, c(
      list(Y = golden_array(recorded$Y), X = golden_array(recorded$X), epoch_function = c(noisy)),
      lapply(recorded$args, unlist)
    )))
    expect_same(runif(3), recorded$rng_after, "the random stream")
    for (field in c("time_synapse", "recurrent_synapse", "bias_synapse", "time_synapse_update", "store")) {
      expect_same_list(model[[field]], recorded$final[[field]], field)
    }
    expect_same(model$error, recorded$error, "error")
  }
})

test_that("the functions see the model of R: whole error matrix, store, extra arguments", {
  seen <- list()
  look <- function(model) {
    seen[[model$current_epoch]] <<- model
    model
  }
  model <- train(epoch_function = look, extra = "x")
  expect_length(seen, 4)
  expect_identical(seen[[1]]$extra, "x")
  expect_identical(dim(seen[[1]]$error), c(8L, 4L))
  expect_identical(seen[[2]]$error[, 1], model$error[, 1])
  expect_identical(seen[[4]]$time_synapse, model$time_synapse)
  expect_identical(dim(seen[[1]]$store[[1]]), c(8L, 4L, 3L))
  expect_identical(seen[[1]]$epoch_function, list(look))
})

test_that("fields of the caller's own stay in the model", {
  model <- train(epoch_function = function(model) {
    model$history <- c(model$history, model$current_epoch)
    model
  })
  expect_identical(model$history, 1:4)
  expect_identical(setdiff(names(model), "store_best")[length(model) - !is.null(model$store_best)], "history")
})

test_that("a function that returns no model stops the training with R's words", {
  expect_error(train(epoch_function = function(model) NULL), "one epoch function didn't return the model")
})

test_that("a field that a function hands back broken is refused by its name, in R's arithmetic and exact", {
  broken <- list(
    use_bias = "text", use_bias = list(1, 2:3), time_synapse = list(matrix(0, 2, 2)), time_synapse = "text",
    learningrate = NULL, learningrate = c(1, 2), batch_size = 1e-300, hidden_dim = 9, time_dim = 99,
    network_type = "lstm", error = 1:3, momentum = TRUE, synapse_dim = NULL, update_rule = 7
  )
  for (exact in c(FALSE, TRUE)) for (number in seq_along(broken)) {
    field <- names(broken)[number]
    function_of_mine <- function(model) {
      model[field] <- broken[number]
      model
    }
    arguments <- list(epoch_function = function_of_mine)
    if (exact) arguments <- c(arguments, list(exact = TRUE, network_type = "gru", update_rule = "adam"))
    condition <- tryCatch(do.call(train, arguments), error = identity)
    expect_s3_class(condition, "error")
    expect_match(conditionMessage(condition), field, fixed = TRUE, label = paste(field, "exact"[exact]))
  }
  expect_length(train()$time_synapse, 2) # the server is there, and well
})

test_that("an error in a function is the caller's error, and the job is cancelled", {
  expect_error(train(epoch_function = function(model) stop("my own mistake")), "my own mistake")
  job <- job_list()$name[1]
  for (attempt in 1:50) {
    if (job_status(job)$state == "cancelled") break
    Sys.sleep(0.05)
  }
  expect_identical(job_status(job)$state, "cancelled")
})

test_that("a prediction within a function uses a connection of its own", {
  model <- train(epoch_function = function(model) {
    model$predicted <- predictr(model, X)
    model
  })
  expect_identical(model$predicted, predictr(model, X))
})

test_that("a loss function of one's own is refused with a clear message", {
  expect_error(train(loss_function = function(model) model), "loss_function.*cannot run on the server")
})

test_that("without any function nothing is printed and nothing annealed", {
  expect_silent(
    model <- trainr(Y, X, learningrate = 0.2, learningrate_decay = 0.5, numepochs = 2, epoch_function = list())
  )
  expect_identical(model$learningrate, 0.2)
})

test_that("a model with an own function is trained further with it", {
  own <- function(model) {
    model$learningrate <- model$learningrate * model$learningrate_decay
    model
  }
  first <- train(epoch_function = list(epoch_print, own))
  built_in <- train()
  again <- function(model) {
    set.seed(4)
    suppressMessages(trainr(Y, X, model = model))
  }
  expect_identical(numbers(again(first)), numbers(again(built_in)))
  expect_identical(again(first)$epoch_function, list(epoch_print, own))
  # From the server only the name comes back.
  expect_error(again(model_store(first, "with-own-function")), "did not come with the model|only the name is known")
})
