# A script of the package rnn; only its first line is another.
library(rnnremote)

set.seed(1)
X1 <- sample(0:127, 3000, replace = TRUE)
X2 <- sample(0:127, 3000, replace = TRUE)
X <- array(c(int2bin(X1), int2bin(X2)), dim = c(3000, 8, 2))
Y <- int2bin(X1 + X2)
model <- trainr(Y = Y, X = X, learningrate = 1, hidden_dim = 10, numepochs = 5)
plot(colMeans(model$error), type = "l", xlab = "epoch", ylab = "error")

A <- sample(0:127, 1000, replace = TRUE)
B <- sample(0:127, 1000, replace = TRUE)
sums <- bin2int(predictr(model, array(c(int2bin(A), int2bin(B)), dim = c(1000, 8, 2))))
cat(sum(sums == A + B), "of 1000 fresh sums right\n")
stopifnot(sum(sums == A + B) > 950)

# What rnn's list does not have: a class, with R's own functions.
model
summary(model)
plot(model)
plot(model, "fit")
stopifnot(identical(fitted(model), predictr(model, X)), nobs(model) == 3000)
wider <- update(model, hidden_dim = 20)
stopifnot(length(coef(wider)$time_synapse[[2]]) == 20)
