# Forecasts of a series: many steps by feeding back, intervals from the errors on the validation part.

#' Forecast a series
#'
#' Forecasts of \code{\link{trainr_series}}, by feeding each forecast back as the newest value. The intervals are split
#' conformal ones: for each step ahead the quantile of the absolute errors that the same number of steps made from every
#' origin in the validation part, which was not trained on. They hold for what resembles that part, and assume no
#' distribution. Each holds for its own step; \code{joint = TRUE} makes those of all \code{h} steps hold together, for
#' questions such as \dQuote{does the whole year stay within}: the errors of a path are divided by what they are in the
#' mean at that step in the training part, and the quantile is that of the largest.
#'
#' The generic is one's own so that no further package is needed; where \pkg{forecast} or \pkg{generics} are loaded
#' their generic finds the method too, and other objects are handed on to \pkg{forecast}.
#'
#' @param object A model of \code{\link{trainr_series}}.
#' @param h How many steps ahead.
#' @param level Confidence levels in percent; none for no intervals.
#' @param joint Whether the intervals hold for all steps together rather than for each by itself.
#' @param x The series to forecast from, as for \code{trainr_series}: newer values than those of the training. Default:
#'   the whole series that the model was made with.
#' @param future Where some columns are not forecast: their next \code{h} rows, a matrix with all columns of \code{x}.
#' @param ... For methods.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return A list of class \code{forecast}, with \code{mean}, \code{lower} and \code{upper} (a column for each level),
#'   \code{level}, \code{joint}, \code{x}, \code{fitted}, \code{residuals}, \code{method};
#'   for several targets each is an array with a column for each.
#'   It has \code{print}, \code{plot} (a panel for each target) and \code{as.data.frame}, whose times are those of a
#'   \code{zoo} where its steps are equal.
#' @references Stankeviciute, Alaa, van der Schaar (2021), Conformal time-series forecasting; the joint intervals are
#'   those of Sun, Yu (2022), Copula conformal prediction for multi-step time series forecasting, with the largest
#'   scaled error in the place of a copula.
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
  if (inherits(object, "trainr")) {
    stop("forecast() is for models of trainr_series(); a model of arrays or of a formula has predict()", call. = FALSE)
  }
  if (!requireNamespace("forecast", quietly = TRUE)) {
    stop("there is no forecast of an object of class ", class(object)[1], "; models of trainr_series() have one",
      call. = FALSE
    )
  }
  # Called from outside: from here its generic would find this very method.
  do.call(getExportedValue("forecast", "forecast"), list(object, ...), quote = TRUE, envir = globalenv())
}

#' @rdname forecast
#' @export
#' @rawNamespace S3method(forecast::forecast, trainr_series)
#' @rawNamespace S3method(generics::forecast, trainr_series)
forecast.trainr_series <- function(object, h = NULL, level = c(80, 95), x = NULL, future = NULL, joint = FALSE, ...,
                                   connection = NULL) {
  only_named("forecast", list(...))
  series <- attr(object, "series")
  known <- known_series(series, x)
  h <- as_count(if (is.null(h)) max(series$tsp[3], series$ahead) else h, "h")
  coming <- coming_rows(known, h, future)
  rows <- nrow(known$values)
  names <- column_names(series)
  ahead <- function(values, columns) {
    if (!is.null(columns)) dimnames(values) <- list(NULL, columns)
    as_times(values, known, rows)
  }
  centre <- ahead_of(object, known$values, rows, h, coming, connection)
  half <- interval_widths(object, h, level, as_flag(joint, "joint"), connection)
  side <- function(sign) {
    if (length(level) == 0) return(NULL)
    bounds <- array(as.vector(centre) + sign * half, dim(half), list(NULL, names, paste0(level, "%")))
    if (length(names) > 1L) bounds else ahead(matrix(bounds, h), dimnames(bounds)[[3]])
  }
  history <- as_times(structure(known$values[, series$target, drop = FALSE], dimnames = list(NULL, names)), known)
  fit <- one_ahead(object, known, connection)
  structure(class = c("trainr_forecast", "forecast"), list(
    method = paste(kind_of(object), "of the last", series$lookback, "values"), model = object,
    mean = ahead(matrix(centre, h), if (length(names) > 1L) names), level = level, joint = joint, lower = side(-1),
    upper = side(1), x = history, fitted = fit, residuals = history - fit, times = coming_times(known$index, h)
  ))
}

column_names <- function(series) {
  names <- colnames(series$values)[series$target]
  if (is.null(names)) paste0("x", series$target) else names
}

# The series to forecast from: that of the training, or the newer values `x` in its place.
known_series <- function(series, x) {
  if (is.null(x)) return(series)
  given <- as_series(x)
  if (ncol(given$values) != ncol(series$values)) {
    stop("`x` should have the ", ncol(series$values), " columns of the training, it has ", ncol(given$values),
      call. = FALSE
    )
  }
  if (nrow(given$values) < series$lookback) {
    stop("`x` should have at least the ", series$lookback, " rows that the network looks at, it has ",
      nrow(given$values),
      call. = FALSE
    )
  }
  series["index"] <- list(given$index)
  series[c("values", "tsp")] <- given[c("values", "tsp")]
  series
}

# The next h rows as far as they are known: all NA, or `future` where some columns are not forecast.
coming_rows <- function(series, h, future) {
  given <- setdiff(seq_len(ncol(series$values)), series$target)
  coming <- matrix(NA_real_, h, ncol(series$values))
  if (length(given) == 0) return(coming)
  if (is.null(future)) {
    stop("`future` is missing: columns ", paste(given, collapse = ", "), " are not forecast, so their next ", h,
      " rows are needed",
      call. = FALSE
    )
  }
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
      window[, -series$lookback, ] <- window[, -1, ]
      window[, series$lookback, ] <- newest
    }
  }
  result
}

# Half the widths of the intervals: an array (h, targets, levels).
interval_widths <- function(model, h, level, joint = FALSE, connection = NULL) {
  if (length(level) == 0) return(NULL)
  if (!is.numeric(level) || anyNA(level) || any(level <= 0 | level >= 100)) {
    stop("`level` should be percents between 0 and 100, such as c(80, 95)", call. = FALSE)
  }
  parts <- attr(model, "series")$parts
  errors <- abs(origin_errors(model, parts$validation, h, connection))
  n <- dim(errors)[1]
  rank <- ceiling((n + 1) * level / 100)
  if (any(rank > n)) {
    warning("the validation part has ", n, " origins for ", h, " steps, too few for ",
      paste0(level[rank > n], " %", collapse = ", "), ": these intervals are the largest errors there",
      call. = FALSE
    )
  }
  quantiles <- function(x) sort(x)[pmin(rank, n)]
  if (!joint) {
    widths <- apply(errors, c(2, 3), quantiles)
    return(aperm(array(widths, c(length(level), h, dim(errors)[3])), c(2, 3, 1)))
  }
  # Of the training part, so that the errors from which the quantile comes are not those that scale them.
  usual <- colMeans(abs(origin_errors(model, parts$train, h, connection)))
  usual <- pmax(usual, .Machine$double.xmin)
  largest <- apply(errors / rep(usual, each = n), c(1, 3), max)
  factors <- matrix(apply(largest, 2, quantiles), length(level)) # (levels, targets)
  array(as.vector(usual) * as.vector(t(factors))[rep(seq_along(factors), each = h)], c(dim(usual), length(level)))
}

# Errors of forecasts from each origin whose h next rows lie in `part`: an array (origins, h, targets).
origin_errors <- function(model, part, h, connection = NULL) {
  series <- attr(model, "series")
  origins <- origins_in(series, part, h)
  actual_after(series, origins, h) - ahead_of(model, series$values, origins, h, connection = connection)
}

origins_in <- function(series, part, h) {
  origins <- part - 1
  origins <- origins[origins >= series$lookback & (origins + h) %in% part]
  if (length(origins) == 0) {
    stop("the part of ", length(part), " rows is too short for forecasts of ", h, " steps; take a smaller `h`, ",
      "a larger part, or level = NULL",
      call. = FALSE
    )
  }
  origins
}

actual_after <- function(series, origins, h) {
  rows <- outer(origins, seq_len(h), "+")
  array(series$values[as.vector(rows), series$target], c(dim(rows), length(series$target)))
}

#' @export
as.data.frame.trainr_forecast <- function(x, row.names = NULL, optional = FALSE, ...) {
  times <- if (is.null(x$times)) as.numeric(stats::time(x$mean)) else x$times
  columns <- lapply(seq_len(NCOL(x$mean)), function(target) {
    one <- forecast_of(x, target)
    bounds <- lapply(seq_along(x$level), function(i) {
      structure(data.frame(one$lower[, i], one$upper[, i]), names = paste0(c("lower", "upper"), x$level[i]))
    })
    table <- do.call(cbind, c(list(data.frame(forecast = one$mean)), bounds))
    if (NCOL(x$mean) == 1L) return(table)
    name <- colnames(x$mean)[target]
    structure(table, names = c(name, if (ncol(table) > 1L) paste0(name, ".", names(table)[-1])))
  })
  do.call(cbind, c(list(data.frame(time = times)), columns))
}

# What a forecast says of one target: `mean`, a vector; `lower`, `upper`, a column for each level; `history`.
forecast_of <- function(x, target) {
  bounds <- function(side) matrix(if (NCOL(x$mean) == 1L) side else side[, target, ], NROW(x$mean))
  list(
    mean = as.matrix(x$mean)[, target], lower = if (length(x$level) > 0) bounds(x$lower),
    upper = if (length(x$level) > 0) bounds(x$upper), history = as.matrix(x$x)[, target]
  )
}

# The next times of a zoo whose steps are equal (those of months by their day); else NULL.
coming_times <- function(index, h) {
  if (length(index) < 2L || is.character(index) || is.factor(index)) return(NULL)
  steps <- diff(as.numeric(index))
  last <- index[length(index)]
  if (max(steps) - min(steps) <= 1e-6 * max(abs(steps))) {
    coming <- as.numeric(last) + mean(steps) * seq_len(h)
    return(structure(coming, class = oldClass(index), tzone = attr(index, "tzone")))
  }
  day <- if (inherits(index, "Date")) as.POSIXlt(index)$mday
  if (!is.null(day) && all(day == day[1]) && all(steps %in% 28:31)) seq(last, by = "month", length.out = h + 1)[-1]
}

# "Jan 1940", "1940 Q1", or the number.
time_labels <- function(x) {
  times <- as.vector(stats::time(x))
  year <- floor(times + 1e-6)
  season <- as.vector(stats::cycle(x))
  switch(as.character(stats::frequency(x)),
    "12" = paste(month.abb[season], year), "4" = paste0(year, " Q", season), format(times)
  )
}

#' @export
print.trainr_forecast <- function(x, digits = 5, ...) {
  cat("Forecast of ", NROW(x$mean), " steps, ", x$method, "\n", sep = "")
  table <- as.data.frame(x)
  if (is.null(x$times)) table$time <- time_labels(x$mean)
  print(format(table, digits = digits), row.names = FALSE)
  if (isTRUE(x$joint)) cat("The intervals hold for all steps together.\n")
  invisible(x)
}

# ggplot2's, for which the package forecast draws: it knows columns by names of its own.
#' @rawNamespace S3method(ggplot2::autoplot, trainr_forecast)
autoplot.trainr_forecast <- function(object, ...) {
  if (NCOL(object$mean) > 1L) stop("autoplot() draws one target; plot() has a panel for each", call. = FALSE)
  if (!requireNamespace("forecast", quietly = TRUE)) {
    stop("autoplot() needs the package forecast; plot() does without", call. = FALSE)
  }
  getExportedValue("forecast", "autoplot")(structure(object, class = "forecast"), ...)
}

#' @export
plot.trainr_forecast <- function(x, include = NULL, ...) {
  in_panels(NCOL(x$mean), function(target) {
    draw_forecast(x, target, include, if (NCOL(x$mean) > 1L) list(main = colnames(x$mean)[target], ...) else list(...))
  })
  invisible(x)
}

# Draws one panel below the other.
in_panels <- function(count, draw) {
  if (count > 1L) {
    before <- graphics::par(mfrow = c(count, 1))
    on.exit(graphics::par(before))
  }
  for (panel in seq_len(count)) draw(panel)
}

# Calls a function of graphics with what the caller gave, and with the defaults for the rest.
draw <- function(f, given, defaults) do.call(f, c(given, defaults[setdiff(names(defaults), names(given))]))

draw_forecast <- function(x, target, include, given) {
  one <- forecast_of(x, target)
  times <- as.vector(stats::time(x$mean))
  past <- as.vector(stats::time(x$x))
  shown <- if (is.null(include)) seq_along(past) else utils::tail(seq_along(past), include)
  draw(graphics::plot, given, list(
    x = c(past[shown], times), y = c(one$history[shown], rep(NA, length(times))), type = "l", xlab = "time",
    ylim = range(one$history[shown], one$mean, one$lower, one$upper, finite = TRUE), ylab = "value"
  ))
  shades <- grDevices::grey(seq(0.75, 0.9, length.out = max(length(x$level), 1)))
  for (i in rev(order(x$level))) {
    border <- c(one$lower[, i], rev(one$upper[, i]))
    graphics::polygon(c(times, rev(times)), border, col = shades[rank(x$level)[i]], border = NA)
  }
  graphics::lines(times, one$mean, col = "blue", lwd = 2)
}
