# True gradients: a gru learns the running mean of its input; a quarter of the samples decides when to stop.
library(rnnremote)

set.seed(1)
X <- array(runif(200 * 12), c(200, 12, 1))
Y <- t(apply(X[, , 1], 1, function(x) cumsum(x) / seq_along(x)))
model <- trainr(Y, X,
  exact = TRUE, network_type = "gru", hidden_dim = 8, use_bias = TRUE, output = "linear", update_rule = "adam",
  learningrate = 0.01, batch_size = 10, numepochs = 200, validation = 0.25, patience = 10, epoch_function = NULL
)
print(model)
print(summary(model))
plot(model)
plot(model, "fit")
cat("off by", format(mean(abs(residuals(model))), digits = 2), "on average\n")
stopifnot(mean(abs(residuals(model))) < 0.1)
