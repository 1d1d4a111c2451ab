# True gradients instead of the arithmetic of rnn.

set.seed(1)
X <- array(runif(40 * 6 * 2), c(40, 6, 2))
Y <- X[, , 1]
train <- function(...) suppressMessages(trainr(Y = Y, X = X, learningrate = 0.01, hidden_dim = 4, exact = TRUE, ...))

test_that("options that rnn does not know reach the server, and the error falls", {
  model <- train(network_type = "gru", update_rule = "adam", numepochs = 20)
  error <- colMeans(model$error)
  expect_true(model$exact)
  expect_lt(tail(error, 1), error[1])
  expect_equal(dim(predictr(model, X)), c(40, 6))
  again <- suppressMessages(trainr(Y, X, model = model))
  expect_lt(colMeans(again$error)[1], error[1]) # it goes on from the trained weights
})

test_that("own epoch functions run here as well, and the optimiser's state comes back", {
  model <- train(network_type = "lstm", update_rule = "adam", numepochs = 3, epoch_function = function(model) {
    model$learningrate <- model$learningrate / 2
    model
  })
  expect_equal(model$learningrate, 0.01 / 8)
  expect_gt(model$updates_done, 0)
})
