# How far it is, and what is left when a training ends early: by Ctrl-C, by a function of one's own, by divergence.
library(rnnremote)

options(rnnremote.progress = TRUE) # a bar with the time that is left; in an interactive session it is there anyway
set.seed(1)
X <- array(runif(200 * 10), c(200, 10, 1))
Y <- t(apply(X[, , 1], 1, cummax))
train <- function(...) {
  trainr(Y, X, network_type = "gru", hidden_dim = 8, batch_size = 10, exact = TRUE, output = "linear", ...)
}

# 1. By a function of one's own that sees the model after each epoch.
halved <- function(model) {
  error <- colMeans(model$error)
  if (error[model$current_epoch] < error[1] / 2) model$stop_training <- TRUE
  model
}
model <- train(learningrate = 0.05, numepochs = 500, epoch_function = halved)
cat("the error is half of the first epoch's after", model$current_epoch, "epochs\n")
stopifnot(model$current_epoch < 500)

# 2. By Ctrl-C, which this function stands for: the model of the last whole epoch, with a warning.
ctrl_c <- function(model) {
  if (model$current_epoch == 3) tools::pskill(Sys.getpid(), tools::SIGINT)
  Sys.sleep(0.1)
  model
}
if (.Platform$OS.type == "unix") {
  model <- withCallingHandlers(
    train(learningrate = 0.05, numepochs = 500, epoch_function = ctrl_c),
    rnnremote_interrupted = function(warning) {
      cat(conditionMessage(warning), "\n")
      invokeRestart("muffleWarning")
    }
  )
  stopifnot(model$current_epoch %in% 2:3, identical(dim(predict(model, X)), dim(Y)))
}

# 3. By divergence, an error that holds the last finite model.
model <- tryCatch(
  train(learningrate = 1e6, numepochs = 500, epoch_function = NULL),
  rnnremote_diverged = function(error) {
    cat(conditionMessage(error), "\n")
    error$model
  }
)
stopifnot(all(is.finite(unlist(coef(model)))))
