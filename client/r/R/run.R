# One call of trainr: the stream of events from the server, the caller's epoch functions in between.

# Everything about a training under way, in an environment that the event handlers share:
#   plan: what is trained; model: the list as it is here; job: the job's name; epoch: the last whole epoch seen
#   pause: the PauseEvent whose model is arriving; answered, answer: the last pause that was answered, and how
#   known: the names of the fields that the server has; result: the fields of the trained model
#   finished: the job's last message
new_run <- function(plan, connection, job = NULL) {
  list2env(list(
    plan = plan, connection = connection, model = plan$local, pausing = isTRUE(plan$training$pause_each_epoch),
    job = job, epoch = 0, pause = NULL, answered = 0, answer = NULL, known = character(), result = NULL,
    finished = NULL, join = NULL, bar = new_bar("epochs", numepochs_of(plan))
  ), parent = emptyenv())
}

numepochs_of <- function(plan) if (is.numeric(plan$local$numepochs)) plan$local$numepochs else NaN

# Trains. Interrupted (Ctrl-C), it returns the model of the last whole epoch, with a warning.
run_training <- function(plan) {
  run <- new_run(plan, plan$connection)
  # An error, an interrupt, an epoch function that stops: the server need not go on.
  on.exit(if (is.null(run$finished)) cancel_quietly(run))
  request <- new_message("TrainRequest", training = plan$training, request_id = new_uuid())
  interrupted <- tryCatch(
    {
      follow(run, request, "TrainingService/Train")
      FALSE
    },
    interrupt = function(condition) TRUE,
    rnnremote_failed_precondition = function(condition) stop_diverged(run, condition)
  )
  if (interrupted) return(interrupted_model(run))
  set_random_state(run$finished$random_state$value)
  trained_model(run)
}

# After Ctrl-C: the model of the last whole epoch, which the server keeps when the job is cancelled.
interrupted_model <- function(run) {
  clear_progress(run)
  job <- cancel_quietly(run)
  end <- Sys.time() + 10
  while (!is.null(job) && !job_states[job$state] %in% ended_states && Sys.time() < end) {
    Sys.sleep(0.05)
    job <- job_call("Get", job$name, run$connection)
  }
  if (is.null(job) || !nzchar(job$model)) {
    stop_condition("rnnremote_interrupted", "interrupted before the first epoch was complete: there is no model")
  }
  model <- completed(run$plan, stored_fields(run$connection, job$model), run$model, run$answered == 0)
  run$finished <- job
  warn_interrupted(paste("this is the model after epoch", model$current_epoch))
  model
}

warn_interrupted <- function(what) {
  warning(structure(
    class = c("rnnremote_interrupted", "warning", "condition"),
    list(message = paste("interrupted:", what), call = NULL)
  ))
}

# Divergence is an error that carries the last finite model, and says in which epoch it was. Where nobody has caught it,
# the model is still at the server.
stop_diverged <- function(run, condition) {
  name <- condition$metadata[["model"]]
  if (!identical(condition$reason, "DIVERGED") || is.null(name)) stop(condition)
  stop(diverged(condition, completed(run$plan, stored_fields(run$connection, name), run$model, run$answered == 0)))
}

diverged <- function(condition, model) {
  condition$model <- model
  condition$epoch <- as.integer(condition$metadata[["epoch"]])
  said <- left_behind(condition$message, condition$metadata[["model"]])
  condition$message <- paste0(said, ", and `model` of this condition")
  class(condition) <- c("rnnremote_diverged", class(condition))
  condition
}

# Where the model of the last whole epoch is, in R's words.
left_behind <- function(message, name) {
  sub("is attached to this error as .model", paste0("is model_fetch(\"", name, "\")"), message, fixed = TRUE)
}

# Receives events until the job has finished; after a broken connection again from the first epoch not yet seen.
follow <- function(run, request, method) {
  next_request <- function() {
    request$after_epoch <- run$epoch
    run$join <- model_joiner(function_named)
    run$pause <- NULL
    request
  }
  on_message <- function(bytes) on_event(run, from_bytes("TrainingEvent", bytes))
  follow_stream(run$connection, method, next_request, on_message, run$bar$clear)
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
  for (f in run$model$epoch_function) {
    seen <- f(seen)
    if (is_schedule(f)) seen$learningrate <- epoch$next_learningrate # it may have seen more at the server
  }
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
      name = run$job, epoch = pause$epoch, field = changed_fields(run, before, after, pause$epoch),
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
  run$known <- names(fields)
  model <- completed(run$plan, fields, run$model, run$answered == 0)
  attr(model, "error") <- attr(run$model, "error")
  model
}

# The fields that the epoch functions changed and that the server has to know: those that it has. Fields that they took
# away are NULL, as R has it.
changed_fields <- function(run, before, after, epoch) {
  unused <- identical(after[["update_rule"]], "adagrad") && !is_exact(after)
  if (!identical(before[["loss_function"]], after[["loss_function"]])) loss_name(after[["loss_function"]], unused)
  more <- intersect(names(after), c(r_fields, r_extras, "stop_training"))
  names <- setdiff(c(run$known, more), c(function_fields, training_sized))
  names <- names[!vapply(names, function(name) identical(before[[name]], after[[name]]), NA)]
  values <- structure(lapply(names, function(name) after[[name]]), names = names)
  if ("error" %in% names) {
    if (!is.numeric(values$error) || !identical(dim(values$error), dim(before$error))) {
      shape <- paste(dim(before$error), collapse = " x ")
      stop("error should be the matrix that it was, ", shape, " (samples x epochs) of numbers", call. = FALSE)
    }
    values$error <- values$error[, epoch]
  }
  encode_fields(values, TRUE, other = stays_here)
}

# The list that trainr returns.
trained_model <- function(run) {
  if (!run$pausing) return(completed(run$plan, run$result))
  model <- completed(run$plan, run$result, run$model, first = FALSE)
  model[setdiff(c(run$known, "stop_training"), c(names(run$result), function_fields))] <- NULL
  # What the caller's functions have made of the errors of earlier epochs is known only here.
  model$error <- run$model$error[, seq_len(ncol(run$result$error)), drop = FALSE]
  attr(model, "error") <- colMeans(model$error)
  model
}

# The caller's list with what the server has trained, its arrays as large as the data as rnn would have left them.
completed <- function(plan, received, local = plan$local, first = TRUE) {
  as_trained(if (isTRUE(plan$foreign)) received_model(received) else joined(plan, received, local, first), plan$made)
}

joined <- function(plan, received, local, first) {
  model <- merge_trained(local, received, first)
  for (name in intersect(c("last_layer_error", "last_layer_delta"), names(received))) {
    if (!is.null(plan$layer_attributes)) attributes(model[[name]]) <- plan$layer_attributes
    if (!is.null(plan$stored[[name]])) model[[name]] <- laid_over(plan$stored[[name]], model[[name]])
  }
  if (!is.null(plan$stored$store) && !is.null(received$store)) {
    model$store <- Map(laid_over, plan$stored$store, model$store)
    if (!is.null(received$store_best)) model$store_best <- model$store
  }
  model
}

# rnn writes the states of fewer samples into the arrays of the first training, whose size and attributes stay.
laid_over <- function(old, new) {
  same <- length(dim(old)) == length(dim(new)) && identical(dim(old)[-1], dim(new)[-1])
  if (!same || dim(old)[1] < dim(new)[1]) return(new)
  rows <- seq_len(dim(old)[1]) <= dim(new)[1]
  old[rep(rows, length.out = length(old))] <- new
  old
}

cancel_quietly <- function(run) {
  if (is.null(run$job)) return(NULL)
  request <- new_message("CancelTrainingJobRequest", name = run$job)
  tryCatch(
    unary_call(run$connection, "TrainingService/CancelTrainingJob", request, "TrainingJob", deadline = 5),
    rnnremote_error = function(condition) NULL
  )
}
