# 80 MB of X: what the transfer adds to the training itself.

added_seconds <- function(Y, X) {
  started <- Sys.time()
  suppressMessages(trainr(Y, X, learningrate = 0.01, hidden_dim = 4, batch_size = 100, keep_store = FALSE))
  elapsed <- as.numeric(Sys.time() - started, units = "secs")
  request <- rnnremote:::new_message("ListTrainingJobsRequest", page_size = 1L)
  job <- rnnremote:::unary_call(
    rnnremote:::use_connection(), "TrainingService/ListTrainingJobs", request, "ListTrainingJobsResponse"
  )$training_jobs[[1]]
  training <- job$end_time - job$start_time
  cat(sprintf("\n80 MB of X: %.2f s in all, %.2f s of them training, %.2f s more\n", elapsed, training, elapsed - training))
  elapsed - training
}

test_that("80 MB of X cost under 4 seconds more than the training", {
  set.seed(1)
  small <- matrix(runif(20), 5)
  suppressMessages(trainr(small, small, learningrate = 0.01)) # the server has compiled what it needs
  X <- array(runif(1e7), c(10000, 100, 10))
  Y <- X[, , 1]
  added <- vapply(1:2, function(attempt) added_seconds(Y, X + attempt / 1000), 0)
  expect_lt(min(added), 4) # the better of two, for other work may be going on on this machine
})
