#' Training jobs that run in the background
#'
#' \code{train_async} hands a training to the server and returns at once. What the server has accepted it will do, even
#' if it is stopped and started again; R may be closed meanwhile.
#'
#' The job draws from a random stream of its own, whose seed is one draw from the caller's: after \code{set.seed}
#' results are reproducible. The caller's own epoch functions cannot run in the background.
#'
#' @param Y,X,model,... As for \code{\link{trainr}}, \code{exact} included.
#' @param keep_store As for \code{\link{trainr}}.
#' @param model_id The result is stored as the next version of \code{"models/<model_id>"}; default: the job's id.
#' @param priority A whole number, -100 to 100: of your jobs that wait the one with the highest begins first, the others in
#'   the order in which they came. What others have waiting is not touched by it.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return \code{train_async}: a job, which may be saved with \code{saveRDS} and used in another session.
#'   \code{job_status}: a list with \code{name}, \code{state}, \code{epoch}, \code{numepochs}, \code{progress} (0 to 1
#'   within the epoch), \code{mean_error}, \code{model} (its name once there is one), \code{error} and \code{reason}.
#'   \code{job_wait}, \code{job_model}: the trained model, as \code{trainr} returns it; \code{job_wait} prints as the
#'   training goes on. \code{job_list}: a data frame, newest first.
#'   \code{summary}: the same and when it was accepted, began and ended. \code{job_cancel}: the status.
#'   \code{job_delete}: \code{NULL}.
#' @examples
#' \dontrun{
#' job <- train_async(Y, X, learningrate = 0.1, hidden_dim = 64, numepochs = 1000)
#' job_status(job)
#' model <- job_wait(job)
#' }
#' @export
train_async <- function(Y, X, model = NULL, ..., keep_store = FALSE, model_id = "", priority = 0, connection = NULL) {
  model_id <- as_text(model_id, "model_id")
  priority <- as_priority(priority)
  plan <- training_plan(Y, X, model, ..., keep_store = keep_store, connection = connection)
  refuse_own_functions(plan)
  plan$made <- made_by(match.call(), plan)
  start_job(plan, sample.int(.Machine$integer.max, 1L), model_id, priority, plan$connection)
}

as_priority <- function(priority) {
  if (!is.numeric(priority) || length(priority) != 1L || !priority %in% -100:100) {
    stop("`priority` should be a whole number, -100 to 100", call. = FALSE)
  }
  as.integer(priority)
}

refuse_own_functions <- function(plan) {
  if (!needs_pauses(plan$local$epoch_function)) return(invisible())
  stop("`epoch_function` holds a function of your own, which cannot run in the background; use trainr()", call. = FALSE)
}

# Hands a plan to the server, to be trained with that seed.
start_job <- function(plan, seed, model_id, priority, connection) {
  training <- plan$training
  training$seed <- seed
  training$model_id <- model_id
  training$priority <- priority
  request <- new_message("CreateTrainingJobRequest", training = training, request_id = new_uuid())
  job <- with_patience(function() unary_call(connection, "TrainingService/CreateTrainingJob", request, "TrainingJob"))
  kept <- plan[c("local", "layer_attributes", "stored", "made")]
  structure(list(name = job$name, kept = kept), class = "rnnremote_job")
}

#' @export
print.rnnremote_job <- function(x, ...) {
  cat("<training job ", x$name, ">\n", sep = "")
  invisible(x)
}

job_name <- function(job) {
  if (inherits(job, "rnnremote_job")) return(job$name)
  if (is.character(job) && length(job) == 1 && startsWith(job, "trainingJobs/")) return(job)
  stop("`job` should be what train_async() returned, or a job's name such as \"trainingJobs/...\"", call. = FALSE)
}

job_call <- function(call, job, connection) {
  connection <- use_connection(connection)
  request <- new_message(paste0(call, "TrainingJobRequest"), name = job_name(job))
  with_patience(function() {
    unary_call(connection, paste0("TrainingService/", call, "TrainingJob"), request, "TrainingJob")
  })
}

job_states <- c("queued", "running", "paused", "succeeded", "failed", "cancelled")
ended_states <- c("succeeded", "failed", "cancelled")

status_of <- function(job) {
  list(
    name = job$name, state = job_states[job$state], epoch = job$epoch, numepochs = job$numepochs,
    progress = job$progress, mean_error = job$mean_error, model = job$model,
    error = left_behind(in_r_words(job$error_message), job$model),
    reason = job$error_reason
  )
}

#' @rdname train_async
#' @param job A job of \code{train_async}, or its name.
#' @export
job_status <- function(job, connection = NULL) status_of(job_call("Get", job, connection))

#' @rdname train_async
#' @export
job_cancel <- function(job, connection = NULL) status_of(job_call("Cancel", job, connection))

#' @rdname train_async
#' @export
job_delete <- function(job, connection = NULL) {
  connection <- use_connection(connection)
  request <- new_message("DeleteTrainingJobRequest", name = job_name(job))
  unary_call(connection, "TrainingService/DeleteTrainingJob", request, "DeleteTrainingJobResponse")
  invisible()
}

#' @rdname train_async
#' @param state Only jobs in one of these states: \code{"queued"}, \code{"running"}, \code{"paused"},
#'   \code{"succeeded"}, \code{"failed"}, \code{"cancelled"}.
#' @param since A time (\code{POSIXct}, \code{Date}): only jobs accepted since then.
#' @param pattern A regular expression that the name of the job or of its model matches.
#' @export
job_list <- function(state = NULL, since = NULL, pattern = NULL, connection = NULL) {
  codes <- if (!is.null(state)) match(match.arg(state, job_states, several.ok = TRUE), job_states)
  since <- if (!is.null(since)) as_since(since)
  connection <- use_connection(connection)
  jobs <- all_pages(connection, "TrainingService/ListTrainingJobs", "ListTrainingJobs", "training_jobs", state = codes)
  rows <- as_rows(jobs, function(job) {
    data.frame(
      status_of(job)[c("name", "state", "epoch", "numepochs", "mean_error", "model")],
      priority = job$priority,
      created = as_time(job$create_time), started = as_time(job$start_time), ended = as_time(job$end_time)
    )
  })
  keep <- rep(TRUE, nrow(rows))
  if (!is.null(since)) keep <- rows$created >= since
  if (!is.null(pattern)) keep <- keep & (grepl(pattern, rows$name) | grepl(pattern, rows$model))
  rows <- rows[keep, ]
  rownames(rows) <- NULL
  rows
}

#' @rdname train_async
#' @param object A job of \code{train_async}.
#' @export
summary.rnnremote_job <- function(object, connection = NULL, ...) {
  job <- job_call("Get", object, connection)
  times <- list(created = as_time(job$create_time), started = as_time(job$start_time), ended = as_time(job$end_time))
  structure(c(status_of(job), times, list(call = object$kept$made$call)), class = "summary.rnnremote_job")
}

#' @export
print.summary.rnnremote_job <- function(x, ...) {
  cat(x$name, ": ", x$state, "\n", sep = "")
  if (!is.null(x$call)) cat(cut_off(call_text(x$call), getOption("width")), "\n", sep = "")
  error <- if (!is.nan(x$mean_error)) paste(", mean error", format(x$mean_error, digits = 4))
  cat(bar_text("epochs", x$epoch + x$progress, x$numepochs, 0), error, "\n", sep = "")
  end <- if (is.na(x$ended)) Sys.time() else x$ended
  lasted <- if (!is.na(x$started)) paste0(", trained for ", time_text(as.numeric(end - x$started, units = "secs")))
  cat("accepted ", format(x$created), lasted, "\n", sep = "")
  if (nzchar(x$model)) cat("model: ", x$model, "\n", sep = "")
  if (nzchar(x$error)) cat("error: ", x$error, "\n", sep = "")
  invisible(x)
}

#' @rdname train_async
#' @export
job_wait <- function(job, connection = NULL) {
  connection <- use_connection(connection)
  run <- run_of(job, connection)
  follow(run, new_message("WatchTrainingJobRequest", name = run$job), "TrainingService/WatchTrainingJob")
  received_from(run)
}

# The model of a job that has ended; stops with the condition that trainr would have stopped with.
received_from <- function(run) {
  tryCatch(
    stop_unless_succeeded(run$finished),
    rnnremote_failed_precondition = function(condition) stop_diverged(run, condition)
  )
  received <- stored_fields(run$connection, run$finished$model)
  completed(run$plan, received)
}

# Stops with the condition that trainr would have stopped with.
stop_unless_succeeded <- function(job) {
  state <- job_states[job$state]
  if (state == "succeeded") return(invisible())
  if (state == "cancelled") stop_cancelled(job)
  if (state != "failed") stop_status(9L, paste0(job$name, " has not ended yet, it is ", state))
  message <- in_r_words(job$error_message)
  fields <- if (nzchar(job$error_field)) structure(message, names = job$error_field) else character()
  stop_status(job$error_code, message, list(
    fields = fields, reason = job$error_reason, retry_delay = 0,
    metadata = c(list(epoch = as.character(job$epoch)), if (nzchar(job$model)) list(model = job$model))
  ))
}

# Successive halving has its own word for it.
stop_cancelled <- function(job) {
  dropped <- job$error_reason == "DROPPED"
  message <- if (dropped) in_r_words(job$error_message) else paste(job$name, "was cancelled")
  stop_status(1L, message, list(reason = job$error_reason), if (dropped) "rnnremote_dropped")
}

#' @rdname train_async
#' @export
job_model <- function(job, connection = NULL) {
  run <- run_of(job, use_connection(connection))
  run$finished <- job_call("Get", job, run$connection)
  received_from(run)
}

# The run of a job, with what train_async has kept of its arguments; of a mere name nothing is known.
run_of <- function(job, connection) {
  plan <- if (inherits(job, "rnnremote_job")) job$kept else list(local = list(), foreign = TRUE)
  new_run(plan, connection, job_name(job))
}
