#' Train many models: a grid of options and seeds
#'
#' Hands a job for each combination of options and each seed to the server, which trains as many at a time as it has
#' processors, and collects the models. Each is, to the last bit, what \code{set.seed(seed); trainr(...)} returns. One
#' that diverges stops no other; Ctrl-C cancels what is still running and returns what there is.
#'
#' @param Y,X Data, or a formula, as for \code{\link{trainr}}.
#' @param grid A named list: for each option the values to try (a list where a value is a vector, such as
#'   \code{hidden_dim = list(8, c(16, 8))}). Or a data frame with a row for each combination.
#' @param seeds Each combination is trained with each of these.
#' @param ... Further arguments of \code{\link{trainr}}, the same for all.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return A list of class \code{trainr_many}. Each item is a list of \code{options}, \code{seed}, \code{model} (where
#'   it was not trained to the end that of the last whole epoch, or \code{NULL}), and \code{condition} (\code{NULL}, or
#'   why it was not trained to the end). \code{as.data.frame} has a row for each, with the error (and the loss of the
#'   data held out); \code{best_model} gives the model with the smallest loss of the data held out, or else the
#'   smallest error.
#' @examples
#' \dontrun{
#' grid <- list(learningrate = c(0.1, 0.3), hidden_dim = list(8, c(16, 8)))
#' trained <- trainr_many(Y, X, grid, seeds = 1:5, numepochs = 20)
#' trained
#' model <- best_model(trained)
#' }
#' @export
trainr_many <- function(Y, X, grid = list(), seeds = 1, ..., connection = NULL) {
  call <- match.call()
  connection <- use_connection(connection)
  combinations <- combinations_of(grid)
  seeds <- as_seeds(seeds)
  call[c("grid", "seeds")] <- NULL
  if (inherits(Y, "formula")) call <- with_columns(call, substitute(list(...)))
  if (is.null(call$keep_store)) call$keep_store <- FALSE
  made <- call
  call$connection <- connection
  call$Y <- Y # evaluated once
  if (!missing(X)) call$X <- X
  call[[1]] <- training_plan
  todo <- list()
  for (options in combinations) {
    call[names(options)] <- made[names(options)] <- options
    plan <- eval(call, parent.frame())
    refuse_own_functions(plan)
    plan$made <- made_by(made, plan)
    todo <- c(todo, lapply(seeds, function(seed) list(plan = plan, options = options, seed = seed)))
  }
  structure(train_all(todo, connection), class = "trainr_many")
}

combinations_of <- function(grid) {
  if (!is.list(grid) || (length(grid) > 0 && (is.null(names(grid)) || !all(nzchar(names(grid)))))) {
    stop("`grid` should be a named list, such as list(learningrate = c(0.1, 0.3)), or a data frame", call. = FALSE)
  }
  if (is.data.frame(grid)) {
    return(lapply(seq_len(nrow(grid)), function(i) lapply(as.list(grid), function(column) column[[i]])))
  }
  places <- expand.grid(lapply(grid, seq_along))
  if (length(grid) == 0) return(list(list()))
  if (nrow(places) == 0) stop("`grid` has an option without a value", call. = FALSE)
  lapply(seq_len(nrow(places)), function(i) Map(function(values, place) values[[place]], grid, places[i, ]))
}

as_seeds <- function(seeds) {
  if (!is.numeric(seeds) || length(seeds) == 0L || anyNA(seeds) || any(seeds != round(seeds) | abs(seeds) >= 2^31)) {
    stop("`seeds` should be whole numbers as set.seed() takes them", call. = FALSE)
  }
  as.integer(seeds)
}

jobs_at_once <- 64 # the server trains as many as it has processors; these few more wait for their turn

# Starts the jobs, not too many at a time, and collects what comes of them.
train_all <- function(todo, connection) {
  results <- lapply(todo, function(one) c(one[c("options", "seed")], list(model = NULL, condition = NULL)))
  limit <- max(1, min(jobs_at_once, server_info(connection)$max_jobs))
  jobs <- list()
  bar <- new_bar("models", length(todo))
  on.exit(bar$clear())
  ended <- function(i) {
    outcome <- tryCatch(
      list(model = suppressMessages(job_wait(jobs[[i]], connection))),
      rnnremote_error = function(condition) list(model = condition$model, condition = condition)
    )
    results[[i]][names(outcome)] <<- outcome
    tryCatch(job_delete(jobs[[i]], connection), rnnremote_error = function(condition) NULL)
  }
  done <- 0
  interrupted <- tryCatch(
    {
      for (i in seq_along(todo)) {
        if (i > limit) ended(done <- done + 1)
        jobs[[i]] <- start_job(todo[[i]]$plan, todo[[i]]$seed, "", 0L, connection)
        bar$show(done)
      }
      while (done < length(todo)) {
        ended(done <- done + 1)
        bar$show(done)
      }
      FALSE
    },
    interrupt = function(condition) TRUE
  )
  if (interrupted) {
    for (i in seq_along(todo)) if (is.null(results[[i]]$model) && is.null(results[[i]]$condition)) {
      if (i <= length(jobs)) tryCatch(job_cancel(jobs[[i]], connection), rnnremote_error = function(condition) NULL)
      results[[i]]$condition <- simpleCondition("interrupted")
    }
    warn_interrupted("models are missing")
  }
  results
}

#' @rdname trainr_many
#' @param x Models of \code{trainr_many}.
#' @param row.names,optional Not used.
#' @export
as.data.frame.trainr_many <- function(x, row.names = NULL, optional = FALSE, ...) {
  shown <- function(value) if (length(value) == 1L) value else paste(value, collapse = ", ")
  rows <- lapply(x, function(one) {
    as.data.frame(c(lapply(one$options, shown), list(.row = 1)), stringsAsFactors = FALSE)
  })
  table <- do.call(rbind, rows)
  table$.row <- NULL
  table$seed <- vapply(x, function(one) one$seed, 0L)
  table$error <- vapply(x, function(one) if (is.null(one$model)) NA_real_ else utils::tail(mean_error(one$model), 1), 0)
  loss <- vapply(x, held_out_loss, 0)
  if (!all(is.na(loss))) table$validation_loss <- loss
  ended <- vapply(x, function(one) if (is.null(one$condition)) "" else conditionMessage(one$condition), "")
  if (any(nzchar(ended))) table$stopped <- ended
  table
}

held_out_loss <- function(one) {
  loss <- one$model[["best_validation_loss"]]
  if (is.null(loss)) NA_real_ else loss
}

#' @export
print.trainr_many <- function(x, ...) {
  cat(length(x), "models\n")
  print(as.data.frame(x), ...)
  invisible(x)
}

#' @rdname trainr_many
#' @param trained Models of \code{trainr_many}.
#' @export
best_model <- function(trained) {
  if (!inherits(trained, "trainr_many")) stop("`trained` should be what trainr_many() returned", call. = FALSE)
  whole <- Filter(function(one) is.null(one$condition), unclass(trained))
  if (length(whole) == 0) stop("none of the models was trained to the end", call. = FALSE)
  loss <- vapply(whole, held_out_loss, 0)
  if (anyNA(loss)) loss <- vapply(whole, function(one) utils::tail(mean_error(one$model), 1), 0)
  whole[[which.min(loss)]]$model
}
