#' Functions for after each epoch, and the loss
#'
#' \code{trainr(epoch_function = )} takes a function, or a list or vector \code{c()} of functions, each of which gets the
#' model after every epoch and returns it. They run here in R, on the real model: what they change in it (weights,
#' learning rate, fields of their own) changes the training. The two of this package and of \code{rnn} need no round
#' trip: with them the training runs through.
#'
#' @param model The model.
#' @return The model. \code{epoch_print} has printed the epoch, the learning rate and the epoch's mean error;
#'   \code{epoch_annealing} has multiplied the learning rate by \code{learningrate_decay}; \code{loss_L1} has multiplied
#'   the pending updates by the learning rate.
#' @export
epoch_print <- function(model) {
  message("Trained epoch: ", model$current_epoch, " - Learning rate: ", model$learningrate)
  message("Epoch error: ", colMeans(model$error)[model$current_epoch])
  model
}

#' @rdname epoch_print
#' @export
epoch_annealing <- function(model) {
  model$learningrate <- model$learningrate * model$learningrate_decay
  model
}

#' @rdname epoch_print
#' @export
loss_L1 <- function(model) {
  model$time_synapse_update <- lapply(model$time_synapse_update, "*", model$learningrate)
  model$recurrent_synapse_update <- lapply(model$recurrent_synapse_update, "*", model$learningrate)
  model$bias_synapse_update <- lapply(model$bias_synapse_update, "*", model$learningrate)
  model
}

# The name of a function that the server has as well, or NULL. Functions of rnn count, and so do copies of either that
# were saved with a model.
known_function <- function(f) {
  for (package in c("rnnremote", if (isNamespaceLoaded("rnn")) "rnn")) {
    for (name in c("epoch_print", "epoch_annealing", "loss_L1")) {
      own <- getExportedValue(package, name)
      if (identical(formals(f), formals(own)) && identical(body(f), body(own), ignore.srcref = TRUE)) return(name)
    }
  }
  NULL
}

# The function of that name, for models that come from the server.
function_named <- function(name) {
  switch(name,
    epoch_print = epoch_print,
    epoch_annealing = epoch_annealing,
    loss_L1 = loss_L1,
    # A function of somebody else's: it says so when it is called.
    eval(bquote(function(model) stop("the function ", .(name), " did not come with the model", call. = FALSE)))
  )
}
