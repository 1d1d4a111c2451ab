# Time series: windows, splits, scaling by the training part, a network trained on them.

#' Train a network on a time series
#'
#' \code{trainr_series} cuts a series, in order of time, into a part to train on, a part to judge by (\code{validation})
#' and a part that nobody looks at before the end (\code{test}). It scales by the training part alone, makes windows of
#' the last \code{lookback} values and trains a network to say the next value. Then \code{\link{forecast}} looks ahead,
#' \code{\link{backtest}} compares with forecasts that need no network, and \code{plot}, \code{fitted} and
#' \code{residuals} work as for other models of time series.
#'
#' \code{series_split} and \code{series_windows} do the steps one by one, for arrays of one's own.
#'
#' @param x A series in order of time: a \code{ts} of one or several variables, a \code{zoo}, a vector, a matrix or data
#'   frame with a row for each time. No missing values.
#' @param lookback How many values the network sees. Default: two seasons, at least 12.
#' @param ahead How many values it says at once; more than one are fed back together.
#' @param target The columns to forecast.
#' @param train,validation Shares of the series, 0 to 1; what is left is the test part.
#' @param every_step Whether the network is taught the next value after each step of a window, not only after the last,
#'   which makes \code{lookback} times as much to learn from.
#' @param ... Arguments of \code{\link{trainr}}. With \code{exact = TRUE} and \code{patience} the validation part
#'   decides when to stop.
#' @return \code{trainr_series}: a model, of class \code{trainr_series} on top of \code{trainr}. \code{series_split}: a
#'   list of the rows of \code{train}, \code{validation} and \code{test}. \code{series_windows}: a list of \code{X},
#'   \code{Y} and \code{rows}, where each sample's last target stands.
#' @examples
#' \dontrun{
#' model <- trainr_series(nottem,
#'   lookback = 24, exact = TRUE, network_type = "gru", output = "linear", update_rule = "adam",
#'   hidden_dim = 16, use_bias = TRUE, batch_size = 16, learningrate = 0.01, numepochs = 100
#' )
#' plot(forecast(model, h = 12))
#' backtest(model)
#' }
#' @export
trainr_series <- function(x, lookback = max(2 * stats::frequency(x), 12), ahead = 1, target = 1, train = 0.6,
                          validation = 0.2, ..., every_step = TRUE) {
  series <- as_series(x)
  options <- list(...)
  refuse_misspelt(names(options), setdiff(names(formals(trainr_series)), c("x", "...")))
  if (!every_step && !isTRUE(as.logical(options[["exact"]]))) {
    stop("every_step = FALSE needs exact = TRUE: the arithmetic of rnn wants a target for each step", call. = FALSE)
  }
  series <- c(series, list(
    parts = series_split(series, train, validation), lookback = lookback, ahead = ahead, target = target,
    every_step = every_step, options = options[setdiff(names(options), "connection")]
  ))
  arguments <- series_arguments(series, series$parts)
  model <- do.call(trainr, c(arguments, options[names(options) == "connection"]), quote = TRUE)
  attr(model, "call") <- match.call()
  as_series_model(model, series)
}

# The arguments of trainr for a series that is cut into these parts.
series_arguments <- function(series, parts) {
  given <- series$options
  cut <- function(rows, values = scaled_values) {
    series_windows(values, series$lookback, series$ahead, series$target, rows, series$every_step)
  }
  deviation <- isTRUE(as.logical(given[["exact"]])) && identical(given[["output"]], "linear")
  scale <- scale_of(series$values[parts$train, , drop = FALSE], deviation, "input")
  outputs <- rep(series$target, series$ahead)
  scale$output_center <- scale$input_center[outputs]
  scale$output_scale <- scale$input_scale[outputs]
  scaled_values <- scaled(series$values, scale$input_center, scale$input_scale)
  windows <- cut(parts$train)
  held <- if (!is.null(given[["patience"]]) && is.null(given[["validation"]])) {
    list(validation = unname(cut(parts$validation)[c("X", "Y")]))
  }
  c(list(Y = windows$Y, X = windows$X), given, scale, held)
}

as_series_model <- function(model, series) {
  attr(model, "data") <- NULL
  attr(model, "series") <- series
  structure(model, class = c("trainr_series", "trainr", "list"))
}

# A series as a list of `values`, a matrix (time, variables), and `tsp`, as for ts.
as_series <- function(x, name = "x") {
  index <- if (inherits(x, "zoo")) attr(x, "index")
  tsp <- if (stats::is.ts(x)) stats::tsp(x) else tsp_of_zoo(index)
  if (inherits(x, "zoo") || stats::is.ts(x)) attributes(x) <- attributes(x)[c("dim", "dimnames")]
  values <- if (is.data.frame(x)) data.matrix(x) else as.matrix(x)
  if (is.numeric(values)) storage.mode(values) <- "double"
  if (!is.numeric(values) || length(values) == 0L) stop("`", name, "` should be a series of numbers", call. = FALSE)
  missing <- which(rowSums(!is.finite(values)) > 0)
  if (length(missing) > 0) {
    stop("`", name, "` has ", length(missing), " rows with missing or infinite values, the first is ", missing[1],
      "; fill them in",
      call. = FALSE
    )
  }
  list(values = values, tsp = if (is.null(tsp)) c(1, nrow(values), 1) else tsp, index = index)
}

# As ts has it, where a zoo's times are months or quarters without a gap; else NULL.
tsp_of_zoo <- function(index) {
  frequency <- if (inherits(index, "yearmon")) 12 else if (inherits(index, "yearqtr")) 4
  times <- as.numeric(index)
  if (is.null(frequency) || any(abs(diff(times) - 1 / frequency) > 1e-6)) return(NULL)
  c(range(times), frequency)
}

as_count <- function(x, name) {
  if (!is.numeric(x) || length(x) != 1L || is.na(x) || x < 1 || x != round(x)) {
    stop("`", name, "` should be a whole number, 1 or more", call. = FALSE)
  }
  as.integer(x)
}

#' @rdname trainr_series
#' @export
series_split <- function(x, train = 0.6, validation = 0.2) {
  rows <- if (is.list(x) && !is.data.frame(x)) nrow(x$values) else NROW(x)
  shares <- c(train, validation)
  if (!is.numeric(shares) || length(shares) != 2L || anyNA(shares) || any(shares < 0) || sum(shares) > 1 + 1e-12) {
    stop("`train` and `validation` should be shares of the rows, 0 to 1 each, at most 1 together", call. = FALSE)
  }
  ends <- as.integer(c(round(rows * train), min(rows, round(rows * sum(shares))), rows))
  list(
    train = seq_len(ends[1]), validation = seq_len(ends[2] - ends[1]) + ends[1],
    test = seq_len(ends[3] - ends[2]) + ends[2]
  )
}

#' @rdname trainr_series
#' @param rows The rows in which the last targets of the windows should lie; the inputs may reach back before. Default:
#'   all.
#' @export
series_windows <- function(x, lookback, ahead = 1, target = 1, rows = NULL, every_step = FALSE) {
  values <- as_series(x)$values
  lookback <- as_count(lookback, "lookback")
  ahead <- as_count(ahead, "ahead")
  if (!is.numeric(target) || anyNA(target) || !all(target %in% seq_len(ncol(values)))) {
    stop("`target` should be columns of `x`, 1 to ", ncol(values), call. = FALSE)
  }
  ends <- if (nrow(values) >= lookback + ahead) seq(lookback, nrow(values) - ahead) # the last row that each window sees
  if (!is.null(rows)) ends <- ends[(ends + ahead) %in% rows]
  if (length(ends) == 0) {
    where <- if (is.null(rows)) {
      paste("a series of", nrow(values))
    } else {
      if (length(rows) == 0) "an empty range" else paste("rows", min(rows), "to", max(rows))
    }
    stop("no window fits: lookback = ", lookback, " and ahead = ", ahead, " need ", lookback + ahead,
      " rows, the last of them in ", where,
      call. = FALSE
    )
  }
  seen <- outer(ends, seq_len(lookback) - lookback, "+")
  answered <- if (every_step) seen else matrix(ends)
  targets <- lapply(seq_len(ahead), function(step) values[as.vector(answered) + step, target])
  list(
    X = array(values[as.vector(seen), ], c(dim(seen), ncol(values))),
    Y = array(unlist(targets), c(dim(answered), length(target) * ahead)), rows = ends + ahead
  )
}

# What the network says one step after each of these rows: a matrix (rows, ahead * targets).
after_rows <- function(model, series, rows, connection = NULL) {
  seen <- outer(rows, seq_len(series$lookback) - series$lookback, "+")
  next_values(model, array(series$values[as.vector(seen), ], c(dim(seen), ncol(series$values))), connection)
}

next_values <- function(model, windows, connection = NULL) {
  said <- predictr(unframed(model), windows, real_output = FALSE, connection = connection)
  matrix(said[, dim(said)[2], ], dim(windows)[1])
}

#' @export
fitted.trainr_series <- function(object, ..., connection = NULL) {
  only_named("fitted", list(...))
  one_ahead(object, attr(object, "series"), connection)
}

# What the network says one step ahead, for every row of a series before which there are enough.
one_ahead <- function(object, series, connection = NULL) {
  if (nrow(series$values) == series$lookback) return(as_times(series$values[, series$target] * NA, series))
  rows <- seq(series$lookback, nrow(series$values) - 1)
  fit <- matrix(NA_real_, nrow(series$values), length(series$target))
  fit[rows + 1, ] <- after_rows(object, series, rows, connection)[, seq_along(series$target)]
  as_times(fit, series)
}

#' @export
residuals.trainr_series <- function(object, ..., connection = NULL) {
  only_named("residuals", list(...))
  series <- attr(object, "series")
  as_times(series$values[, series$target, drop = FALSE], series) - stats::fitted(object, connection = connection)
}

# Values as a series that begins `after` rows after the first.
as_times <- function(values, series, after = 0) {
  values <- if (NCOL(values) == 1L) as.vector(values) else values
  stats::ts(values, start = series$tsp[1] + after / series$tsp[3], frequency = series$tsp[3])
}

#' @export
predict.trainr_series <- function(object, newdata, n.ahead = 1, ...) {
  if (!missing(newdata)) return(predict.trainr(unseries(object), newdata, ...))
  further <- only_named("predict", list(...), c("x", "future", "connection"))
  do.call(forecast, c(list(object, h = n.ahead, level = numeric()), further))$mean
}

unseries <- function(model) structure(model, class = c("trainr", "list"))

#' @export
plot.trainr_series <- function(x, which = c("error", "fit"), ...) {
  which <- match.arg(which)
  if (which == "error") return(invisible(plot.trainr(unseries(x), "error", ...)))
  series <- attr(x, "series")
  actual <- as_times(series$values[, series$target, drop = FALSE], series)
  given <- utils::modifyList(list(col = c("grey40", "red"), ylab = "value"), list(...))
  stats::ts.plot(actual, stats::fitted(x), gpars = given)
  borders <- c(series$parts$validation[1], series$parts$test[1])
  graphics::abline(v = series$tsp[1] + (borders[!is.na(borders)] - 1.5) / series$tsp[3], lty = 3)
  graphics::legend("topleft", c("actual", "one step ahead"), col = c("grey40", "red"), lty = 1, bty = "n")
  invisible(x)
}
