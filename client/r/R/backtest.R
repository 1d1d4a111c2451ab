# Forecasts that need no network, and what a network is worth beside them.

#' Forecasts that need no network
#'
#' What a network must beat.
#'
#' @param x A series: a \code{ts} or a vector.
#' @param h How many steps ahead.
#' @param method \code{"seasonal"}: as one season before; \code{"naive"}: as the last value; \code{"drift"}: on the line
#'   from the first value to the last; \code{"mean"}: the mean.
#' @param period The length of a season in steps.
#' @return \code{baseline}: a \code{ts} of \code{h} values.
#' @examples
#' baseline(nottem, 12)
#' @export
baseline <- function(x, h, method = c("seasonal", "naive", "drift", "mean"), period = stats::frequency(x)) {
  method <- match.arg(method)
  series <- as_series(x)
  h <- as_count(h, "h")
  if (ncol(series$values) != 1L) stop("`x` should be one series", call. = FALSE)
  as_times(baseline_after(series$values[, 1], nrow(series$values), h, method, period)[1, ], series, nrow(series$values))
}

baseline_methods <- c("seasonal", "naive", "drift", "mean")

# A matrix (origins, h).
baseline_after <- function(values, origins, h, method, period) {
  period <- as_count(period, "period")
  if (method == "seasonal" && any(origins < period)) {
    stop("`x` is shorter than one season of ", period, " steps", call. = FALSE)
  }
  one <- function(origin) {
    known <- values[seq_len(origin)]
    last <- known[origin]
    switch(method,
      seasonal = known[origin - period + (seq_len(h) - 1) %% period + 1],
      naive = rep(last, h),
      drift = last + seq_len(h) * (last - known[1]) / max(origin - 1, 1),
      mean = rep(mean(known), h)
    )
  }
  matrix(t(vapply(origins, one, numeric(h))), length(origins), byrow = h == 1)
}

#' Backtest a model of a series
#'
#' Forecasts from every origin in a part of the series that was not trained on, beside the forecasts that need no
#' network.
#'
#' With \code{refit} a network is trained anew as the origin goes on, on all that is known by then (a rolling origin
#' with a growing window): where the model was trained with \code{patience}, the last of the known rows are held out in
#' the same share, else none. These networks are trained at the server, as many at a time as it has processors; each
#' has a seed of its own, drawn from the caller's random stream.
#'
#' @param model A model of \code{\link{trainr_series}}.
#' @param h How many steps ahead.
#' @param part \code{"test"} or \code{"validation"}.
#' @param period The length of a season in steps.
#' @param refit \code{FALSE}: the model as it is. \code{TRUE}: a network for each origin. A number: a network for so
#'   many origins.
#' @param level,joint As for \code{\link{forecast}}: the model's intervals around the forecasts, to see how often they
#'   hold.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @param object,x A backtest.
#' @param ... For \code{plot}: of the base function.
#' @return A data frame of class \code{trainr_backtest}: \code{origin} (the last row that was known), \code{step},
#'   \code{target} where there are several, \code{actual}, a column for the \code{network} and for each
#'   \code{\link{baseline}}, and with \code{level} columns such as \code{lower80} and \code{upper80}. \code{summary}:
#'   the mean absolute error and the root of the mean squared error of each, their ratios to the seasonal one's, and
#'   the share of values inside the intervals, with \code{joint} the share of whole paths; \code{print} shows that.
#'   \code{plot}: the mean absolute error by steps ahead, in a panel for each target.
#' @examples
#' \dontrun{
#' model <- trainr_series(nottem, exact = TRUE, output = "linear", learningrate = 0.01)
#' test <- backtest(model, h = 12, level = 80)
#' test
#' plot(test)
#' backtest(model, h = 12, refit = 12) # a new network every year
#' }
#' @export
backtest <- function(model, h = 1, part = c("test", "validation"), period = NULL, refit = FALSE, level = NULL,
                     joint = FALSE, connection = NULL) {
  if (!inherits(model, "trainr_series")) stop("`model` should be a model of trainr_series()", call. = FALSE)
  series <- attr(model, "series")
  part <- match.arg(part)
  h <- as_count(h, "h")
  if (is.null(period)) period <- series$tsp[3]
  origins <- origins_in(series, series$parts[[part]], h)
  half <- interval_widths(model, h, level, as_flag(joint, "joint"), connection)
  said <- refitted_ahead(model, origins, h, refit, connection)
  table <- expand.grid(origin = origins, step = seq_len(h), target = column_names(series))
  table <- data.frame(table[c("origin", "step", if (length(series$target) > 1L) "target")],
    actual = as.vector(actual_after(series, origins, h)), network = as.vector(said)
  )
  methods <- if (period > 1) baseline_methods else setdiff(baseline_methods, "seasonal")
  for (method in methods) {
    table[[method]] <- unlist(lapply(series$target, function(column) {
      baseline_after(series$values[, column], origins, h, method, period)
    }))
  }
  for (i in seq_along(level)) {
    width <- rep(as.vector(half[, , i]), each = length(origins))
    table[[paste0("lower", level[i])]] <- table$network - width
    table[[paste0("upper", level[i])]] <- table$network + width
  }
  structure(table, class = c("trainr_backtest", "data.frame"), part = part, joint = joint, refit = as.numeric(refit))
}

# Forecasts from the origins, an array (origins, h, targets), by the model or by networks of what was known then.
refitted_ahead <- function(model, origins, h, refit, connection) {
  values <- attr(model, "series")$values
  if (identical(refit, FALSE)) return(ahead_of(model, values, origins, h, connection = connection))
  each <- if (isTRUE(refit)) 1L else as_count(refit, "refit")
  connection <- use_connection(connection)
  groups <- split(seq_along(origins), (seq_along(origins) - 1) %/% each)
  check_batch(length(groups), connection)
  # Each has arrays of its own, which go along where that leaves room for all.
  room <- server_info(connection)$max_message_bytes / (8 * length(groups))
  sending <- sharing(connection, max(room, batch_inline_bytes))
  todo <- lapply(groups, function(group) {
    seed <- sample.int(.Machine$integer.max, 1L)
    list(plan = refit_plan(model, origins[group[1]], sending), options = list(), seed = seed)
  })
  result <- array(0, c(length(origins), h, length(attr(model, "series")$target)))
  trained <- train_all(todo, connection)
  for (i in seq_along(groups)) {
    if (!is.null(trained[[i]]$condition)) stop(trained[[i]]$condition)
    again <- as_series_model(trained[[i]]$model, attr(model, "series"))
    result[groups[[i]], , ] <- ahead_of(again, values, origins[groups[[i]]], h, connection = connection)
  }
  result
}

# What to train on the rows up to the origin.
refit_plan <- function(model, origin, connection) {
  series <- attr(model, "series")
  held <- if (is.null(series$options[["patience"]])) 0 else length(series$parts$validation)
  share <- held / (held + length(series$parts$train))
  known <- series
  known$values <- series$values[seq_len(origin), , drop = FALSE]
  arguments <- series_arguments(known, series_split(known, 1 - share, share))
  plan <- do.call(training_plan, c(arguments, list(keep_store = FALSE, connection = connection)), quote = TRUE)
  refuse_own_functions(plan)
  plan
}

#' @rdname backtest
#' @export
summary.trainr_backtest <- function(object, ...) {
  joint <- isTRUE(attr(object, "joint"))
  if (is.null(object[["target"]])) return(summary_of_target(object, joint))
  tables <- lapply(split(object, object$target), summary_of_target, joint)
  table <- do.call(rbind, Map(cbind, target = names(tables), tables))
  rownames(table) <- NULL
  table
}

methods_of <- function(backtest) intersect(c("network", baseline_methods), names(backtest))

summary_of_target <- function(object, joint) {
  methods <- methods_of(object)
  errors <- lapply(methods, function(method) object[[method]] - object$actual)
  table <- data.frame(
    forecast = methods, MAE = vapply(errors, function(e) mean(abs(e)), 0),
    RMSE = vapply(errors, function(e) sqrt(mean(e^2)), 0)
  )
  reference <- if ("seasonal" %in% methods) "seasonal" else "naive"
  table[[paste0("MAE / ", reference)]] <- table$MAE / table$MAE[methods == reference]
  for (level in sub("^lower", "", grep("^lower", names(object), value = TRUE))) {
    inside <- object$actual >= object[[paste0("lower", level)]] & object$actual <= object[[paste0("upper", level)]]
    if (joint) inside <- tapply(inside, object$origin, all)
    table[[paste0("inside ", level, "%")]] <- ifelse(methods == "network", mean(inside), NA)
  }
  table
}

#' @rdname backtest
#' @export
print.trainr_backtest <- function(x, ...) {
  steps <- max(x$step)
  cat("Backtest on the ", attr(x, "part"), " part: ", length(unique(x$origin)), " origins, ", steps,
    if (steps == 1) " step" else " steps", " ahead",
    if (isTRUE(attr(x, "refit") > 0)) ", trained anew on the way", "\n",
    sep = ""
  )
  print(format(summary(x), digits = 4), row.names = FALSE)
  invisible(x)
}

#' @rdname backtest
#' @export
plot.trainr_backtest <- function(x, ...) {
  targets <- if (is.null(x[["target"]])) list(x) else split(x, x$target)
  in_panels(length(targets), function(i) {
    given <- if (length(targets) > 1L) list(main = names(targets)[i], ...) else list(...)
    draw_backtest(targets[[i]], given)
  })
  invisible(x)
}

draw_backtest <- function(x, given) {
  methods <- methods_of(x)
  errors <- vapply(methods, function(method) tapply(abs(x[[method]] - x$actual), x$step, mean), numeric(max(x$step)))
  errors <- matrix(errors, ncol = length(methods))
  draw(graphics::matplot, given, list(
    x = seq_len(nrow(errors)), y = errors, type = if (nrow(errors) == 1) "p" else "l", lty = 1,
    col = seq_along(methods), pch = 1, xlab = "steps ahead", ylab = "mean absolute error"
  ))
  graphics::legend("topleft", methods, col = seq_along(methods), lty = 1, bty = "n")
}
