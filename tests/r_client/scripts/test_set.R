library(rnnremote)

set.seed(3)
a <- sample(0:63, 300, replace = TRUE)
b <- sample(0:63, 300, replace = TRUE)
X <- array(c(int2bin(a), int2bin(b)), dim = c(300, 8, 2))
Y <- int2bin(a + b)
test <- 251:300

# Prints how the network does on samples it has not seen; they come to it as extra arguments of trainr.
print_test <- function(model) {
  predicted <- round(predictr(model, model$test_X))
  right <- mean(rowSums(predicted != model$test_Y) == 0)
  message("Epoch ", model$current_epoch, ": ", round(100 * right), " % of the test sums are right")
  model$history <- c(model$history, right)
  model
}

model <- trainr(
  Y = Y[-test, ], X = X[-test, , ], learningrate = 0.5, learningrate_decay = 0.9, hidden_dim = 8, numepochs = 4,
  epoch_function = c(epoch_print, print_test, epoch_annealing), test_X = X[test, , ], test_Y = Y[test, ]
)
plot(model$history, type = "b")
