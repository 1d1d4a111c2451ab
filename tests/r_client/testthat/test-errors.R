# What goes wrong is an R condition with a class for the gRPC status and the argument's name.

X <- matrix((1:40) / 41, 10)
train <- function(...) suppressMessages(trainr(Y = X, X = X, ...))

test_that("a wrong argument is named", {
  condition <- tryCatch(train(learningrate = -1), error = identity)
  expect_s3_class(condition, c("rnnremote_invalid_argument", "rnnremote_error", "error"), exact = FALSE)
  expect_named(condition$fields, "learningrate")
  expect_identical(condition$status, "INVALID_ARGUMENT")
  expect_identical(condition$code, 3L)
  expect_named(tryCatch(train(learningrate = 0.1, network_type = "cnn"), error = identity)$fields, "network_type")
  expect_named(tryCatch(train(learningrate = 0.1, numepochs = 0), error = identity)$fields, "numepochs")
  expect_error(train(), "`learningrate` is missing")
  expect_error(train(learningrate = 0.1, sigmoid = "relu"), "should be one of")
  expect_error(trainr(Y = 1:10, X = X, learningrate = 0.1), "`Y` should be an array of \\(samples, time, variables\\)")
  expect_error(trainr(Y = X, X = letters, learningrate = 0.1), "`X` should be a numeric array")
})

test_that("what is not there is not found", {
  expect_error(job_status("trainingJobs/nothing"), class = "rnnremote_not_found")
  expect_error(predictr("models/nothing", X), class = "rnnremote_not_found")
})

test_that("a deadline ends the call and the training", {
  connection <- trainr_connect(deadline = 1)
  on.exit(trainr_connect())
  started <- Sys.time()
  long <- function() train(learningrate = 0.01, hidden_dim = 100, numepochs = 1e5, keep_store = FALSE)
  expect_error(long(), class = "rnnremote_deadline_exceeded")
  expect_lt(as.numeric(Sys.time() - started, units = "secs"), 5)
  trainr_connect()
  job <- job_list()$name[1]
  for (attempt in 1:50) {
    if (job_status(job)$state == "cancelled") break
    Sys.sleep(0.1)
  }
  expect_identical(job_status(job)$state, "cancelled")
})

test_that("a wrong token, or none, is refused", {
  on.exit(trainr_connect())
  expect_error(trainr_connect(token = "wrong"), class = "rnnremote_unauthenticated")
  expect_error(trainr_connect(token = ""), class = "rnnremote_unauthenticated")
})

test_that("a server whose certificate is signed by another authority is not trusted", {
  on.exit(trainr_connect())
  expect_error(trainr_connect(cacert = Sys.getenv("PYTRAINR_OTHER_AUTHORITY")), "cacert", class = "rnnremote_tls")
})

test_that("where no server is, the message says where it was looked for", {
  on.exit(trainr_connect())
  expect_error(trainr_connect("127.0.0.1:9"), "127.0.0.1:9", class = "rnnremote_unavailable")
  expect_error(trainr_connect(cacert = "/nowhere.pem"), "there is no file /nowhere.pem")
})

test_that("11.22: errors speak R", {
  says <- function(expression, text) expect_error(expression, text, fixed = TRUE)
  X <- array((1:36) / 37, c(6, 3, 2))
  Y <- X[, , 1]
  train <- function(...) suppressMessages(trainr(Y = Y, X = X, ...))
  wrong <- Y
  wrong[5, 2] <- NA
  says(trainr(wrong, X, learningrate = 0.1), "Y[5, 2, 1] is NA")
  says(train(learningrate = "a"), "learningrate should be a finite number, 0 or more, it is \"a\"")
  says(train(learningrate = c(0.1, 0.2)), "it is c(0.1, 0.2)")
  says(train(learningrate = 0.1, use_bias = "yes"), "use_bias should be TRUE or FALSE, it is \"yes\"")
  says(train(learningrate = 0.1, hidden_dim = c(3, -1)), "hidden_dim[2] should be")
  says(train(learningrate = 0.1, batch_size = 100), "batch_size = 6")
  says(train(model = list()), "`model` should be what trainr() returned")
  says(trainr(Y[, 1:2], X, learningrate = 0.1), "X is c(6, 3, 2), Y is c(6, 2, 1)")
  model <- train(learningrate = 0.1)
  model$time_synapse[[1]] <- model$time_synapse[[1]][1, ]
  says(predictr(model, X), "model$time_synapse[[1]] should have the shape c(2, 10)")
  condition <- tryCatch(train(learningrate = "a"), error = identity)
  expect_identical(condition$fields, c(learningrate = conditionMessage(condition)))
  for (text in c("(str)", "tuple", "True", "None", "'")) {
    for (value in list(list(1), letters, NULL, list(time_synapse = 1))) {
      message <- tryCatch(train(learningrate = 0.1, momentum = value), error = conditionMessage)
      expect_false(grepl(text, message, fixed = TRUE), info = message)
      expect_lt(nchar(message), 300)
    }
  }
})
