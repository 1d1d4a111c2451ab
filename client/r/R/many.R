#' Train many models: a grid of options and seeds
#'
#' Hands a job for each combination of options and each seed to the server, all of them at once, and collects the models
#' as they are done; the server trains as many at a time as it has processors. Each model is, to the last bit, what
#' \code{set.seed(seed); trainr(...)} returns. One that diverges stops no other. Where one of them cannot be trained the
#' error says which, and none is.
#'
#' A lost connection is taken up again, also with a server that was started again meanwhile. Ctrl-C cancels what is not
#' done, and returns the models that are, and the others as they were after their last whole epoch, with a warning of
#' class \code{rnnremote_interrupted}.
#'
#' With \code{halving} only the best go on to the end: successive halving. With \code{halving = 3} all train for a part
#' of their epochs, the best third of them goes on, then the best third of these, and so forth until the last one has all
#' of its epochs. What goes on does so as if nothing had been between, to the bit. Compared is the loss of the data held
#' out (\code{validation}), without such data the mean error. What is dropped is in its place in the result with the
#' model that it had then, and a condition of class \code{rnnremote_dropped}. All models have the same
#' \code{numepochs}, and none trains a \code{model} further.
#'
#' @param Y,X Data, or a formula, as for \code{\link{trainr}}. Large arrays travel once, however many models there are.
#' @param grid A named list: for each option the values to try (a list where a value is a vector, such as
#'   \code{hidden_dim = list(8, c(16, 8))}). Or a data frame with a row for each combination.
#' @param seeds Each combination is trained with each of these.
#' @param ... Further arguments of \code{\link{trainr}}, the same for all.
#' @param halving Of how many models one goes on, 2 or more. \code{c(eta = 3, epochs = 2)} says also for how many epochs
#'   all train at least. Default: all go on to the end.
#' @param priority As for \code{\link{train_async}}, of all of them.
#' @param each A function that is called with each item of the result as soon as its training has ended, in the order in
#'   which they end.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return A list of class \code{trainr_many}, in the order of the combinations, of which the seeds change first, then
#'   the first option. Each item is a list of \code{options}, \code{seed}, \code{model} (where it was not trained to
#'   the end that of the last whole epoch, or \code{NULL}), \code{condition} (\code{NULL}, or why it was not trained to
#'   the end), and \code{name}: that of the model at the server, where it stays as after \code{\link{trainr}}, see
#'   \code{\link{model_fetch}}. \code{as.data.frame} has a row for each, with the error (and the loss of the data held
#'   out); \code{best_model} gives, of those that were trained to the end, the model with the smallest loss of the data
#'   held out, or else the smallest error.
#' @references Jamieson, Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization.
#' @examples
#' \dontrun{
#' grid <- list(learningrate = c(0.1, 0.3), hidden_dim = list(8, c(16, 8)))
#' trained <- trainr_many(Y, X, grid, seeds = 1:5, numepochs = 20)
#' trained
#' model <- best_model(trained)
#'
#' # Only the best to the end, each saved as it is done
#' grid <- list(learningrate = c(0.01, 0.03, 0.1, 0.3), hidden_dim = c(4, 8, 16))
#' trainr_many(Y, X, grid, numepochs = 90, halving = 3, each = function(one) {
#'   saveRDS(one, paste0("rate", one$options$learningrate, "width", one$options$hidden_dim, ".rds"))
#' })
#' }
#' @export
trainr_many <- function(Y, X, grid = list(), seeds = 1, ..., halving = NULL, priority = 0, each = NULL,
                        connection = NULL) {
  call <- match.call()
  caller <- parent.frame()
  connection <- use_connection(connection)
  combinations <- combinations_of(grid)
  seeds <- as_seeds(seeds)
  halving <- as_halving(halving)
  priority <- as_priority(priority)
  if (!is.null(each) && !is.function(each)) stop("`each` should be a function of one argument", call. = FALSE)
  call[c("grid", "seeds", "halving", "priority", "each")] <- NULL
  check_names(names(combinations[[1]]), setdiff(names(call), c("", "connection")), !is.null(halving))
  check_batch(length(combinations) * length(seeds), connection)
  if (inherits(Y, "formula")) call <- with_columns(call, substitute(list(...)))
  if (is.null(call$keep_store)) call$keep_store <- FALSE
  made <- call
  call$connection <- sharing(connection, batch_inline_bytes)
  call$Y <- if (inherits(Y, "formula")) Y else as_samples(Y, "Y") # evaluated once
  if (!missing(X)) call$X <- if (inherits(Y, "formula")) X else as_samples(X, "X")
  call[[1]] <- training_plan
  todo <- lapply(combinations, function(options) {
    call[names(options)] <- made[names(options)] <- options
    plan <- eval(call, caller)
    refuse_own_functions(plan)
    plan$made <- made_by(made, plan)
    lapply(seeds, function(seed) list(plan = plan, options = options, seed = seed))
  })
  todo <- unlist(todo, recursive = FALSE)
  structure(train_all(todo, connection, halving, priority, each), class = "trainr_many")
}

combinations_of <- function(grid) {
  if (!is.list(grid) || (length(grid) > 0 && (is.null(names(grid)) || !all(nzchar(names(grid)))))) {
    stop("`grid` should be a named list, such as list(learningrate = c(0.1, 0.3)), or a data frame", call. = FALSE)
  }
  if (is.data.frame(grid)) {
    if (nrow(grid) == 0L) stop("`grid` has no row", call. = FALSE)
    return(lapply(seq_len(nrow(grid)), function(i) lapply(as.list(grid), function(column) column[[i]])))
  }
  places <- expand.grid(lapply(grid, seq_along))
  if (length(grid) == 0) return(list(list()))
  if (nrow(places) == 0) stop("`grid` has an option without a value", call. = FALSE)
  lapply(seq_len(nrow(places)), function(i) Map(function(values, place) values[[place]], grid, places[i, ]))
}

# What the grid cannot have: `varied` are its options, `given` the arguments beside it.
check_names <- function(varied, given, halving) {
  varied <- in_full(varied)
  shared <- intersect(varied, c("Y", "X", "connection"))
  if (length(shared) > 0L) stop("`", shared[1], "` cannot be in `grid`: all models share it", call. = FALSE)
  twice <- intersect(varied, in_full(given))
  if (length(twice) > 0L) stop("`", twice[1], "` is in `grid` and beside it: give it once", call. = FALSE)
  if (halving && "numepochs" %in% varied) {
    stop("`numepochs` cannot be in `grid` where `halving` compares models: give it beside the grid", call. = FALSE)
  }
  if (halving && "model" %in% c(varied, in_full(given))) {
    stop("`model` has epochs of its own; `halving` compares new models only", call. = FALSE)
  }
}

# Names of arguments that were given in part, as R matches them.
in_full <- function(given) {
  names <- names(formals(trainr))
  names <- names[seq_len(match("...", names) - 1L)]
  full <- names[pmatch(given, names)]
  ifelse(is.na(full), given, full)
}

# The argument as a message; NULL for none.
as_halving <- function(halving) {
  if (is.null(halving)) return(NULL)
  values <- unlist(halving)
  if (is.null(names(values)) && length(values) == 1L) names(values) <- "eta"
  known <- is.numeric(values) && length(values) > 0L && !is.null(names(values)) && !anyDuplicated(names(values)) &&
    all(names(values) %in% c("eta", "epochs"))
  least <- c(eta = 2, epochs = 1)[names(values)]
  if (!known || anyNA(values) || any(values < least | values != round(values) | values >= 2^31)) {
    stop("`halving` should be a whole number, 2 or more (the best 1 of so many goes on), such as 3; or ",
      "c(eta = 3, epochs = 2), which says also for how many epochs all train at least",
      call. = FALSE
    )
  }
  do.call(new_message, c(list("Halving"), as.list(values)))
}

as_seeds <- function(seeds) {
  if (!is.numeric(seeds) || length(seeds) == 0L || anyNA(seeds) || any(seeds != round(seeds) | abs(seeds) >= 2^31)) {
    stop("`seeds` should be whole numbers as set.seed() takes them", call. = FALSE)
  }
  as.integer(seeds)
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
