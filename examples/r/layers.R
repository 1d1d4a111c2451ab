# A list of layers, as in Keras: a convolution sees short shapes, a gru what comes of them; which of three signals is it?
library(rnnremote)

set.seed(1)
kind <- rep(0:2, length.out = 240)
time <- seq(0, 2 * pi, length.out = 40)
signals <- vapply(kind, function(kind) {
  shift <- runif(1, 0, 2 * pi)
  wave <- switch(kind + 1, sin(3 * time + shift), sign(sin(3 * time + shift)), (3 * time + shift) %% (2 * pi) / pi - 1)
  wave + rnorm(40, sd = 0.3)
}, time)
X <- array(t(signals), c(240, 40, 1)) # samples, time, variables
Y <- matrix(kind) # classes, from 0

model <- trainr(Y, X,
  exact = TRUE,
  layers = list(
    conv_1d(8, kernel_size = 5, activation = "relu"), max_pooling_1d(2), gru(12), dense(3, activation = "softmax")
  ),
  loss = "sparse_categorical_crossentropy", metrics = "accuracy", validation = 0.25, sample_weight = rep(1, 240),
  update_rule = "adam", learningrate = 0.01, batch_size = 16, numepochs = 30, epoch_function = cosine_schedule(30)
)
summary(model)
plot(model)
plot(model, "fit")
accuracy <- tail(model$validation_accuracy, 1)
cat("of the signals held out", format(100 * accuracy, digits = 3), "% are told apart\n")
stopifnot(accuracy > 0.85)
