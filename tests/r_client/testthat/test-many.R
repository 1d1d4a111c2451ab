# 15.5, 15.6 and 17.4: many models, steppers, data sets by name, lists and summaries of jobs, the line of progress.

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
  expect_error(trainr_many(Y, X, data.frame(hidden_dim = numeric())), "no row")
  expect_error(trainr_many(Y, X, seeds = "a"), "`seeds`")
  expect_error(trainr_many(Y, X, learningrate = 0.1, epoch_function = function(model) model), "background")
  expect_error(trainr_many(Y, X, list(hidden = 2:3), hidden_dim = 4), "`hidden_dim` is in `grid` and beside it")
  expect_error(trainr_many(Y, X, list(X = list(X))), "`X` cannot be in `grid`")
  expect_error(trainr_many(Y, X, learningrate = 0.1, priority = 101), "`priority` should be")
  expect_error(trainr_many(Y, X, learningrate = 0.1, each = 1), "`each` should be a function")
})

test_that("17.4: all of them are trained or none; the error says which of them is wrong", {
  before <- nrow(job_list())
  wrong <- tryCatch(
    trainr_many(Y, X, list(hidden_dim = list(2, c(3, -1))), seeds = 1:2, learningrate = 0.1), error = identity
  )
  expect_s3_class(wrong, "rnnremote_invalid_argument")
  expect_match(conditionMessage(wrong), "(model 3 of 4: hidden_dim = c(3, -1), seed 1)", fixed = TRUE)
  expect_named(wrong$fields, "hidden_dim")
  most <- rnnremote:::server_info(rnnremote:::use_connection())$max_batch
  expect_error(trainr_many(Y, X, seeds = seq_len(most + 1), learningrate = 0.1), paste("takes", most, "at once"))
  expect_identical(nrow(job_list()), before)
})

# How often the package has called these functions of its own while `code` ran, and with these methods of the server.
calls_of <- function(code, functions = character()) {
  counts <- list()
  note <- function(what) counts[[what]] <<- c(counts[[what]], 0)[1] + 1
  namespace <- asNamespace("rnnremote")
  for (name in c("grpc_call", functions)) {
    tracer <- if (name == "grpc_call") bquote((.(note))(method)) else bquote((.(note))(.(name)))
    suppressMessages(trace(name, tracer, where = namespace, print = FALSE))
  }
  on.exit(suppressMessages(for (name in c("grpc_call", functions)) untrace(name, where = namespace)))
  force(code)
  counts
}

test_that("17.4: one submission, one stream, arrays once, whatever N is; results as they end", {
  wide <- array(runif(12 * 6 * 30), c(12, 6, 30))
  target <- wide[, , 1:9]
  ended <- list()
  counts <- calls_of(functions = "dataset_of", {
    trained <- trainr_many(
      target, wide, list(learningrate = c(0.1, 0.3), hidden_dim = 3:5), seeds = 1:2, numepochs = 2,
      each = function(one) ended[[length(ended) + 1]] <<- one
    )
  })
  method <- function(name) counts[[paste0("TrainingService/", name)]]
  expect_identical(method("CreateTrainingJobs"), 1)
  expect_identical(method("WatchTrainingBatch"), 1)
  expect_identical(method("DeleteTrainingBatch"), 1)
  expect_null(method("CreateTrainingJob"))
  expect_identical(counts$dataset_of, 2)
  expect_identical(counts[["ModelService/ExportModel"]], 12)
  expect_length(ended, 12)
  places <- vapply(ended, function(one) as.numeric(sub(".*-([0-9]+)@1$", "\\1", one$name)), 0)
  expect_setequal(places, 0:11)
  for (i in seq_along(ended)) expect_identical(ended[[i]], trained[[places[i] + 1]])
  expect_identical(coef(model_fetch(trained[[5]]$name)), coef(trained[[5]]$model))
  set.seed(2)
  last <- suppressMessages(trainr(target, wide, learningrate = 0.3, hidden_dim = 5, numepochs = 2, keep_store = FALSE))
  expect_identical(coef(trained[[12]]$model), coef(last))
  expect_identical(trained[[12]]$model$error, last$error)
})

test_that("17.4: with halving the best go on as if nothing had been between, and what is dropped says so", {
  grid <- list(learningrate = c(0.01, 0.5, 0.1), hidden_dim = c(2, 5, 3))
  for (exact in c(FALSE, TRUE)) {
    shared <- list(Y, X, grid, numepochs = 9, network_type = "gru", exact = exact)
    if (exact) shared$validation <- 0.25
    trained <- do.call(trainr_many, c(shared, list(halving = 3)))
    full <- do.call(trainr_many, shared)
    error <- function(one, epoch) if (exact) one$model$validation_loss[epoch] else mean(one$model$error[, epoch])
    left <- order(vapply(unclass(full), error, 0, 1))[1:3]
    last <- left[which.min(vapply(unclass(full)[left], error, 0, 3))]
    expect_null(trained[[last]]$condition)
    expect_identical(coef(best_model(trained)), coef(full[[last]]$model))
    expect_identical(best_model(trained)$error, full[[last]]$model$error)
    for (i in setdiff(1:9, last)) {
      epochs <- if (i %in% left) 3 else 1
      dropped <- trained[[i]]
      expect_s3_class(dropped$condition, "rnnremote_dropped")
      expect_match(conditionMessage(dropped$condition), paste("^dropped after", epochs, "of 9 epochs: its error"))
      expect_identical(dropped$model$current_epoch, as.integer(epochs))
      expect_identical(dropped$model$error, full[[i]]$model$error[, seq_len(epochs), drop = FALSE])
      expect_match(dropped$name, "^models/batch-.*@1$")
    }
    expect_identical(sum(nzchar(as.data.frame(trained)$stopped)), 8L)
  }
})

test_that("17.4: halving may say how long all train; what cannot be is said", {
  trained <- trainr_many(
    Y, X, learningrate = 0.1, seeds = 1:4, numepochs = 8, halving = list(eta = 2, epochs = 3), priority = 2
  )
  epochs <- vapply(unclass(trained), function(one) one$model$current_epoch, 0L)
  expect_identical(sort(epochs), c(4L, 4L, 8L, 8L))
  halve <- function(halving, grid = list(hidden_dim = 1:3), ...) {
    trainr_many(Y, X, grid, learningrate = 0.1, halving = halving, ...)
  }
  for (wrong in list(1, 2.5, "3", c(3, 2), c(etas = 3), list(eta = 3, epochs = 0), NA, numeric())) {
    expect_error(halve(wrong), "`halving` should be a whole number, 2 or more")
  }
  expect_error(halve(3, numepochs = 2), "halving with eta = 3 needs at least 3 models and 3 epochs to drop any")
  expect_error(halve(3, list(num = 1:3)), "`numepochs` cannot be in `grid` where `halving` compares models")
  expect_error(trainr_many(Y, X, seeds = 1:3, model = trained[[1]]$model, halving = 3), "new models only")
})

test_that("Ctrl-C hands back what there is", {
  skip_on_os("windows")
  count <- 0
  interrupt_second <- function(one) {
    count <<- count + 1
    if (count == 2) {
      tools::pskill(Sys.getpid(), tools::SIGINT)
      Sys.sleep(1)
    }
  }
  expect_warning(
    trained <- trainr_many(
      Y, X, list(numepochs = c(1, 1, 1e5, 1e5)), learningrate = 0.001, each = interrupt_second
    ),
    "2 of 4 models are trained to the end",
    class = "rnnremote_interrupted"
  )
  conditions <- lapply(unclass(trained), `[[`, "condition")
  expect_identical(vapply(conditions, is.null, NA), c(TRUE, TRUE, FALSE, FALSE))
  for (i in 3:4) {
    epochs <- if (is.null(trained[[i]]$model)) 0 else trained[[i]]$model$current_epoch
    expect_s3_class(conditions[[i]], "rnnremote_interrupted")
    expect_match(conditionMessage(conditions[[i]]), paste("interrupted after", epochs, "whole epoch"))
  }
  expect_identical(nrow(job_list(state = c("queued", "running", "paused"))), 0L)
})

test_that("17.4: Ctrl-C just before or after the jobs are handed in leaves none of them running", {
  skip_on_os("windows")
  interrupt <- quote({
    tools::pskill(Sys.getpid(), tools::SIGINT)
    Sys.sleep(1)
  })
  namespace <- asNamespace("rnnremote")
  for (steps in list(list(interrupt, NULL), list(NULL, interrupt))) {
    suppressMessages(trace("create_batch", steps[[1]], exit = steps[[2]], where = namespace, print = FALSE))
    expect_warning(
      trained <- trainr_many(Y, X, learningrate = 0.001, numepochs = 1e6, seeds = 1:5), "0 of 5 models",
      class = "rnnremote_interrupted"
    )
    suppressMessages(untrace("create_batch", where = namespace))
    expect_match(as.data.frame(trained)$stopped, "^interrupted")
    expect_identical(nrow(job_list(state = c("queued", "running", "paused"))), 0L)
  }
})

test_that("17.4: an error of the caller's own stops all", {
  expect_error(
    trainr_many(Y, X, list(numepochs = c(1, 1e5)), learningrate = 0.001, each = function(one) stop("mine")), "mine"
  )
  until <- Sys.time() + 30
  while (nrow(job_list(state = c("queued", "running", "paused"))) > 0 && Sys.time() < until) Sys.sleep(0.1)
  expect_identical(nrow(job_list(state = c("queued", "running", "paused"))), 0L)
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

test_that("17.4: one line of progress tells of all models", {
  old <- options(rnnremote.progress = TRUE, width = 90)
  on.exit(options(old))
  shown <- capture.output(
    trained <- trainr_many(Y, X, learningrate = 0.1, seeds = 1:4, numepochs = 9, halving = 3), type = "message"
  )
  shown <- paste(shown, collapse = "")
  expect_match(shown, "models 0 of 4, epochs [0-9]+ of 36 \\[")
  expect_match(shown, "models 4 of 4, epochs 18 of 18 \\[=+\\] 100 %") # 4 of 3 epochs, and 6 more of one
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
