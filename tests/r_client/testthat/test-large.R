# 80 MB of X: what the transfer adds to the training itself.

train_timed <- function(Y, X) {
  started <- Sys.time()
  set.seed(2)
  model <- suppressMessages(trainr(Y, X, learningrate = 0.01, hidden_dim = 4, batch_size = 100, keep_store = FALSE))
  elapsed <- as.numeric(Sys.time() - started, units = "secs")
  request <- rnnremote:::new_message("ListTrainingJobsRequest", page_size = 1L)
  job <- rnnremote:::unary_call(
    rnnremote:::use_connection(), "TrainingService/ListTrainingJobs", request, "ListTrainingJobsResponse"
  )$training_jobs[[1]]
  training <- job$end_time - job$start_time
  cat(sprintf(
    "\n80 MB of X: %.2f s in all, %.2f s of them training, %.2f s more\n", elapsed, training, elapsed - training
  ))
  model
}

test_that("80 MB of X arrive whole; what they cost beyond the training is printed", {
  set.seed(1)
  small <- matrix(runif(20), 5)
  suppressMessages(trainr(small, small, learningrate = 0.01)) # the server has compiled what it needs
  X <- array(runif(1e7), c(10000, 100, 10))
  Y <- X[, , 1]
  model <- train_timed(Y, X)
  expect_identical(dim(model$error), c(10000L, 1L))
  expect_true(all(model$error > 0))
  X[10000, 100, 10] <- X[10000, 100, 10] / 2 # the last number that is sent
  expect_false(identical(train_timed(Y, X)$time_synapse, model$time_synapse))
})
