#' Functions for after each epoch, and the loss
#'
#' \code{trainr(epoch_function = )} takes a function, or a list or vector \code{c()} of functions, each of which gets
#' the model after every epoch and returns it. They run here in R, on the real model: what they change in it (weights,
#' learning rate, fields of their own) changes the training, and \code{model$stop_training <- TRUE} ends it with this
#' epoch. The two of this package and of \code{rnn}, and \link[=cosine_schedule]{schedules} of the learning rate, need
#' no round trip: with them the training runs through.
#'
#' @param model The model.
#' @return The model. \code{epoch_print} has printed the epoch, the learning rate and the epoch's mean error;
#'   \code{epoch_annealing} has multiplied the learning rate by \code{learningrate_decay}; \code{loss_L1} has multiplied
#'   the pending updates by the learning rate.
#' @examples
#' halve_every_tenth <- function(model) {
#'   if (model$current_epoch %% 10 == 0) model$learningrate <- model$learningrate / 2
#'   model
#' }
#' \dontrun{
#' model <- trainr(Y, X,
#'   learningrate = 1, numepochs = 30, epoch_function = c(epoch_print, halve_every_tenth)
#' )
#' }
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

# The name of a function that the server has as well, or NULL. Functions of rnn count, whether or not rnn is installed
# here, and so do copies of either that were saved with a model.
known_function <- function(f) {
  if (is_schedule(f)) return(attr(f, "name"))
  for (name in names(rnn_fingerprints)) {
    own <- getExportedValue("rnnremote", name)
    same <- identical(formals(f), formals(own)) && identical(body(f), body(own), ignore.srcref = TRUE)
    if (same || identical(f, own)) return(name)
  }
  if (!identical(names(formals(f)), "model")) return(NULL)
  mark <- fingerprint(f)
  for (name in names(rnn_fingerprints)) if (mark %in% rnn_fingerprints[[name]]) return(name)
  NULL
}

# The functions of rnn, of all its versions since 0.7, by their fingerprints.
rnn_fingerprints <- list(
  epoch_print = "6fd6b4e6350b4d898618790be4d98b40",
  epoch_annealing = "3f25aeb99eee67740f65c6967cf77ed1",
  loss_L1 = "be21cd9988a2f9c3ef8b8f95b6be6553"
)

# The MD5 of all that a function's code consists of, its layout and comments left out.
fingerprint <- function(f) {
  atoms <- function(x) {
    if (is.call(x) && identical(x[[1]], quote(`function`))) x <- x[1:3] # the fourth would be its source
    if (is.call(x) || is.pairlist(x)) return(c("(", unlist(lapply(as.list(x), atoms)), ")"))
    if (is.null(x)) "NULL" else as.character(x)
  }
  file <- tempfile("rnnremote")
  on.exit(unlink(file))
  writeLines(atoms(body(f)), file)
  unname(tools::md5sum(file))
}

# The function of that name, for models that come from the server.
function_named <- function(name) {
  schedule <- schedule_named(name)
  if (!is.null(schedule)) return(schedule)
  switch(name,
    epoch_print = epoch_print,
    epoch_annealing = epoch_annealing,
    loss_L1 = loss_L1,
    # A function of somebody else's: it says so when it is called.
    eval(bquote(function(model) stop("the function ", .(name), " did not come with the model", call. = FALSE)))
  )
}
