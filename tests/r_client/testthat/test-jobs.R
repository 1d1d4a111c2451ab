# Jobs in the background, stored models, other options of the service.

set.seed(1)
X <- array(runif(10 * 4 * 2), c(10, 4, 2))
Y <- array(runif(10 * 4), c(10, 4, 1))

test_that("a job goes on without the caller and gives its model later, in another session too", {
  set.seed(2)
  job <- train_async(Y, X, learningrate = 0.1, hidden_dim = c(3, 2), numepochs = 5, network_type = "lstm", own = 1:3)
  file <- tempfile(fileext = ".rds")
  saveRDS(job, file)
  model <- suppressMessages(job_wait(readRDS(file)))
  status <- job_status(job)
  expect_identical(status[c("state", "epoch", "numepochs")], list(state = "succeeded", epoch = 5, numepochs = 5))
  expect_identical(model$own, 1:3)
  expect_identical(model$hidden_dim, c(3, 2))
  expect_identical(job_model(job$name)$time_synapse, model$time_synapse)
  expect_identical(job_model(job$name)$hidden_dim, c(3, 2))
  expect_equal(dim(predictr(model, X)), c(10, 4))
  expect_true(job$name %in% job_list()$name)
  set.seed(2)
  again <- train_async(Y, X, learningrate = 0.1, hidden_dim = c(3, 2), numepochs = 5, network_type = "lstm")
  expect_identical(suppressMessages(job_wait(again))$time_synapse, model$time_synapse)
  job_delete(again)
  expect_error(job_status(again), class = "rnnremote_not_found")
})

test_that("job_wait prints what epoch_print prints", {
  job <- train_async(Y, X, learningrate = 0.1, hidden_dim = 3, numepochs = 2)
  texts <- testthat::capture_messages(job_wait(job))
  expect_match(texts[c(1, 3)], "^Trained epoch: [12] - Learning rate: 0.1\n$")
  expect_match(texts[c(2, 4)], "^Epoch error: ")
})

test_that("a cancelled job stays cancelled, and waiting for it says so", {
  job <- train_async(Y, X, learningrate = 0.001, hidden_dim = 100, numepochs = 1e5)
  job_cancel(job)
  expect_error(suppressMessages(job_wait(job)), class = "rnnremote_cancelled")
  expect_identical(job_status(job)$state, "cancelled")
})

test_that("a job's error is the error that trainr would have had", {
  diverging <- utils::modifyList(golden_arguments(golden("sigmoid_tanh")), list(numepochs = 50))
  job <- do.call(train_async, diverging)
  condition <- tryCatch(suppressMessages(job_wait(job)), error = identity)
  expect_s3_class(condition, "rnnremote_error")
  expect_identical(condition$reason, "DIVERGED")
})

test_that("functions of the caller's own are refused in the background", {
  expect_error(train_async(Y, X, learningrate = 0.1, epoch_function = function(model) model), "cannot run in the background")
})

test_that("models are stored, listed, given an alias, fetched and deleted", {
  model <- suppressMessages(trainr(Y, X, learningrate = 0.1, hidden_dim = 3, own = "mine"))
  name <- model_store(model, "the-model")
  expect_match(name, "^models/the-model@[0-9]+$")
  expect_identical(model_alias(name, "prod"), name)
  fetched <- model_fetch("models/the-model@prod")
  kept <- setdiff(names(model), c("store", "store_best", "last_layer_error", "last_layer_delta", "epoch_function", "loss_function"))
  expect_identical(fetched[kept], model[kept])
  expect_identical(fetched$epoch_function, model$epoch_function)
  expect_identical(predictr("models/the-model@prod", X), predictr(model, X))
  expect_true(name %in% model_list()$name)
  expect_identical(model_list("models/the-model")$alias, "prod")
  expect_gt(model_delete("models/the-model"), 0)
  expect_error(model_fetch("models/the-model"), class = "rnnremote_not_found")
})

test_that("a prediction in pieces equals one in a single message, biases of R included", {
  model <- suppressMessages(trainr(Y, X, learningrate = 0.1, hidden_dim = 3, use_bias = TRUE))
  long <- array(runif(20000 * 4 * 2), c(20000, 4, 2))
  expect_gt(8 * length(long), rnnremote:::server_info(rnnremote:::use_connection())$inline_bytes)
  whole <- predictr(model, long, real_output = FALSE)
  expect_identical(predictr(model, long), matrix(whole, 20000))
})
