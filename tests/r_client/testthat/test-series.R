# 15.4: series: windows, splits, scaling, baselines, forecasts with intervals, backtests, simulation.

set.seed(1)
wave <- ts(10 + 3 * sin(2 * pi * (1:120) / 12) + rnorm(120, sd = 0.3), start = c(2000, 1), frequency = 12)
train <- function(x = wave, ...) {
  set.seed(2)
  given <- utils::modifyList(list(exact = TRUE, network_type = "gru", output = "linear", update_rule = "adam", hidden_dim = 6,
    use_bias = TRUE, batch_size = 8, learningrate = 0.02, numepochs = 40, lookback = 12), list(...))
  suppressMessages(do.call(trainr_series, c(list(x), given)))
}
model <- train()

test_that("windows hold what the network sees and what it should say", {
  values <- cbind(a = 1:10, b = 101:110)
  w <- series_windows(values, lookback = 3, ahead = 2, target = 2)
  expect_identical(dim(w$X), c(6L, 3L, 2L))
  expect_identical(w$X[1, , 1], c(1, 2, 3) + 0)
  expect_identical(w$Y[1, 1, ], c(104, 105))
  expect_identical(w$rows, 5:10)
  each <- series_windows(values, lookback = 3, every_step = TRUE, rows = 7:8)
  expect_identical(each$rows, 7:8)
  expect_identical(each$X[1, , 1], c(4, 5, 6) + 0)
  expect_identical(each$Y[1, , 1], c(5, 6, 7) + 0)
  expect_error(series_windows(1:5, lookback = 5), "no window fits")
  expect_error(series_windows(values, 3, target = 3), "`target` should be columns")
  expect_error(series_windows(c(1, NA, 3), 1), "missing or infinite values, the first is 2")
})

test_that("parts follow each other", {
  expect_identical(series_split(1:10), list(train = 1:6, validation = 7:8, test = 9:10))
  expect_identical(series_split(wave, 0.5, 0)$validation, integer())
  expect_error(series_split(1:10, 0.9, 0.2), "shares")
})

test_that("the scale is that of the training part, and nothing later is seen", {
  later <- wave
  later[80:120] <- 1000
  expect_identical(coef(train(later)), coef(model))
  expect_equal(model$input_center, mean(wave[1:72]))
  expect_equal(model$input_scale, sd(wave[1:72]))
  r <- suppressMessages(trainr_series(wave, lookback = 12, learningrate = 0.1))
  expect_equal(range((wave[1:72] - r$input_center) / r$input_scale), c(0.1, 0.9))
  expect_identical(dim(fitted(r)), NULL)
})

test_that("fitted and residuals are series one step ahead", {
  fit <- fitted(model)
  expect_identical(tsp(fit), tsp(wave))
  expect_true(all(is.na(fit[1:12])) && !anyNA(fit[13:120]))
  window <- array(wave[1:12], c(1, 12, 1))
  expect_equal(fit[13], predictr(model, window)[1, 12])
  expect_equal(residuals(model), wave - fit)
  expect_lt(mean(abs(residuals(model)[97:120])), 1)
  expect_identical(predict(model, window), predictr(model, window))
})

test_that("a forecast feeds back what it says, and goes on in time", {
  f <- forecast(model, h = 5)
  expect_equal(tsp(f$mean), c(2010, 2010 + 4 / 12, 12))
  seen <- tail(as.vector(wave), 12)
  for (i in 1:5) {
    said <- predictr(model, array(tail(seen, 12), c(1, 12, 1)))[1, 12]
    expect_equal(f$mean[i], said)
    seen <- c(seen, said)
  }
  expect_identical(predict(model, n.ahead = 5), f$mean)
  expect_equal(forecast(model, h = 2, x = wave[1:100])$mean[1], fitted(model)[101])
  expect_s3_class(f, "forecast")
  expect_identical(colnames(f$lower), c("80%", "95%"))
  expect_true(all(f$lower[, 2] <= f$lower[, 1] & f$lower[, 1] <= f$mean & f$mean <= f$upper[, 1]))
  table <- as.data.frame(f)
  expect_named(table, c("time", "forecast", "lower80", "upper80", "lower95", "upper95"))
  expect_match(capture.output(f)[3], "Jan 2010")
})

test_that("intervals are conformal: quantiles of the errors on the validation part", {
  f <- forecast(model, h = 1, level = 80)
  errors <- sort(abs(residuals(model)[73:96]))
  expect_equal(as.vector(f$upper - f$mean), errors[ceiling(25 * 0.8)])
  expect_warning(forecast(model, h = 20, level = 95), "too few for 95 %")
  expect_error(forecast(model, h = 30), "too short")
  expect_null(forecast(model, h = 30, level = NULL)$lower)
  expect_error(forecast(model, h = 3, level = 120), "`level`")
})

test_that("several values at once, several columns, columns that are given", {
  three <- train(ahead = 3)
  expect_identical(as.vector(three$output_dim), 3L)
  f <- forecast(three, h = 4, level = NULL)$mean
  expect_equal(f[1:3], predictr(three, array(tail(as.vector(wave), 12), c(1, 12, 1)))[1, 12, ])
  both <- ts(cbind(y = as.vector(wave), z = rev(as.vector(wave))), start = start(wave), frequency = 12)
  two <- train(both, target = 1:2)
  f <- forecast(two, h = 3, level = c(50, 80))
  expect_identical(dim(f$mean), c(3L, 2L))
  expect_identical(dim(f$upper), c(3L, 2L, 2L))
  expect_identical(colnames(f$mean), c("y", "z"))
  given <- train(both, target = 1)
  expect_error(forecast(given, h = 3), "`future` is missing")
  future <- cbind(y = NA, z = c(9, 10, 11))
  f <- forecast(given, h = 3, future = future)$mean
  expect_length(f, 3)
  expect_false(identical(f[3], forecast(given, h = 3, future = future * 2)$mean[3]))
  expect_identical(f[1], forecast(given, h = 3, future = future * 2)$mean[1])
})

test_that("baselines are what they say", {
  expect_equal(as.vector(baseline(wave, 13)), as.vector(wave)[c(109:120, 109)])
  expect_equal(as.vector(baseline(1:4, 2, "naive")), c(4, 4))
  expect_equal(as.vector(baseline(1:4, 2, "drift")), c(5, 6))
  expect_equal(as.vector(baseline(1:4, 2, "mean")), c(2.5, 2.5))
  expect_equal(tsp(baseline(wave, 3)), c(2010, 2010 + 2 / 12, 12))
  expect_error(baseline(1:4, 2, "seasonal", period = 5), "shorter than one season")
})

test_that("a backtest compares on the test part, from every origin", {
  test <- backtest(model, h = 3)
  expect_identical(sort(unique(test$origin)), as.numeric(96:117))
  first <- test[test$origin == 96, ]
  expect_equal(first$actual, as.vector(wave[97:99]))
  expect_equal(first$seasonal, as.vector(wave[85:87]))
  expect_equal(first$naive, rep(wave[96], 3))
  expect_equal(first$network, as.vector(forecast(model, h = 3, x = wave[1:96], level = NULL)$mean))
  table <- summary(test)
  expect_identical(table$forecast, c("network", "seasonal", "naive", "drift", "mean"))
  expect_equal(table$MAE[3], mean(abs(test$naive - test$actual)))
  expect_lt(table$MAE[1], table$MAE[3])
  expect_match(capture.output(test)[1], "test part: 22 origins, 3 steps ahead")
  expect_named(backtest(train(as.vector(wave))), c("origin", "step", "actual", "network", "naive", "drift", "mean"))
})

test_that("paths are simulated, reproducibly, around the forecast", {
  paths <- simulate(model, 50, seed = 3, h = 4)
  expect_identical(dim(paths), c(4L, 50L))
  expect_identical(simulate(model, 50, seed = 3, h = 4), paths)
  set.seed(9)
  a <- runif(1)
  set.seed(9)
  simulate(model, 2, seed = 1, h = 2)
  expect_identical(runif(1), a)
  expect_lt(abs(mean(unlist(paths[1, ])) - forecast(model, h = 1, level = NULL)$mean[1]), 0.5)
})

test_that("symbols are generated by a model of symbols", {
  cycle <- diag(3)[rep(1:3, 8), ]
  X <- array(rep(cycle[1:20, ], each = 1), c(1, 20, 3))
  Y <- array(cycle[2:21, ], c(1, 20, 3))
  set.seed(4)
  symbols <- suppressMessages(trainr(Y, X, learningrate = 0.05, exact = TRUE, network_type = "gru", output = "softmax", update_rule = "adam", numepochs = 300))
  said <- simulate(symbols, 2, seed = 1, h = 6, start = c(1, 2), temperature = 0.1)
  expect_identical(said$sim_1, c(3, 1, 2, 3, 1, 2))
  expect_error(simulate(symbols, start = 4), "`start`")
  expect_error(simulate(suppressMessages(trainr(Y[, , 1, drop = FALSE], X, learningrate = 0.1))), "softmax")
})

test_that("what is held for patience decides when to stop", {
  stopped <- train(patience = 2, numepochs = 200)
  expect_lt(stopped$current_epoch, 200)
  expect_true(stopped$validated)
})

test_that("update, print, plot; other objects go to their own forecast", {
  smaller <- suppressMessages(update(model, hidden_dim = 3, numepochs = 1, x = wave, learningrate = 0.1))
  expect_s3_class(smaller, "trainr_series")
  expect_length(capture.output(model), 5)
  file <- tempfile(fileext = ".pdf")
  grDevices::pdf(file)
  on.exit(unlink(file))
  plot(forecast(model, h = 6), include = 36, main = "wave")
  plot(model)
  plot(model, "fit")
  plot(backtest(model, h = 3))
  grDevices::dev.off()
  expect_gt(file.size(file), 8000)
  if (!requireNamespace("forecast", quietly = TRUE)) expect_error(forecast(1:3), "no forecast of an object of class integer")
  expect_error(trainr_series(wave, every_step = FALSE, learningrate = 0.1), "exact = TRUE")
  expect_error(backtest(1), "trainr_series")
})
