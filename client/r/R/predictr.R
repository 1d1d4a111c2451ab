#' Predict on the server
#'
#' The function of the package \code{rnn}, with its arguments and its results. With \code{use_bias} a sample's
#' prediction depends, as in \code{rnn}, on the samples it is predicted with; requests are therefore never split or
#' merged.
#'
#' @param model A model of \code{\link{trainr}}, of \code{rnn::trainr}, or the name of one on the server such as
#'   \code{"models/adder@@prod"}.
#' @param X Input values, an array (samples, time, variables), or a matrix (samples, time) of one variable.
#' @param hidden Returns the states of every layer, as a list, instead of the output.
#' @param real_output With one output variable the result is a matrix (samples, time); \code{FALSE} keeps it an array.
#' @param ... Further options for models of \code{exact = TRUE}: \code{mask}, and \code{return_state} and \code{state}
#'   to predict piece by piece.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return The predictions: a matrix (samples, time) or an array (samples, time, variables); with \code{hidden} a list.
#'   With \code{return_state = TRUE} a list of \code{prediction} and \code{state}.
#' @examples
#' \dontrun{
#' predictr(model, X)
#' predictr("models/adder@@prod", X)
#' states <- predictr(model, X, hidden = TRUE)
#' }
#' @export
predictr <- function(model, X, hidden = FALSE, real_output = TRUE, ..., connection = NULL) {
  connection <- use_connection(connection)
  X <- as_samples(X, "X")
  hidden <- as_flag(hidden, "hidden")
  real_output <- as_flag(real_output, "real_output")
  who <- encode_computing(model, connection, unneeded_fields(model))
  long <- !inherits(X, "rnnremote_dataset") && 8 * length(X) > server_info(connection)$inline_bytes
  if (long && !hidden && real_output && ...length() == 0) return(predict_stream(connection, who, X))
  sent <- function(x) send_array(connection, x)
  request <- do.call(new_message, c(list("PredictRequest"), who, list(
    x = sent(X), hidden = hidden, keep_output_dim = !real_output, extra = encode_options(list(...), sent)
  )))
  response <- with_patience(function() {
    unary_call(connection, "PredictionService/Predict", request, "PredictResponse")
  })
  predicted <- if (length(response$store) == 0) {
    decode_array(response$prediction)
  } else {
    store <- lapply(response$store, decode_array)
    output <- length(store)
    if (real_output && dim(store[[output]])[3] == 1L) store[[output]] <- matrix(store[[output]], dim(X)[1]) # as in rnn
    store
  }
  more <- decode_options(response$extra)
  if (length(more) > 0) c(list(prediction = predicted), more) else predicted
}

# The fields that prediction does not need: what is as large as the training data, what update rules keep.
unneeded_fields <- function(model) {
  if (is.character(model)) return(NULL)
  of_rules <- are_weights(names(model)) & grepl("_(synapse|weights)_|^attention_[a-z]+_", names(model))
  c(training_sized, "error", names(model)[of_rules])
}

# A prediction for many samples, in pieces both ways.
predict_stream <- function(connection, who, X) {
  samples <- dim(X)[1]
  rows <- max(1, server_info(connection)$chunk_bytes %/% (8 * length(X) / samples))
  requests <- function() {
    position <- 0
    function() {
      if (position >= samples) return(NULL)
      first <- if (position == 0) c(who, list(samples = samples))
      end <- min(position + rows, samples)
      piece <- X[(position + 1):end, , , drop = FALSE]
      position <<- end
      to_bytes(do.call(new_message, c(list("PredictStreamRequest"), first, list(x = encode_array(piece)))))
    }
  }
  pieces <- with_patience(function() {
    pieces <- list()
    grpc_call(connection, "PredictionService/PredictStream", requests(), function(message) {
      pieces[[length(pieces) + 1L]] <<- from_bytes("PredictStreamResponse", message)
    })
    pieces
  })
  arrays <- lapply(pieces, function(piece) decode_array(piece$prediction))
  result <- array(0, c(samples, dim(arrays[[1]])[-1]))
  for (i in seq_along(arrays)) {
    result[pieces[[i]]$offset + seq_len(dim(arrays[[i]])[1]), , ] <- arrays[[i]]
  }
  if (dim(result)[3] == 1L) matrix(result, samples) else result
}
