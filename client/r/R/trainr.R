#' Train a recurrent network on the server
#'
#' The function of the package \code{rnn}, with its arguments and its results, to the last bit. The caller's random
#' stream is used and advanced exactly as if the training had been done here: after \code{set.seed(1)} the weights, and
#' the next \code{runif(1)}, are those of \code{rnn::trainr}.
#'
#' Interrupting R (Ctrl-C) cancels the training on the server and returns the model of the last whole epoch, with a
#' warning of class \code{rnnremote_interrupted}. A training that diverges is an error of class
#' \code{rnnremote_diverged}, whose condition holds the last finite \code{model} and the \code{epoch}; its message says
#' how to fetch the model where nobody has caught it. When the connection is lost, the call goes on by itself as soon as
#' the server is back.
#'
#' @param Y Target values, an array (samples, time, variables), or a matrix (samples, time) of one variable. Between 0
#'   and 1, for the output is logistic. Or a formula, such as \code{temp ~ wind + rain}: see
#'   \code{\link{trainr-formula}}.
#' @param X Input values, an array (samples, time, variables), or a matrix (samples, time) of one variable.
#' @param model A model to train further: the result of an earlier training, here or with \code{rnn}, or the name of a
#'   model on the server, such as \code{"models/adder"}. All options except X, Y and \code{seq_to_seq_unsync} are then
#'   the model's own.
#' @param learningrate Step width.
#' @param learningrate_decay Factor by which \code{\link{epoch_annealing}} multiplies the learning rate.
#' @param momentum Part of each update that is kept for the next.
#' @param hidden_dim Units of each hidden layer.
#' @param network_type \code{"rnn"}, \code{"gru"} or \code{"lstm"}; with \code{exact = TRUE} also others.
#' @param numepochs Number of passes over the data.
#' @param sigmoid \code{"logistic"}, \code{"Gompertz"} or \code{"tanh"}.
#' @param use_bias Whether units have a bias.
#' @param batch_size Mean number of samples in a group.
#' @param seq_to_seq_unsync Whether the output starts only where the input ends.
#' @param update_rule \code{"sgd"} or \code{"adagrad"}; with \code{exact = TRUE} also others.
#' @param epoch_function Functions that run after each epoch, see \code{\link{epoch_print}}. They may be your own.
#' @param loss_function \code{\link{loss_L1}}, or (also as \code{loss}) with \code{exact = TRUE} the name of one of the
#'   server's. A function of your own cannot run on the server and is refused.
#' @param ... Further arguments: \code{clipping}, those that \code{\link{exact}} tells of (among them
#'   \code{\link{layers}}, \code{loss}, \code{validation}, \code{metrics}), and what your epoch functions want to find
#'   in the model.
#' @param exact Trains with true gradients instead of the arithmetic of \code{rnn}, see \code{\link{exact}}.
#' @param keep_store Brings back what \code{rnn} keeps in its model for every training sample (\code{store},
#'   \code{store_best}, \code{last_layer_error}, \code{last_layer_delta}). \code{FALSE} saves time and memory with large
#'   data; predicting and further training do not need them. With \code{exact = TRUE} there is no such thing.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return The model, the very list that \code{rnn::trainr} returns, with the attribute \code{error}, the mean error of
#'   each epoch, and a class for \code{print}, \code{summary}, \code{plot}, \code{predict} and others: see
#'   \code{\link{trainr-methods}}.
#' @examples
#' \dontrun{
#' X1 <- sample(0:127, 5000, replace = TRUE)
#' X2 <- sample(0:127, 5000, replace = TRUE)
#' X <- array(c(int2bin(X1), int2bin(X2)), dim = c(5000, 8, 2))
#' Y <- int2bin(X1 + X2)
#' model <- trainr(Y = Y, X = X, learningrate = 1, hidden_dim = 16, numepochs = 10)
#' plot(colMeans(model$error), type = "l")
#'
#' # What is left of a training that diverges
#' model <- tryCatch(
#'   trainr(Y, X, learningrate = 100, exact = TRUE, output = "linear", numepochs = 10),
#'   rnnremote_diverged = function(error) error$model
#' )
#' }
#' @export
trainr <- function(Y, X, model = NULL, learningrate, learningrate_decay = 1, momentum = 0, hidden_dim = c(10),
                   network_type = "rnn", numepochs = 1, sigmoid = c("logistic", "Gompertz", "tanh"), use_bias = FALSE,
                   batch_size = 1, seq_to_seq_unsync = FALSE, update_rule = "sgd",
                   epoch_function = c(epoch_print, epoch_annealing), loss_function = loss_L1, ...,
                   exact = FALSE, keep_store = TRUE, connection = NULL) {
  made <- match.call()
  if (!missing(Y) && inherits(Y, "formula")) {
    made$Y <- Y
    made <- with_columns(made, substitute(list(...)))
  }
  call <- made
  call[[1]] <- training_plan
  plan <- eval(call, parent.frame())
  plan$made <- made_by(made, plan)
  plan$training$random_state <- encode_random_state()
  plan$training$pause_each_epoch <- needs_pauses(plan$local$epoch_function)
  run_training(plan)
}

# What to train, from trainr's arguments: see plan.R.
training_plan <- function() {
  stop_missing(missing(Y), missing(X) && !inherits(Y, "formula"), missing(learningrate) && is.null(model))
  connection <- use_connection(connection)
  if (inherits(Y, "formula")) {
    said <- as.list(substitute(list(...)))[-1]
    values <- further_values(said, function(i) ...elt(i))
    table <- formula_arrays(Y, if (!missing(X)) X, said, values, exact, model)
    Y <- table$Y
    X <- table$X
  } else {
    table <- list(further = list(...))
  }
  plan <- if (is.null(model)) {
    new_plan(Y, X, list(
      learningrate = learningrate, learningrate_decay = learningrate_decay, momentum = momentum,
      hidden_dim = hidden_dim, network_type = network_type, numepochs = numepochs,
      sigmoid = if (isTRUE(exact)) sigmoid[1] else match.arg(sigmoid),
      batch_size = batch_size, update_rule = update_rule, use_bias = use_bias, seq_to_seq_unsync = seq_to_seq_unsync,
      epoch_function = epoch_function, loss_function = loss_function
    ), table$further, exact, keep_store, connection)
  } else {
    retrain_plan(Y, X, model, table$further, seq_to_seq_unsync, keep_store, connection)
  }
  plan$connection <- connection
  plan$frame <- table$frame
  plan$training <- training_message(plan, connection)
  plan
}
formals(training_plan) <- formals(trainr)

stop_missing <- function(Y, X, learningrate) {
  if (Y) {
    stop("`Y` is missing: the targets, an array (samples, time, variables); or a formula such as temp ~ wind, ",
      "which stands first and has no name",
      call. = FALSE
    )
  }
  if (X) stop("`X` is missing: the inputs, an array (samples, time, variables)", call. = FALSE)
  if (learningrate) {
    stop("`learningrate` is missing: the step width, such as learningrate = 0.1", call. = FALSE)
  }
}
