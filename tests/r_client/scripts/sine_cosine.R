library(rnnremote)

set.seed(10)
f <- 5
w <- 2 * pi * f
t <- seq(0.005, 2, by = 0.005)
x <- sin(t * w) + rnorm(length(t), 0, 0.25)
y <- cos(t * w)

X <- matrix(x, nrow = 40)
Y <- matrix(y, nrow = 40)
X <- (X - min(X)) / (max(X) - min(X))
Y <- (Y - min(Y)) / (max(Y) - min(Y))
X <- t(X)
Y <- t(Y)

training <- 1:8
model <- suppressMessages(trainr(
  Y = Y[training, ], X = X[training, ], learningrate = 0.05, hidden_dim = 16, numepochs = 500
))
predicted <- predictr(model, X)

plot(as.vector(t(Y)), col = "red", type = "l", main = "actual and predicted")
lines(as.vector(t(predicted)), col = "blue")
plot(colMeans(model$error), type = "l")
