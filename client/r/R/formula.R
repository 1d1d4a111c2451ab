# Long data frames: one row for each time step of each sample, and a formula that says what is forecast from what.

formula_options <- c("data", "na.action", "factors", "scale")

#' Train on a long data frame with a formula
#'
#' \code{trainr(temp ~ wind + rain, data = d, sample = station, time = day, learningrate = 0.1)} trains on a data frame
#' with a row for each time step of each sample. Everything else is as in \code{\link{trainr}}; \code{train_async} takes
#' formulas as well.
#'
#' \describe{
#'   \item{\code{Y}}{a formula. Left the targets, \code{cbind(a, b)} for several; right the inputs, \code{.} for all
#'     columns that are not targets, sample or time. Calls such as \code{log(rain)} and \code{wind:rain} work.}
#'   \item{\code{data}}{a data frame, a tibble, a \code{ts} or a \code{zoo} (whose time is \code{time}).}
#'   \item{\code{sample}}{which sample a row belongs to: a column, or an expression of columns. Without it all rows are
#'     one sample.}
#'   \item{\code{time}}{by which the rows of a sample are ordered: numbers, \code{Date}, \code{POSIXct}, \code{yearmon}
#'     and so on. Without it they are in the order of the data frame. Places where time is left out are reported.}
#'   \item{\code{na.action}}{\code{na.fail} (the default) says which columns and rows are missing; \code{na.omit} leaves
#'     rows with missing values out; \code{na.pass}, with \code{exact = TRUE}, keeps their place in time: the network
#'     holds its state there (\code{mask = "nan"}).}
#'   \item{\code{factors}}{\code{"one-hot"} (the default): a column for each level. \code{"tokens"}: the number of the
#'     level, from 1 for an input (0 stays free for \code{mask_zero}), from 0 for a target (for
#'     \code{sparse_categorical_crossentropy}).}
#'   \item{\code{scale}}{\code{TRUE} (the default): numbers are scaled to what a network works with, by the range (0.1
#'     to 0.9) or with \code{exact = TRUE} and \code{output = "linear"} by mean and deviation, of the samples that are
#'     not held out for \code{validation}. The model keeps the scale and takes and gives raw numbers. \code{FALSE}: as
#'     they are.}
#' }
#'
#' Samples of unequal length need \code{exact = TRUE}; they are then filled up with steps that have no entry.
#'
#' @return The model. \code{predict(model, newdata)} makes the inputs for a new data frame in the same way and returns a
#'   value for each of its rows (\code{NA} where there is none), for several targets a matrix. For a factor these are
#'   the probabilities of its levels; \code{type = "class"} gives the factor.
#' @examples
#' \dontrun{
#' d <- expand.grid(day = as.Date("2024-01-01") + 0:29, station = c("north", "south", "west"))
#' d$wind <- runif(90, 0, 30)
#' d$temp <- 15 - 0.3 * d$wind + rnorm(90)
#' model <- trainr(temp ~ wind,
#'   data = d, sample = station, time = day, learningrate = 0.1, numepochs = 50
#' )
#' d$forecast <- predict(model, d)
#' plot(model, "fit")
#' }
#' @seealso \code{\link{trainr}}, \code{\link{trainr-methods}}
#' @name trainr-formula
NULL

# What trainr's arguments say where Y is a formula:
#   Y, X: arrays; further: the other arguments of trainr's `...`, with the scale and the mask; frame: how to do the same
#   with other data
# `said` holds the expressions of `...`, `further` the values of those that are none of the data's columns.
formula_arrays <- function(formula, X, said, further, exact, model = NULL) {
  if (length(formula) != 3L) {
    stop("the formula should be targets ~ inputs, such as temp ~ wind + rain; it has no left side", call. = FALSE)
  }
  data <- if (is.null(further[["data"]])) X else further[["data"]]
  if (is.null(data)) stop("`data` is missing: the data frame that the formula is about", call. = FALSE)
  data <- as_long(data)
  need_columns(all.vars(formula), data, environment(formula), "the formula names")
  given <- further[setdiff(names(further), formula_options)]
  exact <- if (is.null(model)) isTRUE(as.logical(exact)) else is_exact(model)
  frame <- if (is.null(model)) new_frame(formula, data, said, further) else kept_frame(model, formula)
  table <- stats::model.frame(frame$terms, data, na.action = stats::na.pass)
  Y <- target_columns(stats::model.response(table), frame)
  X <- input_columns(table, frame)
  na.action <- as_na_action(further[["na.action"]])
  absent <- absent_rows(cbind(Y, X), na.action, exact)
  frame$rows <- places_of(frame, data, if (is_na_pass(na.action)) logical(nrow(data)) else absent)
  if (anyNA(frame$rows) && !exact) stop_unequal(frame$rows)
  Y[absent, ] <- NaN
  X[absent, ] <- NaN
  wanted <- is.null(further[["scale"]]) || as_flag(further[["scale"]], "scale")
  scale <- if (!is.null(model)) {
    model[scale_fields]
  } else if (wanted) {
    scale_of_training(X, Y, frame, given, exact)
  }
  X <- placed(scaled(X, scale$input_center, scale$input_scale), frame$rows)
  Y <- placed(scaled(Y, scale$output_center, scale$output_scale), frame$rows)
  if (is.null(model)) given[names(scale)] <- scale
  if (is.null(model) && anyNA(X)) given$mask <- "nan"
  list(Y = Y, X = X, further = given, frame = frame)
}

# The values of arguments beside a formula, which only `sample` and `time` may build of the data's columns. `value(i)`
# evaluates the i-th of the expressions `said`.
further_values <- function(said, value) {
  refuse_misspelt(setdiff(names(said), r_fields), c("sample", "time", formula_options))
  if ("weights" %in% names(said)) {
    stop("`weights` is no argument of trainr: with exact = TRUE sample_weight has a weight for each sample",
      call. = FALSE
    )
  }
  if ("subset" %in% names(said)) {
    stop("`subset` is no argument of trainr: take the rows before, data = subset(d, wind > 3)", call. = FALSE)
  }
  now <- which(!names(said) %in% c("sample", "time"))
  one <- function(i) {
    tryCatch(value(i), error = function(error) {
      stop("`", names(said)[i], "`: ", conditionMessage(error),
        "; only the formula, `sample` and `time` may name columns of `data`",
        call. = FALSE
      )
    })
  }
  structure(lapply(now, one), names = names(said)[now])
}

# Stops where one of the variables is neither a column of the data nor anything where the formula was written.
need_columns <- function(variables, data, environment, who) {
  absent <- function(name) {
    found <- get0(name, environment)
    is.null(found) || is.function(found)
  }
  missing <- Filter(absent, setdiff(variables, c(names(data), ".")))
  if (length(missing) == 0L) return(invisible())
  columns <- paste(utils::head(names(data), 12), collapse = ", ")
  stop(who, " ", missing[1], ", which is no column of the data: there are ", columns,
    if (ncol(data) > 12L) paste(" and", ncol(data) - 12L, "more"),
    call. = FALSE
  )
}

# A call of trainr with the expressions of sample and time, through however many functions these were handed.
with_columns <- function(call, said) {
  for (name in intersect(names(said), c("sample", "time"))) call[[name]] <- said[[name]]
  call
}

scale_fields <- c("input_center", "input_scale", "output_center", "output_scale")

# How a formula turns rows into arrays: its terms, the levels of its factors, what says sample and time.
new_frame <- function(formula, data, said, further) {
  table <- table_of(formula, data, unlist(lapply(said[c("sample", "time")], all.vars)))
  labels <- Filter(is_label, as.list(table))
  response <- stats::model.response(table)
  list(
    terms = stats::terms(table), sample = said[["sample"]], time = said[["time"]],
    factors = match.arg(further[["factors"]], c("one-hot", "tokens")),
    levels = lapply(labels, function(x) levels(as.factor(x))),
    classes = if (is_label(response)) levels(as.factor(response))
  )
}

# That of a model, to train it further on other data.
kept_frame <- function(model, formula) {
  frame <- attr(model, "frame")
  if (is.null(frame)) stop("`model` was not trained with a formula: give it arrays", call. = FALSE)
  if (!identical(deparse(formula), deparse(stats::formula(frame$terms)))) {
    message("a model goes on with its own formula, ", paste(deparse(stats::formula(frame$terms)), collapse = " "))
  }
  frame
}

is_long <- function(data) is.data.frame(data) || stats::is.ts(data) || inherits(data, "zoo")

# A data frame of what the caller has: a tibble, a ts, a zoo.
as_long <- function(data) {
  if (stats::is.ts(data)) {
    columns <- as.data.frame(unclass(data))
    if (!is.matrix(data)) names(columns) <- "value"
    data <- cbind(columns, time = as.numeric(stats::time(data)))
  } else if (inherits(data, "zoo")) {
    times <- attr(data, "index")
    columns <- unclass(data)
    attr(columns, "index") <- attr(columns, "frequency") <- NULL
    data <- as.data.frame(columns)
    if (!is.matrix(columns)) names(data) <- "value"
    data$time <- times
  }
  if (!is.data.frame(data)) {
    stop("`data` should be a data frame with a row for each time step, it is of class ", class(data)[1], call. = FALSE)
  }
  if (nrow(data) == 0L) stop("`data` has no rows", call. = FALSE)
  as.data.frame(data)
}

# The model frame; `.` means all columns but the targets, and those that say sample and time.
table_of <- function(formula, data, apart) {
  columns <- if ("." %in% all.vars(formula)) setdiff(names(data), apart) else names(data)
  stats::model.frame(stats::terms(formula, data = data[columns]), data, na.action = stats::na.pass)
}

is_label <- function(x) is.factor(x) || is.character(x)

# Targets as a matrix with a column for each variable.
target_columns <- function(response, frame) {
  if (is.null(response)) stop("the formula names no target on its left side", call. = FALSE)
  if (!is.null(frame$classes)) {
    codes <- match(as.character(response), frame$classes)
    return(if (frame$factors == "tokens") matrix(codes - 1) else one_hot(codes, frame$classes))
  }
  if (!is.numeric(response) && !is.logical(response)) {
    stop("the target should be numbers, a factor or texts, it is of class ", class(response)[1], call. = FALSE)
  }
  y <- as.matrix(response) + 0
  dimnames(y) <- list(NULL, colnames(y))
  y
}

one_hot <- function(codes, levels) {
  columns <- outer(codes, seq_along(levels), "==") + 0
  colnames(columns) <- levels
  columns
}

# Inputs as a matrix: numbers as they are, factors in columns of levels or as tokens.
input_columns <- function(table, frame) {
  terms <- stats::delete.response(frame$terms)
  if (length(attr(terms, "term.labels")) == 0L) stop("the formula names no input on its right side", call. = FALSE)
  if (length(attr(terms, "offset")) > 0L) {
    stop("a network has no offset(): take it from the target before, or let it be an input", call. = FALSE)
  }
  for (name in names(table)) {
    if (is.logical(table[[name]])) table[[name]] <- as.numeric(table[[name]])
    if (name %in% names(frame$levels)) table[[name]] <- as_level(table[[name]], frame$levels[[name]], name)
    if (is.factor(table[[name]]) && frame$factors == "tokens") table[[name]] <- as.numeric(table[[name]])
  }
  labels <- Filter(is.factor, as.list(table[intersect(names(table), rownames(attr(terms, "factors")))]))
  all_levels <- lapply(labels, function(x) stats::contrasts(x, contrasts = FALSE))
  attr(terms, "intercept") <- 1L # without it the first factor would be treated in another way
  attr(table, "terms") <- terms # so that nothing is evaluated again: the columns are those of the terms by now
  matrix <- stats::model.matrix(terms, table, contrasts.arg = all_levels)
  inputs <- matrix[, colnames(matrix) != "(Intercept)", drop = FALSE]
  structure(unname(inputs), dimnames = list(NULL, colnames(inputs)))
}

as_level <- function(x, levels, name) {
  unknown <- setdiff(as.character(x), c(levels, NA))
  if (length(unknown) > 0) {
    stop("`", name, "` has the level \"", unknown[1], "\", which the model was not trained with; it knows ",
      paste0("\"", levels, "\"", collapse = ", "),
      call. = FALSE
    )
  }
  factor(as.character(x), levels)
}

as_na_action <- function(na.action) {
  if (is.null(na.action)) return(stats::na.fail)
  if (is.character(na.action)) na.action <- get0(na.action[1], asNamespace("stats"), mode = "function")
  if (is.function(na.action)) return(na.action)
  stop("`na.action` should be na.fail, na.omit or na.pass", call. = FALSE)
}

is_na_pass <- function(na.action) is.function(na.action) && identical(body(na.action), body(stats::na.pass))

# Which rows have no entry, for something in them is missing; says so, or stops.
absent_rows <- function(columns, na.action, exact) {
  missing <- is.na(columns)
  absent <- rowSums(missing) > 0
  if (!any(absent)) return(absent)
  names <- colnames(columns)
  names[!nzchar(names)] <- "the target"
  counts <- colSums(missing)
  what <- paste0(names[counts > 0], " in ", counts[counts > 0], " of ", nrow(columns), " rows", collapse = ", ")
  text <- paste0("values are missing: ", what, "; the first in row ", which(absent)[1])
  if (is_na_pass(na.action)) {
    if (!exact) {
      stop(text, ". na.action = na.pass needs exact = TRUE: the arithmetic of rnn knows no missing steps",
        call. = FALSE
      )
    }
    message(text, ". These steps have no entry")
  } else if (identical(body(na.action), body(stats::na.omit)) || identical(body(na.action), body(stats::na.exclude))) {
    message(text, ". These rows are left out")
  } else {
    stop(text, ". Fill them in, or give na.action = na.omit (leaves the rows out), or with exact = TRUE ",
      "na.action = na.pass (keeps their place in time)",
      call. = FALSE
    )
  }
  absent
}

# Which row of the data is which step of which sample: a matrix (samples, steps), NA after a sample's end.
places_of <- function(frame, data, left_out = logical(nrow(data))) {
  environment <- environment(frame$terms)
  value <- function(expression, argument) {
    need_columns(all.vars(expression), data, environment, paste0("`", argument, "` names"))
    x <- eval(expression, data, environment)
    if (is.character(x) && length(x) == 1L && x %in% names(data)) {
      stop("`", argument, "` is the text \"", x, "\": the column is written without quotes, ", argument, " = ", x,
        call. = FALSE
      )
    }
    if (length(x) != nrow(data)) {
      stop("`", argument, "` has ", length(x), " values for the ", nrow(data), " rows of `data`", call. = FALSE)
    }
    if (anyNA(x)) stop("`", argument, "` is missing in row ", which(is.na(x))[1], call. = FALSE)
    x
  }
  sample <- if (is.null(frame$sample)) rep("all rows", nrow(data)) else value(frame$sample, "sample")
  time <- if (!is.null(frame$time)) value(frame$time, "time")
  if (is_label(time)) {
    stop("`time` should be numbers, dates or times by which rows are ordered, it is of class ", class(time)[1],
      call. = FALSE
    )
  }
  rows <- split(which(!left_out), as.character(sample)[!left_out])
  rows <- rows[unique(as.character(sample)[!left_out])]
  if (!is.null(time)) {
    rows <- lapply(rows, function(row) row[order(time[row])])
    stop_on_twice(rows, time)
    say_gaps(rows, time)
  }
  steps <- max(lengths(rows))
  places <- t(vapply(rows, function(row) row[seq_len(steps)], integer(steps)))
  if (steps == 1L) places <- matrix(unlist(rows), ncol = 1, dimnames = list(names(rows), NULL))
  places
}

stop_on_twice <- function(rows, time) {
  for (name in names(rows)) {
    twice <- anyDuplicated(time[rows[[name]]])
    if (twice > 0) {
      row <- rows[[name]][twice]
      stop("the time ", format(time[row]), " is there twice in the sample ", name, " (row ", row, "): give `sample`, ",
        "or drop one of them",
        call. = FALSE
      )
    }
  }
}

# Says where a step of time is much longer than the usual one: the network sees the next row as the next step.
say_gaps <- function(rows, time) {
  steps <- lapply(rows, function(row) diff(as.numeric(time[row])))
  usual <- stats::median(unlist(steps))
  long <- lapply(steps, function(step) which(step > 1.5 * usual))
  count <- sum(lengths(long))
  if (count == 0) return(invisible())
  first <- names(rows)[lengths(long) > 0][1]
  row <- rows[[first]][long[[first]][1]]
  message("time is left out in ", count, if (count == 1) " place" else " places",
    ", the first after ", format(time[row]),
    if (length(rows) > 1) paste0(" in the sample ", first), ": for the network the next row is the next step"
  )
}

stop_unequal <- function(places) {
  steps <- rowSums(!is.na(places))
  short <- which.min(steps)
  long <- which.max(steps)
  stop("the samples are of unequal length: ", rownames(places)[long], " has ", steps[long], " rows, ",
    rownames(places)[short], " has ", steps[short], ". The arithmetic of rnn wants the same number for all; ",
    "exact = TRUE trains on unequal lengths",
    call. = FALSE
  )
}

# The samples that `validation` holds out: a share of the last ones.
held_out <- function(samples, validation) {
  share <- if (is.numeric(validation) && length(validation) == 1L) validation else 0
  seq_len(samples) > samples - round(samples * share)
}

# The scale of inputs and outputs, by the samples that are trained on.
scale_of_training <- function(X, Y, frame, given, exact) {
  used <- as.vector(frame$rows[!held_out(nrow(frame$rows), given$validation), ])
  deviation <- exact && identical(given$output, "linear")
  c(
    scale_of(X[used, , drop = FALSE], deviation, "input", frame$factors == "tokens"),
    scale_of(Y[used, , drop = FALSE], deviation, "output", !is.null(frame$classes))
  )
}

# Center and scale of each column: by deviation, or by range to 0.1 to 0.9. Columns of zeros and ones, and labels, stay
# as they are.
scale_of <- function(columns, deviation, side, label = FALSE) {
  one <- function(x) {
    x <- x[!is.na(x)]
    if (label || length(x) == 0 || all(x %in% 0:1)) return(c(0, 1))
    reach <- diff(range(x))
    if (reach <= 8 * .Machine$double.eps * max(abs(x))) return(c(if (deviation) x[1] else x[1] - 0.1, 1))
    if (deviation) c(mean(x), stats::sd(x)) else c(min(x) - reach / 8, reach / 0.8)
  }
  scale <- apply(columns, 2, one)
  structure(list(scale[1, ], scale[2, ]), names = paste0(side, c("_center", "_scale")))
}

scaled <- function(columns, center, scale) {
  if (is.null(center)) return(columns)
  (columns - rep(center, each = nrow(columns))) / rep(scale, each = nrow(columns))
}

# Columns of rows as an array (samples, steps, variables).
placed <- function(columns, places) {
  array(columns[as.vector(places), ], c(dim(places), ncol(columns)))
}

# The inputs that a model of a formula takes from other data: `X`, a row for each of the data's; which of them are
# `absent`, for something is missing; `places`, see places_of().
inputs_of <- function(object, newdata) {
  frame <- attr(object, "frame")
  data <- as_long(newdata)
  terms <- stats::delete.response(frame$terms)
  need_columns(all.vars(terms), data, environment(terms), "the model's formula names")
  table <- stats::model.frame(terms, data, na.action = stats::na.pass)
  X <- input_columns(table, frame)
  absent <- rowSums(is.na(X)) > 0
  if (any(absent) && !identical(object[["mask"]], "nan")) {
    stop("newdata has missing values, the first in row ", which(absent)[1], ": fill them in; only a model trained ",
      "with na.action = na.pass takes them",
      call. = FALSE
    )
  }
  X[absent, ] <- NaN
  list(X = X, absent = absent, places = places_of(frame, data))
}

# Predictions for the rows of a data frame: a vector, or a matrix for several targets.
predict_rows <- function(object, newdata, type, connection) {
  inputs <- inputs_of(object, newdata)
  predicted <- matrix(NA_real_, nrow(inputs$X), object$output_dim)
  steps <- rowSums(!is.na(inputs$places))
  for (length in unique(steps)) { # samples of equal length together
    rows <- inputs$places[steps == length, seq_len(length), drop = FALSE]
    y <- predictr(object, placed(inputs$X, rows), real_output = FALSE, connection = connection)
    predicted[as.vector(rows), ] <- matrix(y, ncol = object$output_dim)
  }
  predicted[inputs$absent, ] <- NA
  in_rows(predicted, attr(object, "frame"), type)
}

# The inputs of a data frame as an array, for what has no place in its rows: states.
input_array <- function(object, newdata) {
  inputs <- inputs_of(object, newdata)
  if (anyNA(inputs$places) && !is_exact(object)) stop_unequal(inputs$places)
  placed(inputs$X, inputs$places)
}

# As the caller of a formula knows it: a vector for one target, a factor for `type = "class"`.
in_rows <- function(values, frame, type = "response") {
  if (!is.null(frame$classes) && ncol(values) == length(frame$classes)) {
    colnames(values) <- frame$classes
    if (type == "class") {
      known <- !is.na(values[, 1])
      codes <- rep(NA_integer_, nrow(values))
      codes[known] <- max.col(values[known, , drop = FALSE], "first")
      return(factor(frame$classes[codes], frame$classes))
    }
  } else if (type == "class") {
    stop_no_class()
  }
  if (ncol(values) == 1L) values[, 1] else values
}

stop_no_class <- function() {
  stop("type = \"class\" is for a model of a formula whose target is a factor", call. = FALSE)
}

# An array (samples, steps, variables) by the rows that it came from.
by_row <- function(array, places, variables) {
  values <- matrix(NA_real_, max(places, na.rm = TRUE), variables)
  there <- !is.na(places)
  values[places[there], ] <- matrix(array, ncol = variables)[as.vector(there), ]
  values
}
