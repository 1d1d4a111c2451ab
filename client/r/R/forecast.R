# Forecasts of a series: many steps by feeding back, intervals from the errors on the validation part, backtests.

#' Forecast a series
#'
#' Forecasts of \code{\link{trainr_series}}, by feeding each forecast back as the newest value. The intervals are split
#' conformal ones: for each step ahead the quantile of the absolute errors that the same number of steps made from every
#' origin in the validation part, which was not trained on. They hold for what resembles that part, and assume no
#' distribution.
#'
#' The generic is one's own so that no further package is needed; where \pkg{forecast} or \pkg{generics} are loaded their
#' generic finds the method too, and other objects are handed on to \pkg{forecast}.
#'
#' @param object A model of \code{\link{trainr_series}}.
#' @param h How many steps ahead.
#' @param level Confidence levels in percent; none for no intervals.
#' @param x The series to forecast from, as for \code{trainr_series}: newer values than those of the training. Default:
#'   the whole series that the model was made with.
#' @param future Where some columns are not forecast: their next \code{h} rows, a matrix with all columns of \code{x}.
#' @param ... For methods.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return A list of class \code{forecast}, with \code{mean}, \code{lower} and \code{upper} (a column for each level),
#'   \code{level}, \code{x}, \code{method}; for several targets each is an array with a column for each. It has \code{print},
#'   \code{plot} and \code{as.data.frame}.
#' @references Stankeviciute, Alaa, van der Schaar (2021), Conformal time-series forecasting, without its correction for
#'   several steps: each step's interval holds by itself.
#' @examples
#' \dontrun{
#' model <- trainr_series(nottem, exact = TRUE, output = "linear", learningrate = 0.01)
#' ahead <- forecast(model, h = 12, level = c(80, 95))
#' ahead
#' plot(ahead, include = 60)
#' as.data.frame(ahead)
#' }
#' @export
forecast <- function(object, ...) UseMethod("forecast")

#' @rdname forecast
#' @export
forecast.default <- function(object, ...) {
  if (!requireNamespace("forecast", quietly = TRUE)) {
    stop("there is no forecast of an object of class ", class(object)[1], "; models of trainr_series() have one", call. = FALSE)
  }
  getExportedValue("forecast", "forecast")(object, ...)
}

#' @rdname forecast
#' @export
#' @rawNamespace S3method(forecast::forecast, trainr_series)
#' @rawNamespace S3method(generics::forecast, trainr_series)
forecast.trainr_series <- function(object, h = NULL, level = c(80, 95), x = NULL, future = NULL, ..., connection = NULL) {
  series <- attr(object, "series")
  known <- series
  if (!is.null(x)) known[c("values", "tsp")] <- as_series(x)[c("values", "tsp")]
  h <- as_count(if (is.null(h)) max(series$tsp[3], series$ahead) else h, "h")
  check_history(known, series)
  coming <- coming_rows(known, h, future)
  rows <- nrow(known$values)
  mean <- ahead_of(object, known$values, rows, h, coming, connection)
  half <- interval_widths(object, series, h, level, connection)
  named <- function(values) {
    if (length(series$target) == 1L) as_times(values, known, rows) else structure(as_times(values, known, rows), dimnames = list(NULL, column_names(series)))
  }
  centre <- matrix(mean[1, , ], h)
  side <- function(sign) {
    if (length(level) == 0) return(NULL)
    if (length(series$target) == 1L) {
      bounds <- matrix(centre[, 1] + sign * half[, 1, ], h, dimnames = list(NULL, paste0(level, "%")))
      return(stats::ts(bounds, start = stats::tsp(named(centre))[1], frequency = known$tsp[3], names = colnames(bounds)))
    }
    array(as.vector(centre) + sign * half, dim(half), list(NULL, column_names(series), paste0(level, "%")))
  }
  history <- as_times(known$values[, series$target, drop = FALSE], known)
  structure(class = c("trainr_forecast", "forecast"), list(
    method = paste(kind_of(object), "of the last", series$lookback, "values"), model = object, mean = named(centre),
    level = level, lower = side(-1), upper = side(1), x = history
  ))
}

column_names <- function(series) {
  names <- colnames(series$values)[series$target]
  if (is.null(names)) paste0("x", series$target) else names
}

check_history <- function(known, series) {
  if (ncol(known$values) != ncol(series$values)) {
    stop("`x` should have the ", ncol(series$values), " columns of the training, it has ", ncol(known$values), call. = FALSE)
  }
  if (nrow(known$values) < series$lookback) {
    stop("`x` should have at least the ", series$lookback, " rows that the network looks at, it has ", nrow(known$values), call. = FALSE)
  }
}

# The next h rows as far as they are known: all NA, or `future` where some columns are not forecast.
coming_rows <- function(series, h, future) {
  given <- setdiff(seq_len(ncol(series$values)), series$target)
  coming <- matrix(NA_real_, h, ncol(series$values))
  if (length(given) == 0) return(coming)
  if (is.null(future)) stop("`future` is missing: columns ", paste(given, collapse = ", "), " are not forecast, so their next ", h, " rows are needed", call. = FALSE)
  future <- if (is.data.frame(future)) data.matrix(future) else as.matrix(future)
  if (nrow(future) < h || ncol(future) != ncol(series$values)) {
    stop("`future` should have ", h, " rows and ", ncol(series$values), " columns", call. = FALSE)
  }
  coming[, given] <- future[seq_len(h), given]
  coming
}

# Forecasts of the h rows after each of the rows `origins`: an array (origins, h, targets). `coming` has the rows after
# the last of `values`. `shocks(step)`, a matrix (origins, targets), is added to each forecast before it is fed back.
ahead_of <- function(model, values, origins, h, coming = NULL, connection = NULL, shocks = NULL) {
  series <- attr(model, "series")
  all <- rbind(values, coming)
  columns <- ncol(values)
  seen <- outer(origins, seq_len(series$lookback) - series$lookback, "+")
  window <- array(values[as.vector(seen), ], c(dim(seen), columns))
  result <- array(0, c(length(origins), h, length(series$target)))
  step <- 0
  while (step < h) {
    said <- next_values(model, window, connection)
    for (row in seq_len(min(series$ahead, h - step))) {
      step <- step + 1
      newest <- matrix(all[pmin(origins + step, nrow(all)), ], length(origins)) # the columns that are not forecast
      forecast <- said[, (row - 1) * length(series$target) + seq_along(series$target), drop = FALSE]
      if (!is.null(shocks)) forecast <- forecast + shocks(step)
      newest[, series$target] <- result[, step, ] <- forecast
      window <- array(c(window[, -1, , drop = FALSE], rep(NA_real_, length(origins) * columns))[slide(dim(window))], dim(window))
      window[, dim(window)[2], ] <- newest
    }
  }
  result
}

# Where the entries of a window that has lost its first step lie, followed by a new step: an index into c(rest, new).
slide <- function(dim) {
  rest <- array(seq_len(dim[1] * (dim[2] - 1) * dim[3]), c(dim[1], dim[2] - 1, dim[3]))
  new <- array(length(rest) + seq_len(dim[1] * dim[3]), c(dim[1], 1, dim[3]))
  as.vector(aperm(array(c(aperm(rest, c(1, 3, 2)), aperm(new, c(1, 3, 2))), dim[c(1, 3, 2)]), c(1, 3, 2)))
}

# Half the widths of the intervals: an array (h, targets, levels).
interval_widths <- function(model, series, h, level, connection = NULL) {
  if (length(level) == 0) return(NULL)
  if (!is.numeric(level) || anyNA(level) || any(level <= 0 | level >= 100)) stop("`level` should be percents between 0 and 100, such as c(80, 95)", call. = FALSE)
  errors <- abs(origin_errors(model, series, series$parts$validation, h, connection))
  n <- dim(errors)[1]
  rank <- ceiling((n + 1) * level / 100)
  if (any(rank > n)) {
    warning("the validation part has ", n, " origins for ", h, " steps, too few for ", paste0(level[rank > n], " %", collapse = ", "),
      ": these intervals are the largest errors there",
      call. = FALSE
    )
  }
  widths <- apply(errors, c(2, 3), function(x) sort(x)[pmin(rank, n)])
  aperm(array(widths, c(length(level), h, dim(errors)[3])), c(2, 3, 1))
}

# Errors of forecasts from each origin whose h next rows lie in `part`: an array (origins, h, targets).
origin_errors <- function(model, series, part, h, connection = NULL) {
  origins <- origins_in(series, part, h)
  actual_after(series, origins, h) - ahead_of(model, series$values, origins, h, connection = connection)
}

origins_in <- function(series, part, h) {
  origins <- part - 1
  origins <- origins[origins >= series$lookback & (origins + h) %in% part]
  if (length(origins) == 0) {
    stop("the part of ", length(part), " rows is too short for forecasts of ", h, " steps; take a smaller `h`, a larger part, or level = NULL", call. = FALSE)
  }
  origins
}

actual_after <- function(series, origins, h) {
  rows <- outer(origins, seq_len(h), "+")
  array(series$values[as.vector(rows), series$target], c(dim(rows), length(series$target)))
}

#' @export
as.data.frame.trainr_forecast <- function(x, row.names = NULL, optional = FALSE, ...) {
  table <- data.frame(time = as.numeric(stats::time(x$mean)), unclass_ts(x$mean))
  if (NCOL(x$mean) == 1L) {
    names(table)[2] <- "forecast"
    for (i in seq_along(x$level)) {
      table[[paste0("lower", x$level[i])]] <- as.vector(x$lower[, i])
      table[[paste0("upper", x$level[i])]] <- as.vector(x$upper[, i])
    }
  }
  table
}

# "Jan 1940", "1940 Q1", or the number.
time_labels <- function(x) {
  times <- as.vector(stats::time(x))
  year <- floor(times + 1e-6)
  season <- as.vector(stats::cycle(x))
  switch(as.character(stats::frequency(x)), "12" = paste(month.abb[season], year), "4" = paste0(year, " Q", season), format(times))
}

unclass_ts <- function(x) {
  attr(x, "tsp") <- NULL
  unclass(x)
}

#' @export
print.trainr_forecast <- function(x, digits = 5, ...) {
  cat("Forecast of", NROW(x$mean), "steps,", x$method, "\n")
  table <- as.data.frame(x)
  table$time <- time_labels(x$mean)
  print(format(table, digits = digits), row.names = FALSE)
  invisible(x)
}

#' @export
plot.trainr_forecast <- function(x, include = NULL, ...) {
  if (NCOL(x$mean) != 1L) stop("a forecast of several columns is drawn one by one: plot(x$mean[, 1])", call. = FALSE)
  history <- x$x
  if (!is.null(include)) history <- utils::tail(history, include)
  begin <- stats::tsp(x$mean)[1] - length(history) / stats::frequency(x$x)
  history <- stats::ts(as.vector(history), start = begin, frequency = stats::frequency(x$x))
  reach <- range(history, x$mean, unlist(x[c("lower", "upper")]), finite = TRUE)
  given <- list(...)
  defaults <- list(
    x = c(as.vector(stats::time(history)), as.vector(stats::time(x$mean))), y = c(as.vector(history), rep(NA, length(x$mean))), type = "l",
    ylim = reach, xlab = "time", ylab = "value"
  )
  do.call(graphics::plot, c(given, defaults[setdiff(names(defaults), names(given))]))
  times <- as.vector(stats::time(x$mean))
  shades <- grDevices::grey(seq(0.75, 0.9, length.out = max(length(x$level), 1)))
  for (i in rev(order(x$level))) {
    graphics::polygon(c(times, rev(times)), c(x$lower[, i], rev(x$upper[, i])), col = shades[rank(x$level)[i]], border = NA)
  }
  graphics::lines(times, as.vector(x$mean), col = "blue", lwd = 2)
  invisible(x)
}

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
  if (method == "seasonal" && any(origins < period)) stop("`x` is shorter than one season of ", period, " steps", call. = FALSE)
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
#' Forecasts from every origin in a part of the series that was not trained on, beside the forecasts that need no network.
#'
#' @param model A model of \code{\link{trainr_series}} of one target.
#' @param h How many steps ahead.
#' @param part \code{"test"} or \code{"validation"}.
#' @param period The length of a season in steps.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @param object,x A backtest.
#' @param ... For \code{plot}: of the base function.
#' @return A data frame of class \code{trainr_backtest}: \code{origin} (the last row that was known), \code{step},
#'   \code{actual}, and a column for the \code{network} and for each \code{\link{baseline}}. \code{summary}: the mean absolute
#'   error and the root of the mean squared error of each, and their ratios to the seasonal one's; \code{print} shows that.
#'   \code{plot}: the mean absolute error by steps ahead.
#' @examples
#' \dontrun{
#' model <- trainr_series(nottem, exact = TRUE, output = "linear", learningrate = 0.01)
#' test <- backtest(model, h = 12)
#' test
#' plot(test)
#' }
#' @export
backtest <- function(model, h = 1, part = c("test", "validation"), period = NULL, connection = NULL) {
  if (!inherits(model, "trainr_series")) stop("`model` should be a model of trainr_series()", call. = FALSE)
  series <- attr(model, "series")
  part <- match.arg(part)
  h <- as_count(h, "h")
  if (length(series$target) != 1L) stop("backtest() is for models of one target", call. = FALSE)
  if (is.null(period)) period <- series$tsp[3]
  origins <- origins_in(series, series$parts[[part]], h)
  values <- series$values[, series$target]
  table <- data.frame(
    origin = rep(origins, h), step = rep(seq_len(h), each = length(origins)), actual = as.vector(actual_after(series, origins, h)),
    network = as.vector(ahead_of(model, series$values, origins, h, connection = connection))
  )
  methods <- if (period > 1) baseline_methods else setdiff(baseline_methods, "seasonal")
  for (method in methods) table[[method]] <- as.vector(baseline_after(values, origins, h, method, period))
  structure(table, class = c("trainr_backtest", "data.frame"), part = part, steps = h)
}

#' @rdname backtest
#' @export
summary.trainr_backtest <- function(object, ...) {
  methods <- setdiff(names(object), c("origin", "step", "actual"))
  errors <- lapply(methods, function(method) object[[method]] - object$actual)
  table <- data.frame(
    forecast = methods, MAE = vapply(errors, function(e) mean(abs(e)), 0), RMSE = vapply(errors, function(e) sqrt(mean(e^2)), 0)
  )
  reference <- if ("seasonal" %in% methods) "seasonal" else "naive"
  table[[paste0("MAE / ", reference)]] <- table$MAE / table$MAE[methods == reference]
  table
}

#' @rdname backtest
#' @export
print.trainr_backtest <- function(x, ...) {
  cat("Backtest on the", attr(x, "part"), "part:", length(unique(x$origin)), "origins,", max(x$step), if (max(x$step) == 1) "step" else "steps", "ahead\n")
  print(format(summary(x), digits = 4), row.names = FALSE)
  invisible(x)
}

#' @rdname backtest
#' @export
plot.trainr_backtest <- function(x, ...) {
  methods <- setdiff(names(x), c("origin", "step", "actual"))
  errors <- vapply(methods, function(method) tapply(abs(x[[method]] - x$actual), x$step, mean), numeric(max(x$step)))
  errors <- matrix(errors, ncol = length(methods))
  given <- list(...)
  defaults <- list(x = seq_len(nrow(errors)), y = errors, type = if (nrow(errors) == 1) "p" else "l", lty = 1, col = seq_along(methods), pch = 1, xlab = "steps ahead", ylab = "mean absolute error")
  do.call(graphics::matplot, c(given, defaults[setdiff(names(defaults), names(given))]))
  graphics::legend("topleft", methods, col = seq_along(methods), lty = 1, bty = "n")
  invisible(x)
}
