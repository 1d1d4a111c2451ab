# A grid of options, three seeds each, side by side on the server.
library(rnnremote)

set.seed(1)
X <- array(runif(60 * 10 * 2), c(60, 10, 2))
Y <- (X[, , 1] + X[, , 2]) / 2
trained <- trainr_many(
  Y, X, list(network_type = c("rnn", "gru"), learningrate = c(0.05, 0.1)), seeds = 1:3, numepochs = 20
)
print(trained)
model <- best_model(trained)
print(model)
stopifnot(length(trained) == 12, model$current_epoch == 20)

# Only the best to the end; each is told of as it ends.
halved <- trainr_many(
  Y, X, list(learningrate = c(0.02, 0.05, 0.1), hidden_dim = c(4, 8, 16)), numepochs = 18, halving = 3,
  each = function(one) cat(one$options$hidden_dim, "units:", one$model$current_epoch, "epochs\n")
)
epochs <- vapply(unclass(halved), function(one) one$model$current_epoch, 0L)
stopifnot(sort(epochs) == rep(c(2, 6, 18), c(6, 2, 1)), best_model(halved)$current_epoch == 18)
