# Schedules of the learning rate: epoch functions that the server has as well, under names that hold their settings.

#' Schedules of the learning rate
#'
#' Functions for \code{trainr(epoch_function = )} that change the learning rate after each epoch. The server runs them
#' by itself, so that they go with \code{\link{train_async}}, \code{\link{trainr_many}} and the refits of
#' \code{\link{backtest}} as well; beside functions of your own they run here.
#'
#' @param numepochs In how many epochs \code{lowest} is reached.
#' @param epochs After how many epochs the learning rate is multiplied each time.
#' @param factor What it is multiplied by.
#' @param patience How many epochs without a smaller loss of the data held out (or, without \code{validation}, a smaller
#'   error) are waited for.
#' @param lowest The learning rate that it does not go below.
#' @return A function of the model, to be given as \code{epoch_function}, by itself or in \code{c()} with others.
#'   \code{cosine_schedule} goes down along half a cosine, \code{step_schedule} in steps, \code{exponential_schedule}
#'   after every epoch as \code{\link{epoch_annealing}} does, \code{reduce_on_plateau} when nothing gets better.
#' @references Loshchilov, Hutter (2017), SGDR: stochastic gradient descent with warm restarts, for the cosine.
#' @examples
#' step_schedule(10, factor = 0.5)
#' \dontrun{
#' model <- trainr(Y, X,
#'   exact = TRUE, learningrate = 0.1, numepochs = 50,
#'   epoch_function = c(epoch_print, cosine_schedule(50))
#' )
#' }
#' @seealso \code{\link{epoch_print}}
#' @export
cosine_schedule <- function(numepochs, lowest = 0) {
  numepochs <- as_count(numepochs, "numepochs")
  lowest <- as_rate(lowest, "lowest")
  first <- NULL
  new_schedule("CosineSchedule", list(numepochs = numepochs, lowest = lowest), function(model) {
    if (model$current_epoch == 1 || is.null(first)) first <<- model$learningrate
    done <- min(model$current_epoch / numepochs, 1)
    model$learningrate <- lowest + 0.5 * (first - lowest) * (1 + cos(pi * done))
    model
  })
}

#' @rdname cosine_schedule
#' @export
step_schedule <- function(epochs, factor = 0.1) {
  epochs <- as_count(epochs, "epochs")
  factor <- as_rate(factor, "factor")
  new_schedule("StepSchedule", list(epochs = epochs, factor = factor), function(model) {
    if (model$current_epoch %% epochs == 0) model$learningrate <- model$learningrate * factor
    model
  })
}

#' @rdname cosine_schedule
#' @export
exponential_schedule <- function(factor) {
  factor <- as_rate(factor, "factor")
  new_schedule("ExponentialSchedule", list(factor = factor), function(model) {
    model$learningrate <- model$learningrate * factor
    model
  })
}

#' @rdname cosine_schedule
#' @export
reduce_on_plateau <- function(factor = 0.1, patience = 10, lowest = 0) {
  factor <- as_rate(factor, "factor")
  patience <- as_count(patience, "patience")
  lowest <- as_rate(lowest, "lowest")
  best <- Inf
  waited <- 0
  settings <- list(factor = factor, patience = patience, lowest = lowest)
  new_schedule("ReduceOnPlateau", settings, function(model) {
    if (model$current_epoch == 1) best <<- Inf
    error <- watched_error(model)
    waited <<- if (error < best) 0 else waited + 1
    best <<- min(best, error)
    if (waited >= patience) {
      model$learningrate <- max(model$learningrate * factor, lowest)
      waited <<- 0
    }
    model
  })
}

# The loss of the data held out in the epoch just trained, or the mean error where there is none.
watched_error <- function(model) {
  loss <- model[["validation_loss"]]
  if (is.null(loss)) mean(as.matrix(model$error)[, model$current_epoch]) else loss[model$current_epoch]
}

# `name` and `settings` are those of the server's class, which is named by both.
new_schedule <- function(name, settings, f) {
  values <- paste0("\"", names(settings), "\": ", json_number(unlist(settings)), collapse = ", ")
  structure(f, name = paste0(name, "{", values, "}"), class = "rnnremote_schedule")
}

is_schedule <- function(f) inherits(f, "rnnremote_schedule")

# The schedule of that name, whose state at the server, in fields that begin with "_", does not matter here: a training
# begins it anew. NULL where it is no schedule's.
schedule_named <- function(name) {
  kind <- sub("[{].*", "", name)
  if (!kind %in% names(schedule_functions) || !grepl("{", name, fixed = TRUE)) return(NULL)
  pairs <- regmatches(name, gregexpr("\"[a-z][a-z_]*\": [-+.0-9eE]+", name))[[1]]
  values <- lapply(sub(".*: ", "", pairs), as.numeric)
  tryCatch(
    do.call(schedule_functions[[kind]], structure(values, names = sub("\"([a-z_]+)\".*", "\\1", pairs))),
    error = function(error) NULL
  )
}

# The functions that make schedules, by the names of the server's classes.
schedule_functions <- c(
  CosineSchedule = "cosine_schedule", StepSchedule = "step_schedule", ExponentialSchedule = "exponential_schedule",
  ReduceOnPlateau = "reduce_on_plateau"
)

as_rate <- function(x, name) {
  if (!is.numeric(x) || length(x) != 1L || !is.finite(x) || x < 0) {
    stop("`", name, "` should be a number, 0 or more", call. = FALSE)
  }
  as.double(x)
}

#' @export
print.rnnremote_schedule <- function(x, ...) {
  maker <- schedule_functions[[sub("[{].*", "", attr(x, "name"))]]
  settings <- mget(names(formals(maker)), environment(x))
  cat(maker, "(", paste(names(settings), "=", vapply(settings, format, ""), collapse = ", "), ")\n", sep = "")
  invisible(x)
}
