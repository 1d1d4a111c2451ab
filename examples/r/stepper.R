# Values come one by one; the network remembers what it has seen.
library(rnnremote)

set.seed(1)
X <- array(runif(100 * 10), c(100, 10, 1))
Y <- t(apply(X[, , 1], 1, cummax))
model <- trainr(Y, X,
  exact = TRUE, network_type = "lstm", hidden_dim = 8, use_bias = TRUE, update_rule = "adam", learningrate = 0.02,
  batch_size = 10, numepochs = 30, epoch_function = NULL
)
step <- stepper(model)
said <- vapply(X[1, , 1], step, 0)
print(round(rbind(input = X[1, , 1], largest = Y[1, ], said), 2))
stopifnot(isTRUE(all.equal(said, predict(model, X[1, , , drop = FALSE])[1, ])))
