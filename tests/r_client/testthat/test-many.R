# 15.5 and 15.6: many models, steppers, data sets by name, lists and summaries of jobs, the line of progress.

set.seed(1)
X <- array(runif(12 * 6 * 2), c(12, 6, 2))
Y <- X[, , 1]
quiet <- function(...) suppressMessages(trainr(Y = Y, X = X, learningrate = 0.1, ...))

test_that("each of many models is what trainr makes of it after set.seed", {
  started <- Sys.time()
  trained <- trainr_many(
    Y, X, list(learningrate = c(0.1, 0.3), hidden_dim = list(3, c(4, 2))), seeds = 1:2, numepochs = 2
  )
  expect_length(trained, 8)
  for (one in unclass(trained)) {
    set.seed(one$seed)
    alone <- suppressMessages(do.call(trainr, c(list(Y, X, numepochs = 2), one$options)))
    expect_identical(coef(one$model), coef(alone))
    expect_identical(one$model$hidden_dim, alone$hidden_dim)
  }
  table <- as.data.frame(trained)
  expect_named(table, c("learningrate", "hidden_dim", "seed", "error"))
  expect_identical(table$hidden_dim, rep(c("3", "3", "4, 2", "4, 2"), each = 2))
  expect_identical(tail(colMeans(best_model(trained)$error), 1), min(table$error))
  expect_match(capture.output(trained)[1], "8 models")
  again <- suppressMessages(update(best_model(trained), numepochs = 1))
  expect_identical(again$hidden_dim, best_model(trained)$hidden_dim)
  expect_identical(nrow(job_list(state = c("queued", "running"), since = started)), 0L)
})

test_that("one that diverges stops no other and leaves its last finite model", {
  Y10 <- Y * 10 - 5
  trained <- trainr_many(
    Y10, X, data.frame(learningrate = c(0.01, 100)), network_type = "rnn", exact = TRUE, output = "linear",
    numepochs = 30
  )
  conditions <- lapply(unclass(trained), `[[`, "condition")
  expect_null(conditions[[1]])
  expect_identical(conditions[[2]]$reason, "DIVERGED")
  expect_match(as.data.frame(trained)$stopped[2], "NaN|diverge|finite")
  expect_identical(best_model(trained), trained[[1]]$model)
})

test_that("formulas, and the loss of the data held out", {
  d <- data.frame(id = rep(1:4, each = 5), x = runif(20))
  d$y <- d$x / 2
  trained <- trainr_many(
    y ~ x, data = d, sample = id, grid = list(hidden_dim = c(2, 3)), learningrate = 0.01, exact = TRUE,
    validation = 0.25
  )
  expect_length(predict(best_model(trained), d), 20)
  expect_true("validation_loss" %in% names(as.data.frame(trained)))
})

test_that("what is wrong with many is said", {
  expect_error(trainr_many(Y, X, list(1:2)), "`grid` should be a named list")
  expect_error(trainr_many(Y, X, list(hidden_dim = numeric())), "without a value")
  expect_error(trainr_many(Y, X, seeds = "a"), "`seeds`")
  expect_error(trainr_many(Y, X, learningrate = 0.1, epoch_function = function(model) model), "background")
})

test_that("Ctrl-C hands back what there is", {
  skip_on_os("windows")
  count <- 0
  interrupt_third <- function() {
    count <<- count + 1
    if (count == 3) {
      tools::pskill(Sys.getpid(), tools::SIGINT)
      Sys.sleep(1)
    }
  }
  suppressMessages(trace("job_wait", bquote((.(interrupt_third))()), where = asNamespace("rnnremote"), print = FALSE))
  on.exit(suppressMessages(untrace("job_wait", where = asNamespace("rnnremote"))))
  expect_warning(
    trained <- trainr_many(Y, X, list(numepochs = c(1, 1, 1e5, 1e5)), learningrate = 0.001),
    class = "rnnremote_interrupted"
  )
  expect_identical(vapply(unclass(trained), function(one) is.null(one$model), NA), c(FALSE, FALSE, TRUE, TRUE))
  until <- Sys.time() + 30
  while (nrow(job_list(state = c("queued", "running"))) > 0 && Sys.time() < until) Sys.sleep(0.1)
  expect_identical(nrow(job_list(state = c("queued", "running"))), 0L)
})

test_that("a stepper gives what predictr gives for the sequence so far", {
  one <- X[1, , , drop = FALSE]
  models <- list(
    rnn = quiet(network_type = "gru"), exact = quiet(network_type = "lstm", exact = TRUE, use_bias = TRUE),
    biased = quiet(use_bias = TRUE)
  )
  for (name in names(models)) {
    step <- stepper(models[[name]])
    whole <- predictr(models[[name]], one)
    for (i in 1:3) expect_equal(step(X[1, i, ]), whole[1, i], tolerance = 1e-14, info = name)
    state <- stepper_state(step)
    fourth <- step(X[1, 4, ])
    stepper_state(step) <- state
    expect_identical(step(X[1, 4, ]), fourth)
    step()
    expect_equal(step(X[1, 1, ]), whole[1, 1], info = name)
    expect_error(step(1:3), "`x` should be 2 numbers")
  }
  several <- stepper(model_store(models$exact, "stepped"), samples = 12)
  several(X[, 1, ])
  expect_equal(several(X[, 2, ])[, 1], predictr(models$exact, X)[, 2])
  expect_error(stepper(quiet(network_type = "gru", bidirectional = TRUE, exact = TRUE)), "bidirectional")
  expect_output(print(step), "one step at a time")
  model_delete("models/stepped")
})

test_that("data sets are sent once and used by name", {
  large <- array(runif(12 * 6 * 2), c(12, 6, 2))
  inputs <- dataset_send(large)
  expect_identical(dim(inputs), dim(large))
  set.seed(2)
  by_name <- suppressMessages(trainr(Y, dataset(sub("datasets/", "", inputs$name), dim(large)), learningrate = 0.1))
  set.seed(2)
  direct <- suppressMessages(trainr(Y, large, learningrate = 0.1))
  expect_identical(coef(by_name), coef(direct))
  expect_identical(predictr(by_name, inputs), predictr(direct, large))
  targets <- dataset_send(Y)
  expect_identical(dim(targets), c(12L, 6L, 1L))
  set.seed(2)
  expect_identical(coef(suppressMessages(job_wait(train_async(targets, inputs, learningrate = 0.1)))), coef({
    set.seed(2)
    suppressMessages(job_wait(train_async(Y, large, learningrate = 0.1)))
  }))
  listed <- dataset_list()
  expect_true(all(c(inputs$name, targets$name) %in% listed$name))
  expect_false(is.unsorted(rev(listed$created)))
  expect_output(print(inputs), "12 x 6 x 2 numbers at the server")
  expect_error(dataset(inputs$name, c(12, 6)), "the data set has 144")
  expect_error(dataset("mine", c(12, 6)), "sha256")
  expect_gte(dataset_delete(targets), 0)
})

test_that("jobs are listed newest first and filtered; a summary says when", {
  job <- train_async(Y, X, learningrate = 0.1, numepochs = 2, model_id = "summed")
  suppressMessages(job_wait(job))
  stored <- job_status(job)$model
  jobs <- job_list()
  expect_false(is.unsorted(rev(jobs$created)))
  expect_true(all(job_list(state = "succeeded")$state == "succeeded"))
  expect_identical(job_list(pattern = paste0("^", stored, "$"))$name, job$name)
  expect_identical(nrow(job_list(since = Sys.time() + 3600)), 0L)
  expect_named(job_list(since = Sys.time() + 3600), names(jobs))
  printed <- capture.output(summary(job))
  expect_match(printed[1], "succeeded")
  expect_match(printed, "epochs 2 of 2", all = FALSE)
  expect_match(printed, "trained for", all = FALSE)
  expect_match(printed, paste("model:", stored), all = FALSE)
  expect_identical(model_alias("models/summed", "best"), stored)
  model_alias("models/summed@best", "best", remove = TRUE)
  expect_identical(model_list("models/summed")$alias, "")
  model_delete("models/summed")
})

test_that("the line of progress says how far it is and how long it takes", {
  text <- rnnremote:::bar_text
  expect_identical(text("epochs", 2.5, 10, 5), "epochs 2 of 10 [=====>              ] 25 %, 15 s left")
  expect_identical(text("epochs", 10, 10, 5), "epochs 10 of 10 [====================] 100 %, 0 s left")
  expect_identical(text("epochs", 0, 10, 5), "epochs 0 of 10 [>                   ] 0 %")
  expect_identical(rnnremote:::time_text(75), "1 min 15 s")
  expect_identical(rnnremote:::time_text(7260), "2 h 1 min")
  old <- options(rnnremote.progress = TRUE, width = 70)
  on.exit(options(old))
  shown <- capture.output(
    {
      bar <- rnnremote:::new_bar("models", 4)
      bar$show(1)
      bar$show(0, paste("the server is compiling", strrep("x", 100)))
      bar$clear()
    },
    type = "message"
  )
  lines <- strsplit(paste(shown, collapse = ""), "\r")[[1]]
  expect_true(all(nchar(lines) <= 69))
  expect_match(lines, "models 1 of 4", all = FALSE)
  long <- array(runif(500 * 20), c(500, 20, 1))
  shown <- capture.output(
    model <- trainr(
      long, long, learningrate = 0.01, hidden_dim = 32, numepochs = 150, network_type = "lstm", keep_store = FALSE,
      epoch_function = NULL
    ),
    type = "message"
  )
  expect_match(paste(shown, collapse = ""), "epochs [0-9]+ of 150 \\[")
})
