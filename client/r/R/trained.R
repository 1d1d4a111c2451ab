# The class of trained models: c("trainr", "list"), on top of the very list that rnn returns. What the methods need
# beside it (the call, the training data) are attributes, so that the fields stay those of rnn.

made_attributes <- c("call", "data", "frame")

# The list with its class. `made` is a list of the attributes.
as_trained <- function(model, made = NULL) {
  for (name in made_attributes) attr(model, name) <- NULL
  model <- unclass(model)
  if (isTRUE(getOption("rnnremote.bare_list"))) return(model)
  for (name in names(made)) attr(model, name) <- made[[name]]
  structure(model, class = c("trainr", "list"))
}

# What a plan remembers for the model: the call, without large values in it, and the training data unless they are
# large.
made_by <- function(call, plan) {
  call[[1]] <- quote(trainr)
  call$model_id <- NULL # of train_async
  call[] <- Map(call_entry, as.list(call), c("", names(call)[-1]))
  data <- list(Y = plan$Y, X = plan$X)
  small <- as.numeric(utils::object.size(data)) <= getOption("rnnremote.keep_data", 2^24)
  Filter(Negate(is.null), list(call = call, data = if (small) data, frame = plan$frame))
}

# do.call() puts values into a call. A large one is no help there.
call_entry <- function(entry, name) {
  if (is.language(entry) || is.null(entry) || utils::object.size(entry) <= 500) return(entry)
  size <- if (length(dim(entry)) > 0) paste(dim(entry), collapse = " x ") else paste("length", length(entry))
  as.name(paste0("<", size, ">"))
}

#' Methods for trained models
#'
#' What \code{\link{trainr}} returns is the list that \code{rnn::trainr} returns, with a class on top, so that R's own
#' functions know what to do with it. \code{options(rnnremote.bare_list = TRUE)} leaves class and further attributes
#' away, for those who compare with \code{rnn}.
#'
#' The training data stay with the model up to 16 MB (\code{options(rnnremote.keep_data = <bytes>)}); without them
#' \code{fitted}, \code{residuals} and the plot \code{"fit"} need \code{X} and \code{Y}.
#'
#' @param object,x A trained model.
#' @param newdata Input values like those that the model was trained on: an array (samples, time, variables), a matrix
#'   (samples, time), or for a model of a formula a data frame. Default: the training data.
#' @param hidden Returns the states of every layer, as a list.
#' @param type For a model of a formula whose target is a factor: \code{"class"} gives the factor, \code{"response"} the
#'   probabilities of its levels.
#' @param return_state With \code{exact = TRUE}: a list of \code{prediction} and the \code{state} to go on from.
#' @param X,Y Other data than those of the training.
#' @param which \code{"error"}: the mean error of each epoch, with the loss of the data held out as a broken line;
#'   \code{"fit"}: predicted against actual values, for bits and classes a box for each.
#' @param formula. For a model of a formula: changes to it, as for \code{\link[stats]{update}}.
#' @param evaluate \code{FALSE} returns the changed call.
#' @param ... For \code{update}: arguments of \code{trainr} to change. For \code{predict}: as for
#'   \code{\link{predictr}}. For \code{plot}: of the base function.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return \code{predict}: as \code{\link{predictr}}, or for a model of a formula one value (or row) for each row of the
#'   data. \code{fitted}, \code{residuals}: the same for the training data. \code{coef}: the weights, a list.
#'   \code{nobs}: the number of training samples. \code{summary}: a list of class \code{summary.trainr} with
#'   \code{layers} (a data frame), \code{parameters}, \code{error} and \code{metrics}. \code{update}: a model, newly
#'   trained.
#' @examples
#' \dontrun{
#' model <- trainr(Y, X, learningrate = 0.1, hidden_dim = 16, numepochs = 20)
#' model
#' summary(model)
#' plot(model)
#' plot(model, "fit")
#' wider <- update(model, hidden_dim = 32)
#' predict(wider, X[1:5, , ])
#' }
#' @importFrom graphics plot
#' @importFrom stats coef fitted nobs predict residuals update
#' @name trainr-methods
NULL

#' @rdname trainr-methods
#' @export
print.trainr <- function(x, ...) {
  width <- getOption("width")
  say <- function(...) cat(cut_off(paste0(...), width), "\n", sep = "")
  count <- function(n, what) paste0(format(n, big.mark = ","), " ", what, if (n != 1) "s")
  layers <- layer_table(x)
  say(kind_of(x), ", ", if (is_exact(x)) "true gradients" else "the arithmetic of rnn")
  say(
    paste(c(count(x$input_dim, "input"), units_text(x), count(x$output_dim, "output")), collapse = ", "),
    "; ", count(sum(layers$parameters), "parameter")
  )
  if (!is.null(x$error)) say(count(NROW(x$error), "sample"), " of ", count(x$time_dim, "step"), ", ", training_text(x))
  if (!is.null(x$error)) say(error_text(x))
  call <- attr(x, "call")
  if (!is.null(call)) say(call_text(call))
  invisible(x)
}

cut_off <- function(text, width) {
  if (nchar(text, "width") <= width) text else paste0(strtrim(text, width - 3), "...")
}

call_text <- function(call) paste(trimws(deparse(call, nlines = 5)), collapse = " ")

kind_of <- function(model) {
  type <- model[["network_type"]]
  if (identical(type, "layers")) return("list of layers")
  paste0(if (isTRUE(model[["bidirectional"]])) "bidirectional ", type, " network")
}

units_text <- function(model) {
  if (length(model[["hidden_dim"]]) == 0) return(paste(length(model[["layers"]]), "layers"))
  paste(paste(model$hidden_dim, collapse = " + "), if (sum(model$hidden_dim) == 1) "unit" else "units")
}

training_text <- function(model) {
  epochs <- length(mean_error(model))
  rate <- format(model[["learningrate"]], digits = 4)
  paste0(
    epochs, if (epochs == 1) " epoch" else " epochs", " of ", model[["update_rule"]],
    ", learningrate ", rate, ", batch_size ", model[["batch_size"]]
  )
}

# The mean error of each epoch that has been trained.
mean_error <- function(model) {
  error <- as.matrix(model$error)
  colMeans(error[, seq_len(min(ncol(error), model$current_epoch)), drop = FALSE])
}

error_text <- function(model) {
  error <- mean_error(model)
  said <- function(x) format(x, digits = 4)
  text <- paste0("mean error ", said(error[length(error)]), " (first epoch ", said(error[1]), ")")
  if (isTRUE(model[["validated"]])) {
    loss <- format(model[["best_validation_loss"]], digits = 4)
    text <- paste0(text, "; held out: ", loss, ", epoch ", model[["best_epoch"]])
  }
  text
}

#' @rdname trainr-methods
#' @export
summary.trainr <- function(object, ...) {
  layers <- layer_table(object)
  structure(class = "summary.trainr", list(
    kind = kind_of(object), exact = is_exact(object), layers = layers, parameters = sum(layers$parameters),
    samples = NROW(object$error), training = if (!is.null(object$error)) training_text(object),
    error = if (!is.null(object$error)) mean_error(object), validation_loss = object[["validation_loss"]],
    metrics = metrics_of(object), call = attr(object, "call")
  ))
}

# The metrics after the last epoch: a data frame with a row for each, `training` and `held_out`; NULL without metrics.
metrics_of <- function(model) {
  names <- as.character(unlist(model[["metrics"]]))
  if (length(names) == 0L) return(NULL)
  last <- function(part) {
    vapply(names, function(name) {
      values <- model[[paste0(part, "_", name)]]
      if (length(values) == 0L) NA_real_ else values[length(values)]
    }, 0)
  }
  data.frame(metric = names, training = last("training"), held_out = last("validation"), row.names = NULL)
}

#' @export
print.summary.trainr <- function(x, ...) {
  if (!is.null(x$call)) cat("Call:", deparse(x$call, nlines = 5), "", sep = "\n")
  table <- data.frame(x$layers$layer, x$layers$output, format(x$layers$parameters, big.mark = ","))
  names(table) <- c("Layer (type)", "Output Shape", "Param #")
  aligned <- function(name, column, justify) format(c(name, column), justify = justify)
  columns <- Map(aligned, names(table), table, c("left", "left", "right"))
  lines <- do.call(paste, c(unname(columns), sep = "  "))
  rule <- strrep("-", max(nchar(lines)))
  cat("Model: ", x$kind, if (x$exact) ", true gradients" else ", the arithmetic of rnn", "\n", sep = "")
  cat(rule, lines[1], rule, lines[-1], rule, sep = "\n")
  cat("Total params: ", format(x$parameters, big.mark = ","), "\n", sep = "")
  if (!is.null(x$error)) {
    cat("\n", format(x$samples, big.mark = ","), " samples, ", x$training, "\n", sep = "")
    cat("Mean error by epoch:\n")
    print(summary(x$error))
  }
  if (!is.null(x$validation_loss)) {
    reach <- paste(format(range(x$validation_loss), digits = 4), collapse = " to ")
    cat("Loss of the data held out: ", reach, "\n", sep = "")
  }
  for (i in seq_len(NROW(x$metrics))) {
    values <- format(unlist(x$metrics[i, -1]), digits = 4)
    cat(x$metrics$metric[i], " after the last epoch: ", values[1], sep = "")
    cat(if (!is.na(x$metrics$held_out[i])) paste(", of the data held out", values[2]), "\n", sep = "")
  }
  invisible(x)
}

# A row for each layer: `layer`, `output` (its shape), `parameters`.
layer_table <- function(model) {
  if (!is.null(model[["layers"]])) return(listed_layers(model))
  weights <- weights_of(model)
  units <- c(model$hidden_dim, model$output_dim)
  counts <- vapply(seq_along(units), function(i) {
    sum(vapply(weights, function(arrays) if (i <= length(arrays)) length(arrays[[i]]) else 0L, 0L))
  }, 0)
  attention <- sum(lengths(model[grepl("^attention_(query|key|score)$", names(model))]))
  names <- c(paste0(model$network_type, "_", seq_along(model$hidden_dim)), "output")
  table <- data.frame(layer = names, output = shape_text(model$time_dim, units), parameters = counts)
  if (attention > 0) table <- rbind(table, data.frame(layer = "attention", output = "", parameters = attention))
  table
}

# The layers of a model of `layers = list(...)`: their weights are in the fields "<name>_weights", in the order of
# layers.
listed_layers <- function(model) {
  kinds <- vapply(model$layers, function(layer) layer$kind, "")
  snake <- layer_name(kinds)
  seen <- ave(seq_along(snake), snake, FUN = seq_along) - 1
  names <- ifelse(seen > 0, paste0(snake, "_", seen), snake)
  counts <- vapply(names, function(name) sum(lengths(model[[paste0(name, "_weights")]])), 0)
  shapes <- output_shapes(model$layers, c(model$time_dim, model$input_dim))
  data.frame(
    layer = paste0(names, " (", kinds, ")"), output = shape_text(shapes[, 1], shapes[, 2]), parameters = unname(counts)
  )
}

# Of any number of samples, as Keras has it.
shape_text <- function(steps, variables) paste0("(None, ", steps, ", ", variables, ")")

# The weights of a model, without what update rules keep beside them.
weights_of <- function(model) {
  synapses <- "^(reverse_)?(time|recurrent|bias|peephole|projection)_synapse$"
  own <- grepl(paste0(synapses, "|^attention_(query|key|score)$|_weights$"), names(model))
  unused <- grepl("bias_synapse", names(model)) & isFALSE(as.logical(model[["use_bias"]]))
  unclass(model)[own & !unused]
}

#' @rdname trainr-methods
#' @export
coef.trainr <- function(object, ...) weights_of(object)

#' @rdname trainr-methods
#' @export
nobs.trainr <- function(object, ...) NROW(object$error)

#' @rdname trainr-methods
#' @export
predict.trainr <- function(object, newdata, hidden = FALSE, return_state = FALSE, type = c("response", "class"), ...,
                           connection = NULL) {
  type <- match.arg(type)
  frame <- attr(object, "frame")
  if (type == "class" && is.null(frame)) stop_no_class()
  further <- only_named("predict", list(...), c("real_output", "mask", "state"))
  if (as_flag(return_state, "return_state")) further$return_state <- TRUE
  in_arrays <- is.null(frame) || as_flag(hidden, "hidden") || length(further) > 0 # as predictr has it
  if (in_arrays && type == "class") {
    stop("type = \"class\" cannot go with hidden, return_state, state or mask", call. = FALSE)
  }
  if (missing(newdata)) {
    X <- raw_values(object, training_data(object)$X, "input")
    if (!in_arrays) {
      predicted <- predictr(object, X, real_output = FALSE, connection = connection)
      return(in_rows(by_row(predicted, frame$rows, object$output_dim), frame, type))
    }
  } else if (!is.null(frame) && is_long(newdata)) {
    if (!in_arrays) return(predict_rows(object, newdata, type, connection))
    X <- input_array(object, newdata)
  } else {
    X <- newdata
  }
  do.call(predictr, c(list(object, X, hidden = hidden, connection = connection), further))
}

# Further arguments of a method, which can take these only.
only_named <- function(method, given, known = character()) {
  names <- if (is.null(names(given))) rep("", length(given)) else names(given)
  unknown <- names[!names %in% known]
  if (length(unknown) == 0L) return(given)
  stop(method, "() has no ", if (nzchar(unknown[1])) paste0(
    "argument `", unknown[1], "`"
  ) else "place for another argument",
    call. = FALSE
  )
}

# The training data of a model, which it keeps unless they are large.
training_data <- function(object) {
  data <- attr(object, "data")
  if (!is.null(data)) return(data)
  stop("this model does not keep its training data (they were large, or it comes from elsewhere): give `X`, `Y` or ",
    "`newdata`",
    call. = FALSE
  )
}

# In the units of the caller: a model that keeps its normalisation was trained on scaled numbers, but takes and gives
# raw ones.
raw_values <- function(object, values, side) {
  center <- object[[paste0(side, "_center")]]
  if (is.null(center) || inherits(values, "rnnremote_dataset")) return(values)
  scale <- object[[paste0(side, "_scale")]]
  over <- function(x) rep(x, each = length(values) / length(x))
  array(values * over(scale) + over(center), dim(values))
}

#' @rdname trainr-methods
#' @export
fitted.trainr <- function(object, X, ..., connection = NULL) {
  if (missing(X)) predict(object, ..., connection = connection) else predict(object, X, ..., connection = connection)
}

#' @rdname trainr-methods
#' @export
residuals.trainr <- function(object, X, Y, ..., connection = NULL) {
  only_named("residuals", list(...))
  if (missing(X) != missing(Y)) stop("give both `X` and `Y`, or neither for the training data", call. = FALSE)
  if (!missing(X)) {
    actual <- by_class(object, as_samples(Y, "Y"))
    return(laid_out(actual) - laid_out(fitted(object, X, connection = connection)))
  }
  actual <- actual_values(object)
  frame <- attr(object, "frame")
  if (!is.null(frame)) actual <- in_rows(by_row(actual, frame$rows, dim(actual)[3]), frame)
  laid_out(actual) - laid_out(fitted(object, connection = connection))
}

# The targets of the training, an array like the predictions, in the units of the caller.
actual_values <- function(object) by_class(object, raw_values(object, training_data(object)$Y, "output"))

# Targets that are the numbers of classes, from 0, as an array of their probabilities: zeros and ones.
by_class <- function(object, Y) {
  if (inherits(Y, "rnnremote_dataset")) {
    stop("the targets are a data set at the server, not here: give `X` and `Y` as arrays", call. = FALSE)
  }
  if (!identical(object[["loss"]], "sparse_categorical_crossentropy")) return(Y)
  classes <- as.integer(object$output_dim)
  array(one_hot(as.vector(Y) + 1, seq_len(classes)), c(dim(Y)[1:2], classes))
}

# One variable as a matrix (samples, time), as predictr gives it.
laid_out <- function(x) if (length(dim(x)) == 3L && dim(x)[3] == 1L) array(x, dim(x)[1:2]) else x

#' @rdname trainr-methods
#' @export
update.trainr <- function(object, formula., ..., evaluate = TRUE) {
  call <- attr(object, "call")
  if (is.null(call)) {
    stop("this model does not know the call that made it; call trainr() with what is to change", call. = FALSE)
  }
  changes <- match.call(expand.dots = FALSE)$...
  if (!missing(formula.)) call$Y <- stats::update(stats::formula(object), formula.)
  for (name in names(changes)) call[[name]] <- changes[[name]]
  if (evaluate) eval(call, parent.frame()) else call
}

#' @importFrom stats formula
#' @export
formula.trainr <- function(x, ...) {
  frame <- attr(x, "frame")
  if (is.null(frame)) stop("this model was trained on arrays, not by a formula", call. = FALSE)
  stats::formula(frame$terms)
}

#' @rdname trainr-methods
#' @export
plot.trainr <- function(x, which = c("error", "fit"), ...) {
  which <- match.arg(which)
  given <- list(...)
  if (which == "error") {
    error <- mean_error(x)
    kind <- if (length(error) == 1L) "p" else "l"
    draw(graphics::plot, given, list(x = seq_along(error), y = error, type = kind, xlab = "epoch", ylab = "error"))
    plot_validation(x, error)
  } else {
    plot_fit(as.vector(actual_values(x)), as.vector(stats::fitted(unframed(x))), given)
  }
  invisible(x)
}

# Numbers as points; zeros and ones, of bits or classes, as a box for each.
plot_fit <- function(actual, predicted, given) {
  if (all(actual %in% c(0, 1, NA))) {
    draw(graphics::boxplot, given, list(x = split(predicted, actual), xlab = "actual", ylab = "predicted"))
  } else {
    draw(graphics::plot, given, list(x = actual, y = predicted, xlab = "actual", ylab = "predicted"))
    graphics::abline(0, 1, lty = 2)
  }
}

# The model as one of arrays, whatever it was made of.
unframed <- function(model) {
  attr(model, "frame") <- NULL
  model
}

# Its scale is another: the loss is a mean of another kind, so it is drawn in the range of the errors.
plot_validation <- function(model, error) {
  loss <- model[["validation_loss"]]
  if (length(loss) < 2 || diff(range(loss)) == 0) return(invisible())
  scaled <- min(error) + (loss - min(loss)) / diff(range(loss)) * diff(range(error))
  graphics::lines(seq_along(loss), scaled, lty = 2)
  graphics::axis(4, at = range(scaled), labels = format(range(loss), digits = 3))
  graphics::legend("topright", c("error", "loss of the data held out (right)"), lty = 1:2, bty = "n")
}
