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
  expect_error(
    train_async(Y, X, learningrate = 0.1, epoch_function = function(model) model), "cannot run in the background"
  )
})

test_that("models are stored, listed, given an alias, fetched and deleted", {
  model <- suppressMessages(trainr(Y, X, learningrate = 0.1, hidden_dim = 3, own = "mine"))
  name <- model_store(model, "the-model")
  expect_match(name, "^models/the-model@[0-9]+$")
  expect_identical(model_alias(name, "prod"), name)
  fetched <- model_fetch("models/the-model@prod")
  kept <- setdiff(
    names(model), c("store", "store_best", "last_layer_error", "last_layer_delta", "epoch_function", "loss_function")
  )
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

test_that("11.9: train_async honours partial names as trainr does", {
  set.seed(3)
  job <- train_async(Y, X, learningrate = 0.1, hidden = 5, num = 7, net = "lstm", own = "mine")
  model <- suppressMessages(job_wait(job))
  expect_identical(model[c("hidden_dim", "numepochs", "network_type", "learningrate", "own")],
    list(hidden_dim = 5, numepochs = 7, network_type = "lstm", learningrate = 0.1, own = "mine")
  )
  expect_identical(job_status(job)$numepochs, 7)
  set.seed(3)
  exact <- suppressMessages(
    job_wait(train_async(Y, X, NULL, 0.1, exact = TRUE, net = "gru", loss = "huber", output = "linear"))
  )
  expect_identical(exact[c("loss", "network_type")], list(loss = "huber", network_type = "gru"))
  expect_error(train_async(Y, X), "`learningrate` is missing")
  expect_error(train_async(Y, X, learningrate = 0.1, hiden_dim = 3), "hidden_dim")
})

test_that("11.25: models are listed newest first, named ones apart, with filters", {
  suppressMessages(trainr(Y, X, learningrate = 0.1, hidden_dim = 2, network_type = "gru"))
  model <- suppressMessages(trainr(Y, X, learningrate = 0.1, hidden_dim = 2))
  older <- model_store(model, "list-older")
  newer <- model_store(model, "list-newer")
  expect_message(named <- model_list(), "more of single trainings")
  expect_identical(named$name[1:2], c(newer, older))
  expect_true(all(is.na(named$expires) | nzchar(named$alias)))
  all <- model_list(named = NA)
  expect_false(is.unsorted(rev(all$created)))
  expect_gt(nrow(all), nrow(named))
  unnamed <- model_list(named = FALSE)
  expect_length(intersect(unnamed$name, named$name), 0)
  expect_identical(nrow(unnamed) + nrow(named), nrow(all))
  expect_true(all(model_list(named = NA, network_type = "gru")$network_type == "gru"))
  expect_setequal(model_list(pattern = "list-(older|newer)")$name, c(newer, older))
  expect_identical(nrow(model_list(named = NA, since = Sys.time() + 3600)), 0L)
  expect_named(model_list(pattern = "no such model"), names(all))
  model_delete("models/list-older")
  model_delete("models/list-newer")
})

test_that("11.25: a data set once sent is known by its hash, in another session too", {
  large <- array(runif(2e5), c(2e4, 5, 2))
  expect_gt(8 * length(large), rnnremote:::server_info(rnnremote:::use_connection())$inline_bytes)
  sent <- 0
  count <- function(...) sent <<- sent + 1
  namespace <- asNamespace("rnnremote")
  suppressMessages(trace("upload_dataset", tracer = bquote((.(count))()), where = namespace, print = FALSE))
  on.exit(suppressMessages(untrace("upload_dataset", where = namespace)))
  first <- train_async(large[, , 1], large, learningrate = 0.1, batch_size = 1000)
  after_first <- sent
  train_async(large[, , 1], large, learningrate = 0.1, batch_size = 1000)
  expect_identical(after_first, 1) # Y is below the size from which arrays are uploaded
  expect_identical(sent, after_first)
  expect_match(rnnremote:::sha256_of(1:3), "^[0-9a-f]{64}$")
  job_wait(first)
})

test_that("11.23: a job that diverged hands over the last finite model", {
  diverging <- utils::modifyList(golden_arguments(golden("sigmoid_tanh")), list(numepochs = 50))
  job <- do.call(train_async, diverging)
  condition <- tryCatch(suppressMessages(job_wait(job)), error = identity)
  expect_identical(condition$reason, "DIVERGED")
  expect_true(all(is.finite(unlist(condition$model$time_synapse))))
  expect_lt(condition$model$current_epoch, condition$epoch)
  expect_s3_class(condition, "rnnremote_diverged")
  expect_match(job_status(job)$error, "the model after epoch .* is model_fetch")
  direct <- tryCatch(suppressMessages(do.call(trainr, diverging)), rnnremote_diverged = identity)
  # who has not caught it finds the model at the server
  call <- regmatches(conditionMessage(direct), regexpr("model_fetch[(][^)]*[)]", conditionMessage(direct)))
  expect_identical(coef(eval(str2lang(call))), coef(direct$model))
  expect_identical(direct$reason, "DIVERGED")
  expect_true(all(is.finite(unlist(direct$model$time_synapse))))
  expect_identical(direct$model$hidden_dim, diverging$hidden_dim)
  expect_equal(
    dim(predictr(direct$model, golden_array(golden("sigmoid_tanh")$X)))[1],
    dim(golden_array(golden("sigmoid_tanh")$X))[1]
  )
})
