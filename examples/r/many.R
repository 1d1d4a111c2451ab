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
