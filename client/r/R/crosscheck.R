#' Record what rnn computes, to be compared
#'
#' Runs \code{rnn::trainr} and \code{rnn::predictr} here, with the package \code{rnn} of this machine, and writes
#' inputs, seed, initial and final weights, errors, predictions and the random stream afterwards to a file. The command
#' \code{pytrainr crosscheck FILE} replays it and prints, field by field, whether all is identical.
#'
#' @param case A list with the arguments of \code{trainr} (\code{Y}, \code{X}, \code{learningrate} and so on; not
#'   \code{model}, and no functions of your own), and optionally \code{seed} (default 1), \code{name}, \code{X2}
#'   (further samples to predict; default: the first half of X) and \code{retrain} (\code{TRUE}: train, then train
#'   further).
#' @param file Where to write; gzipped if the name ends in \code{.gz}.
#' @return The file's name, invisibly.
#' @examples
#' \dontrun{
#' X <- array(runif(10 * 5 * 2), dim = c(10, 5, 2))
#' Y <- array(runif(10 * 5), dim = c(10, 5, 1))
#' case <- list(seed = 7, Y = Y, X = X, learningrate = 0.1, network_type = "gru")
#' crosscheck_record(case, "mine.json.gz")
#' # then, in a shell: pytrainr crosscheck mine.json.gz
#' }
#' @export
crosscheck_record <- function(case, file) {
  if (!requireNamespace("rnn", quietly = TRUE)) {
    stop("the package rnn, whose results are to be recorded, is not installed here: install.packages(\"rnn\")",
      call. = FALSE
    )
  }
  about <- c("name", "seed", "X2", "retrain", "X", "Y")
  args <- case[setdiff(names(case), about)]
  refused <- names(Filter(is.function, args))
  refused <- c(refused, intersect(names(args), c("model", "epoch_function", "loss_function")))
  if (length(refused) > 0) {
    stop("`", refused[1], "` cannot be recorded: only what has the same meaning outside R can be compared",
      call. = FALSE
    )
  }
  seed <- if (is.null(case$seed)) 1L else case$seed
  retrain <- isTRUE(case$retrain)
  X2 <- if (is.null(case$X2)) first_half(case$X) else case$X2
  record <- list(
    package = paste("rnn", utils::packageVersion("rnn")), R = R.version.string,
    blas = basename(utils::sessionInfo()$BLAS),
    name = if (is.null(case$name)) "case" else case$name, seed = seed, args = lapply(args, recorded_argument),
    retrain = retrain, X = array_record(case$X), Y = array_record(case$Y)
  )
  outcome <- tryCatch(recorded_training(case, args, seed, retrain, X2), error = function(error) {
    list(r_error = conditionMessage(error))
  })
  output <- if (grepl("[.]gz$", file)) gzfile(file, "wb") else file(file, "wb")
  on.exit(close(output))
  writeLines(to_json(c(record, outcome)), output, useBytes = TRUE)
  invisible(file)
}

recorded_argument <- function(x) if (is.numeric(x) && !is.null(dim(x))) array_record(x) else x

first_half <- function(X) {
  rows <- seq_len(max(1, dim(X)[1] %/% 2))
  if (length(dim(X)) == 3) X[rows, , , drop = FALSE] else X[rows, , drop = FALSE]
}

# Everything that is compared, computed by rnn.
recorded_training <- function(case, args, seed, retrain, X2) {
  train <- function(...) suppressMessages(do.call(rnn::trainr, list(...)))
  with_args <- function(changes = list()) {
    do.call(train, c(list(Y = case$Y, X = case$X), utils::modifyList(args, changes)))
  }
  # With a learning rate of 0 nothing changes: the initial weights are left. Without clipping, which would draw numbers.
  set.seed(seed)
  untrained <- with_args(list(learningrate = 0, numepochs = 1, momentum = 0, update_rule = "sgd", clipping = NULL))
  set.seed(seed)
  model <- with_args()
  if (retrain) {
    unsync <- isTRUE(args$seq_to_seq_unsync)
    model <- train(Y = case$Y, X = case$X, model = model, seq_to_seq_unsync = unsync)
  }
  rng_after <- stats::runif(3)
  arrays <- function(list) lapply(unname(list), array_record)
  attempt <- function(action) tryCatch(action, error = function(error) list(r_error = conditionMessage(error)))
  c(
    list(init = recorded_weights(untrained), rng_after = array_record(rng_after), final = recorded_weights(model)),
    lapply(model[c("error", "learningrate", "last_layer_error", "last_layer_delta")], array_record),
    list(mean_error = array_record(attr(model, "error")), has_store_best = !is.null(model$store_best)),
    lapply(model[c("store", "time_synapse_update", "recurrent_synapse_update", "bias_synapse_update")], arrays),
    list(
      predict = attempt(array_record(rnn::predictr(model, case$X))),
      X2 = array_record(X2),
      predict2 = attempt(array_record(rnn::predictr(model, X2))),
      predict2_hidden = attempt(arrays(rnn::predictr(model, X2, hidden = TRUE, real_output = FALSE)))
    )
  )
}

recorded_weights <- function(model) {
  lapply(model[c("time_synapse", "recurrent_synapse", "bias_synapse")], function(field) {
    lapply(unname(field), array_record)
  })
}
