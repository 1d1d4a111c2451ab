library(rnnremote)

X <- array(c(1:60, 101:160), dim = c(15, 4, 2)) / 261
Y <- array(201:260, dim = c(15, 4, 1)) / 261

set.seed(7)
models <- list()
par(mfrow = c(1, 2))
for (type in c("rnn", "gru", "lstm")) {
  model <- trainr(Y = Y, X = X, learningrate = 0.1, hidden_dim = 30, numepochs = 100, network_type = type)
  plot(colMeans(model$error), type = "l", xlab = "epoch", ylab = "error", main = type)
  predicted <- predictr(model, X)
  plot(as.vector(Y) * 261, as.vector(predicted) * 261, xlab = "actual", ylab = "predicted")
  abline(0, 1)
  models[[type]] <- model
}
errors <- sapply(models, function(model) tail(colMeans(model$error), 1))
print(errors)
