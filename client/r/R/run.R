# One call of trainr: the stream of events from the server, the caller's epoch functions in between.

# Everything about a training under way, in an environment that the event handlers share:
#   model: the list as it is here; job: the job's name; epoch: the last whole epoch seen
#   pause: the PauseEvent whose model is arriving; answered, answer: the last pause that was answered, and how
#   result: the fields of the trained model; finished: the job's last message
run_training <- function(plan, connection) {
  run <- list2env(list(
    plan = plan, connection = connection, model = plan$local, pausing = plan$training$pause_each_epoch, job = NULL,
    epoch = 0, pause = NULL, answered = 0, answer = NULL, result = NULL, finished = NULL, join = NULL
  ), parent = emptyenv())
  # An error, an interrupt, an epoch function that stops: the server need not go on.
  on.exit(if (is.null(run$finished)) cancel_quietly(connection, run$job))
  request <- new_message("TrainRequest", training = plan$training, request_id = new_uuid())
  follow(run, request, "TrainingService/Train")
  set_random_state(run$finished$random_state$value)
  trained_model(run)
}

# Receives events until the job has finished; after a broken connection again from the first epoch not yet seen.
follow <- function(run, request, method) {
  seen <- Sys.time()
  handler <- function(bytes) {
    seen <<- Sys.time()
    on_event(run, from_bytes("TrainingEvent", bytes))
  }
  wait <- 0.2
  repeat {
    request$after_epoch <- run$epoch
    run$join <- model_joiner(function_named)
    run$pause <- NULL
    lost <- tryCatch(
      {
        grpc_call(run$connection, method, to_bytes(request), handler, stream = TRUE)
        NULL
      },
      rnnremote_unavailable = identity
    )
    clear_progress(run)
    if (is.null(lost)) break
    if (inherits(lost, "rnnremote_tls") || Sys.time() > seen + getOption("rnnremote.patience", 60)) stop(lost)
    Sys.sleep(max(wait, lost$retry_delay))
    wait <- min(wait * 2, 5)
  }
}

on_event <- function(run, event) {
  if (event$has("progress")) return(show_progress(run, event$progress))
  if (event$has("accepted")) run$job <- event$accepted$name
  if (event$has("epochs")) for (epoch in event$epochs$epoch) on_epoch(run, epoch)
  if (event$has("pause")) run$pause <- event$pause
  if (event$has("model")) on_part(run, event$model)
  if (event$has("finished")) run$finished <- event$finished
}

# An epoch is complete. Without pauses, what epoch_print prints is printed here.
on_epoch <- function(run, epoch) {
  run$epoch <- max(run$epoch, epoch$epoch)
  clear_progress(run)
  if (run$pausing) return(invisible())
  seen <- list(
    current_epoch = epoch$epoch, learningrate = epoch$learningrate, learningrate_decay = run$model$learningrate_decay,
    error = matrix(epoch$mean_error, nrow = 1)[, rep(1, epoch$epoch), drop = FALSE]
  )
  for (f in run$model$epoch_function) seen <- f(seen)
}

# A piece of a model: of the state in a pause, or of the result.
on_part <- function(run, part) {
  fields <- run$join(part)
  if (is.null(fields)) return(invisible())
  run$join <- model_joiner(function_named)
  if (is.null(run$pause)) {
    run$result <- fields
  } else {
    answer_pause(run, run$pause, fields)
    run$pause <- NULL
  }
}

# Runs the caller's epoch functions on the model as it is after this epoch, and tells the server what they changed.
answer_pause <- function(run, pause, fields) {
  if (pause$epoch > run$answered) {
    clear_progress(run)
    before <- paused_model(run, fields, pause$epoch)
    set_random_state(pause$random_state$value)
    after <- before
    for (f in before$epoch_function) {
      after <- f(after)
      if (!is.list(after)) stop("one epoch function didn't return the model.", call. = FALSE)
    }
    run$model <- after
    run$answer <- new_message("ContinueTrainingRequest",
      name = run$job, epoch = pause$epoch, field = changed_fields(before, after, pause$epoch),
      random_state = if (!identical(random_state(), pause$random_state$value)) encode_random_state()
    )
    run$answered <- pause$epoch
  }
  with_patience(function() unary_call(run$connection, "TrainingService/ContinueTraining", run$answer, "TrainingJob"))
}

# The model's list in a pause: its error matrix has all epochs, the server sends one column.
paused_model <- function(run, fields, epoch) {
  column <- fields$error
  error <- if (run$answered == 0) matrix(0, nrow(column), run$model$numepochs) else run$model$error
  error[, epoch] <- column
  fields$error <- error
  model <- merge_trained(run$model, fields)
  attr(model, "error") <- attr(run$model, "error")
  model
}

# The fields that the epoch functions changed and that the server has to know.
changed_fields <- function(before, after, epoch) {
  if (!identical(before$loss_function, after$loss_function)) loss_name(after$loss_function)
  names <- names(after)[are_weights(names(after)) | names(after) %in% c(r_fields, "clipping", "error")]
  names <- setdiff(names, c("epoch_function", "loss_function"))
  names <- names[!vapply(names, function(name) identical(before[[name]], after[[name]]), NA)]
  values <- unclass(after)[names]
  if ("error" %in% names) values$error <- values$error[, epoch]
  unname(Map(encode_field, values, names))
}

# The list that trainr returns.
trained_model <- function(run) {
  if (!run$pausing) return(merge_trained(run$model, run$result))
  # The list here is complete, the caller's functions have had the last word; only store_best comes at the very end.
  model <- run$model
  new <- setdiff(names(run$result), setdiff(names(model), "store_best"))
  model[new] <- run$result[new]
  attr(model, "error") <- colMeans(model$error)
  model
}

cancel_quietly <- function(connection, job) {
  if (is.null(job)) return(invisible())
  request <- new_message("CancelTrainingJobRequest", name = job)
  tryCatch(
    unary_call(connection, "TrainingService/CancelTrainingJob", request, "TrainingJob", deadline = 5),
    rnnremote_error = function(condition) NULL
  )
}

show_progress <- function(run, progress) {
  if (!getOption("rnnremote.progress", interactive())) return(invisible())
  text <- if (progress$queue_position > 0) {
    paste("waiting,", progress$queue_position, "jobs before this one")
  } else {
    sprintf("epoch %.0f: %.0f %%", progress$epoch + 1, 100 * progress$progress)
  }
  cat("\r", format(text, width = 40), sep = "", file = stderr())
  run$shown <- TRUE
}

clear_progress <- function(run) {
  if (isTRUE(run$shown)) cat("\r", strrep(" ", 40), "\r", sep = "", file = stderr())
  run$shown <- FALSE
}
