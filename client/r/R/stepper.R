#' One time step at a time
#'
#' \code{stepper} makes a function of one time step that remembers its state: for values that come one by one. The
#' results are those of \code{\link{predictr}} for the sequence so far, at its last step. A model that keeps its scale
#' takes and gives raw numbers.
#'
#' With \code{exact = TRUE} the server is given the state and one step. A network in the arithmetic of \code{rnn}, where
#' a state cannot be taken out, is given the sequence so far, so that later steps take longer.
#'
#' @param model A model of \code{\link{trainr}}, or the name of one on the server. It should not look at later steps:
#'   networks that are bidirectional, pyramids or with attention are refused.
#' @param samples How many sequences are stepped at once.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return A function: \code{step(x)} takes the inputs of the next step, a vector, or for several sequences a matrix
#'   (samples, inputs), and returns the outputs in the same form. \code{step()} begins anew. \code{stepper_state(step)}
#'   is where it is, and \code{stepper_state(step) <- state} goes on from there.
#' @examples
#' \dontrun{
#' step <- stepper(model)
#' for (i in 1:10) print(step(measurements[i, ]))
#' before <- stepper_state(step)
#' step(c(1, 2))
#' stepper_state(step) <- before
#' }
#' @export
stepper <- function(model, samples = 1, connection = NULL) {
  connection <- use_connection(connection)
  samples <- as_count(samples, "samples")
  fields <- if (is.character(model)) model_fetch(as_model_name(model, "model"), connection) else model
  refuse_whole_sequences(fields)
  inputs <- as.integer(fields$input_dim)
  seen <- list(history = NULL, state = NULL)
  step <- function(x) {
    if (missing(x)) {
      seen <<- list(history = NULL, state = NULL)
      return(invisible())
    }
    if (!is.numeric(x) || length(x) != samples * inputs) {
      stop("`x` should be ", samples * inputs, " numbers",
        if (samples > 1) paste0(", a matrix (", samples, ", ", inputs, ")"),
        call. = FALSE
      )
    }
    x <- array(x, c(samples, 1L, inputs))
    y <- if (is_exact(fields)) {
      arguments <- list(model, x, real_output = FALSE, return_state = TRUE, connection = connection)
      found <- do.call(predictr, c(arguments, list(state = seen$state)["state"[!is.null(seen$state)]]))
      seen$state <<- found$state
      found$prediction
    } else {
      seen$history <<- c(seen$history, list(x))
      sequence <- aperm(array(unlist(seen$history), c(samples, inputs, length(seen$history))), c(1, 3, 2))
      found <- predictr(model, sequence, real_output = FALSE, connection = connection)
      found[, dim(found)[2], , drop = FALSE]
    }
    if (samples == 1L) as.vector(y) else matrix(y, samples)
  }
  structure(step, class = "trainr_stepper")
}

refuse_whole_sequences <- function(model) {
  whole <- c(
    bidirectional = isTRUE(model[["bidirectional"]]), attention = isTRUE(model[["attention"]]),
    pyramid = isTRUE(model[["pyramid"]] > 1), seq_to_seq_unsync = isTRUE(as.logical(model[["seq_to_seq_unsync"]]))
  )
  if (any(whole)) {
    stop("this network needs the whole sequence (", names(whole)[whole][1], "), it cannot go step by step; ",
      "use predictr()",
      call. = FALSE
    )
  }
}

#' @rdname stepper
#' @param step A function of \code{stepper}.
#' @export
stepper_state <- function(step) {
  if (!inherits(step, "trainr_stepper")) stop("`step` should be what stepper() returned", call. = FALSE)
  environment(step)$seen
}

#' @rdname stepper
#' @param value A state of \code{stepper_state}.
#' @export
`stepper_state<-` <- function(step, value) {
  stepper_state(step)
  if (!is.list(value) || !all(c("history", "state") %in% names(value))) {
    stop("`value` should be what stepper_state() returned", call. = FALSE)
  }
  environment(step)$seen <- value
  step
}

#' @export
print.trainr_stepper <- function(x, ...) {
  cat("<network, one step at a time>\n")
  invisible(x)
}
