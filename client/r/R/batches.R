# Many jobs as one: handed in together, watched in one stream, their models fetched as they end.

# What is larger goes ahead, once for all jobs of a batch that share it.
batch_inline_bytes <- 4096

# Stops where the server does not take so many jobs at once.
check_batch <- function(size, connection) {
  most <- server_info(connection)$max_batch
  if (most == 0) {
    stop("the server at ", connection$url, " is too old to take many jobs at once; update it", call. = FALSE)
  }
  if (size > most) {
    stop("these are ", size, " models; the server at ", connection$url, " takes ", most, " at once: train them in ",
      "several calls",
      call. = FALSE
    )
  }
}

# Everything about a batch under way, in an environment that its event handlers share:
#   name: known before the server knows it, so that it can be cancelled whatever happens
#   todo: for each model its `plan`, and the `options` and the `seed` that tell it from the others
#   results: an item for each; seen: the places, from 0, of those that have ended; skipped: epochs that these did not need
#   stored: whether the server may have it; interrupted: whether it was cancelled from here
new_batch <- function(todo, connection) {
  results <- lapply(unname(todo), function(one) {
    c(one[c("options", "seed")], list(model = NULL, condition = NULL, name = NULL))
  })
  list2env(list(
    name = paste0("trainingBatches/batch-", new_uuid()), todo = unname(todo), connection = connection,
    results = results, seen = double(), skipped = 0, stored = FALSE, interrupted = FALSE,
    bar = new_bar("models", length(todo))
  ), parent = emptyenv())
}

# Trains all, and gives what comes of them; calls each(item) as one ends. `halving` is a message or NULL. Interrupted
# (Ctrl-C), it returns what there is, with a warning.
train_all <- function(todo, connection, halving = NULL, priority = 0L, each = NULL) {
  batch <- new_batch(todo, connection)
  on.exit(if (batch$stored) cancel_batch(batch))
  interrupted <- tryCatch(
    {
      create_batch(batch, halving, priority)
      watch_batch(batch, each)
      FALSE
    },
    interrupt = function(condition) TRUE
  )
  if (interrupted) interrupt_batch(batch)
  batch$stored <- FALSE
  request <- new_message("DeleteTrainingBatchRequest", name = batch$name, allow_missing = TRUE) # the models stay
  tryCatch(
    batch_call(batch, "Delete", request, "DeleteTrainingBatchResponse", deadline = 60),
    rnnremote_error = function(condition) NULL # it expires by itself
  )
  batch$results
}

batch_call <- function(batch, call, request, answer, ...) {
  unary_call(batch$connection, paste0("TrainingService/", call, "TrainingBatch"), request, answer, ...)
}

# Hands in all jobs, or none. What is wrong with one of them is said with what it was chosen for.
create_batch <- function(batch, halving, priority) {
  trainings <- lapply(batch$todo, function(one) {
    training <- RProtoBuf::clone(one$plan$training)
    training$seed <- one$seed
    training$priority <- priority
    training
  })
  request <- new_message("CreateTrainingJobsRequest",
    training = trainings, training_batch_id = sub("^trainingBatches/", "", batch$name), request_id = new_uuid(),
    halving = halving
  )
  check_message(request, batch)
  batch$stored <- TRUE
  tryCatch(
    with_patience(function() {
      unary_call(batch$connection, "TrainingService/CreateTrainingJobs", request, "TrainingBatch")
    }),
    rnnremote_error = function(condition) {
      batch$stored <- is.null(condition$reason) || !nzchar(condition$reason) ||
        inherits(condition, "rnnremote_unavailable")
      place <- as.integer(condition$metadata[["training"]])
      if (length(place) == 1L && length(batch$todo) > 1L) {
        which <- paste0("model ", place + 1L, " of ", length(batch$todo), ": ", described(batch$todo[[place + 1L]]))
        condition$message <- paste0(condition$message, " (", which, ")")
      }
      stop(condition)
    }
  )
}

check_message <- function(request, batch) {
  most <- server_info(batch$connection)$max_message_bytes
  if (request$bytesize() <= most) return(invisible())
  stop("the options of these ", length(batch$todo), " models take ", format_bytes(request$bytesize()),
    " together, and the server at ", batch$connection$url, " reads ", format_bytes(most),
    " at once: train them in several calls",
    call. = FALSE
  )
}

# What a model is trained with, in words.
described <- function(one) {
  values <- vapply(one$options, function(value) cut_off(call_text(value), 60), "")
  paste(c(sprintf("%s = %s", names(one$options), values), paste("seed", one$seed)), collapse = ", ")
}

# Follows the batch to its end; after a broken connection without what has been seen.
watch_batch <- function(batch, each = NULL) {
  next_request <- function() new_message("WatchTrainingBatchRequest", name = batch$name, seen_place = batch$seen)
  on_message <- function(bytes) {
    event <- from_bytes("TrainingBatchEvent", bytes)
    if (event$has("progress")) return(show_batch(batch, event$progress))
    item <- job_ended(batch, event$ended)
    batch$bar$clear()
    if (!is.null(each)) each(item)
  }
  follow_stream(batch$connection, "TrainingService/WatchTrainingBatch", next_request, on_message, batch$bar$clear)
}

# How far all are together. Epochs that those which have ended did not need are none that are left.
show_batch <- function(batch, progress) {
  if (progress$epoch == 0) batch$bar$restart() # neither waiting nor compiling says how fast it will be
  ended <- progress$succeeded + progress$failed + progress$cancelled
  things <- paste0("models ", ended, " of ", length(batch$todo), ", epochs")
  batch$bar$show(progress$epoch, things = things, of = progress$numepochs - batch$skipped)
}

# Puts what has come of a job in its place, and gives that item.
job_ended <- function(batch, job) {
  place <- job$batch_place + 1
  condition <- tryCatch(
    {
      stop_unless_succeeded(job)
      NULL
    },
    rnnremote_error = identity
  )
  if (batch$interrupted && inherits(condition, "rnnremote_cancelled") && !inherits(condition, "rnnremote_dropped")) {
    condition <- interruption(job$epoch)
  }
  model <- if (nzchar(job$model)) {
    tryCatch(
      completed(batch$todo[[place]]$plan, stored_fields(batch$connection, job$model)),
      rnnremote_not_found = function(gone) {
        if (is.null(condition)) condition <<- gone
        NULL
      }
    )
  }
  if (identical(condition$reason, "DIVERGED") && !is.null(model)) condition <- diverged(condition, model)
  found <- list(model = model, condition = condition, name = if (!is.null(model)) job$model)
  batch$results[[place]][names(found)] <- found
  batch$seen <- c(batch$seen, job$batch_place)
  batch$skipped <- batch$skipped + job$numepochs - job$epoch
  batch$results[[place]]
}

interruption <- function(epochs = NULL) {
  said <- if (is.null(epochs)) "interrupted" else paste0(
    "interrupted after ", epochs, " whole ", if (epochs == 1) "epoch" else "epochs"
  )
  tryCatch(stop_condition("rnnremote_interrupted", said), error = identity)
}

# After Ctrl-C: nothing more is trained, and what has not ended is taken as it was after its last whole epoch. A second
# Ctrl-C does not wait for that.
interrupt_batch <- function(batch) {
  batch$bar$clear()
  whole <- sum(vapply(batch$results[batch$seen + 1], function(one) is.null(one$condition), NA))
  batch$interrupted <- TRUE
  tryCatch(
    {
      cancel_batch(batch)
      watch_batch(batch)
    },
    interrupt = function(condition) NULL,
    rnnremote_error = function(condition) NULL
  )
  for (place in setdiff(seq_along(batch$todo), batch$seen + 1)) batch$results[[place]]$condition <- interruption()
  warn_interrupted(paste0(
    whole, " of ", length(batch$todo), " models are trained to the end, the others are as they were after their last ",
    "whole epoch"
  ))
}

# Stops all of its jobs, unless the server cannot be reached.
cancel_batch <- function(batch) {
  request <- new_message("CancelTrainingBatchRequest", name = batch$name)
  for (attempt in 1:2) {
    missing <- tryCatch(
      {
        batch_call(batch, "Cancel", request, "TrainingBatch", deadline = 5)
        FALSE
      },
      rnnremote_not_found = function(condition) TRUE,
      rnnremote_error = function(condition) FALSE
    )
    if (!missing) return(invisible())
    Sys.sleep(0.5) # it may be about to be stored
  }
}
