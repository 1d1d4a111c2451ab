# Scripts as R users write them; only their library line is about this package.

test_that("the lecture's Activity 9.1 trains all three networks and plots", {
  script <- suppressMessages(run_script("activity91"))
  expect_named(script$models, c("rnn", "gru", "lstm"))
  for (type in names(script$models)) {
    error <- colMeans(script$models[[type]]$error)
    expect_length(error, 100)
    expect_lt(tail(error, 1), error[1])
  }
  expect_equal(dim(script$predicted), c(15, 4))
  expect_gt(script$plot_bytes, 5000)
})

test_that("the adder learns, and its sums are integers again", {
  script <- suppressMessages(run_script("adder"))
  expect_type(script$sums, "integer")
  expect_gt(mean(script$wrong == 0), 0.5)
  expect_gt(script$plot_bytes, 3000)
})

test_that("matrices of noisy sines become cosines in 500 epochs", {
  script <- run_script("sine_cosine")
  expect_equal(dim(script$predicted), dim(script$Y))
  error <- colMeans(script$model$error)
  expect_length(error, 500)
  expect_lt(tail(error, 1), 0.5 * error[1])
  expect_equal(as.vector(script$model$input_dim), 1)
})

test_that("a function of the user's own sees the test set in the model after every epoch", {
  expect_message(script <- run_script("test_set"), "Epoch 4: .* of the test sums are right")
  expect_length(script$model$history, 4)
  expect_identical(script$model$test_X, script$X[script$test, , ])
  expect_identical(names(script$model)[1:2], c("test_X", "test_Y"))
})
