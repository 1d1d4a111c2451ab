# 15.4: series: windows, splits, scaling, baselines, forecasts with intervals, backtests, simulation.

set.seed(1)
wave <- ts(10 + 3 * sin(2 * pi * (1:120) / 12) + rnorm(120, sd = 0.3), start = c(2000, 1), frequency = 12)
train <- function(x = wave, ...) {
  set.seed(2)
  usual <- list(
    exact = TRUE, network_type = "gru", output = "linear", update_rule = "adam", hidden_dim = 6, use_bias = TRUE,
    batch_size = 8, learningrate = 0.02, numepochs = 40, lookback = 12
  )
  given <- utils::modifyList(usual, list(...))
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
  symbols <- suppressMessages(
    trainr(
      Y, X, learningrate = 0.05, exact = TRUE, network_type = "gru", output = "softmax", update_rule = "adam",
      numepochs = 300
    )
  )
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
  if (!requireNamespace("forecast", quietly = TRUE)) expect_error(
    forecast(1:3), "no forecast of an object of class integer"
  )
  expect_error(trainr_series(wave, every_step = FALSE, learningrate = 0.1), "exact = TRUE")
  expect_error(backtest(1), "trainr_series")
})

test_that("15.4: a backtest with refit trains on what was known, anew on the way", {
  small <- train(numepochs = 5)
  set.seed(6)
  test <- backtest(small, h = 2, refit = 8)
  set.seed(6)
  expect_identical(backtest(small, h = 2, refit = 8), test)
  plain <- backtest(small, h = 2)
  expect_identical(test$origin, plain$origin)
  expect_identical(test$seasonal, plain$seasonal)
  expect_false(any(test$network == plain$network))
  # The network of the second eight origins, by hand.
  set.seed(6)
  seeds <- sample.int(.Machine$integer.max, 1L)
  seeds <- c(seeds, sample.int(.Machine$integer.max, 1L))
  known <- ts(wave[1:104], start = start(wave), frequency = 12)
  set.seed(seeds[2])
  by_hand <- suppressMessages(trainr_series(known, lookback = 12, train = 1, validation = 0, exact = TRUE,
    network_type = "gru", output = "linear", update_rule = "adam", hidden_dim = 6, use_bias = TRUE, batch_size = 8,
    learningrate = 0.02, numepochs = 5))
  expect_equal(test$network[test$origin == 104], as.vector(forecast(by_hand, h = 2, level = NULL)$mean))
  # Nothing later than an origin is seen.
  later <- wave
  later[105:120] <- 1000
  changed <- train(later, numepochs = 5)
  set.seed(6)
  expect_identical(backtest(changed, h = 2, refit = 8)$network[1:9], test$network[1:9])
  expect_match(capture.output(test)[1], "trained anew on the way")
  expect_error(backtest(small, refit = 0), "`refit`")
  own <- train(numepochs = 2, epoch_function = function(model) model)
  expect_error(backtest(own, refit = TRUE), "cannot run in the background")
  patient <- train(numepochs = 30, patience = 2)
  expect_length(unique(backtest(patient, h = 1, refit = 12)$origin), 24)
})

test_that("15.4: joint intervals hold for whole paths, on data that nobody has seen", {
  set.seed(5)
  long <- ts(10 + 3 * sin(2 * pi * (1:900) / 12) + as.vector(arima.sim(list(ar = 0.6), 900, sd = 0.4)), frequency = 12)
  wide <- train(long, train = 0.3, validation = 0.35, numepochs = 8)
  expect_gt(forecast(wide, h = 6, level = 80, joint = TRUE)$upper[6], forecast(wide, h = 6, level = 80)$upper[6])
  by_step <- summary(backtest(wide, h = 6, level = c(50, 80)))
  together <- backtest(wide, h = 6, level = c(50, 80), joint = TRUE)
  table <- summary(together)
  expect_true(all(abs(unlist(by_step[1, 5:6]) - c(0.5, 0.8)) < 0.12))
  expect_true(all(abs(unlist(table[1, 5:6]) - c(0.5, 0.8)) < 0.12)) # of 300 paths, which overlap
  paths <- with(together, tapply(actual >= lower80 & actual <= upper80, origin, all))
  expect_equal(table[["inside 80%"]], c(mean(paths), rep(NA, 4)))
  expect_identical(forecast(wide, h = 1, joint = TRUE)$upper, forecast(wide, h = 1)$upper)
  expect_match(tail(capture.output(forecast(wide, h = 2, joint = TRUE)), 1), "all steps together")
})

test_that("15.4: several targets are forecast, drawn, tested and simulated together", {
  both <- ts(
    cbind(y = as.vector(wave), z = 2 * as.vector(wave) + rnorm(120, sd = 0.1)), start = start(wave), frequency = 12
  )
  two <- train(both, target = 1:2)
  test <- backtest(two, h = 3, level = 80)
  expect_identical(levels(test$target), c("y", "z"))
  expect_equal(subset(test, origin == 96 & target == "z")$actual, as.vector(both[97:99, 2]))
  expect_equal(subset(test, origin == 96 & target == "z")$seasonal, as.vector(both[85:87, 2]))
  ahead <- forecast(two, h = 3, x = window(both, end = time(both)[96]), level = 80)
  expect_equal(subset(test, origin == 96 & target == "z")$network, as.vector(ahead$mean[, "z"]))
  expect_equal(subset(test, origin == 96 & target == "y")$upper80, as.vector(ahead$upper[, "y", "80%"]))
  table <- summary(test)
  expect_identical(table$target, rep(c("y", "z"), each = 5))
  expect_identical(nrow(summary(backtest(two, h = 2, refit = 12))), 10L)
  expect_named(as.data.frame(ahead), c("time", "y", "y.lower80", "y.upper80", "z", "z.lower80", "z.upper80"))
  paths <- simulate(two, 40, seed = 1, h = 4)
  expect_named(paths, c("y", "z"))
  expect_identical(dim(paths$z), c(4L, 40L))
  expect_gt(cor(unlist(paths$y[1, ]), unlist(paths$z[1, ])), 0.8) # their errors belong together
  file <- tempfile(fileext = ".pdf")
  grDevices::pdf(file)
  on.exit(unlink(file))
  before <- par("mfrow")
  plot(ahead)
  plot(test)
  plot(two, "fit")
  expect_identical(par("mfrow"), before)
  grDevices::dev.off()
  expect_gt(file.size(file), 8000)
})

test_that("15.2: a zoo keeps its times", {
  skip_if_not_installed("zoo")
  monthly <- zoo::zoo(as.vector(wave), zoo::as.yearmon(as.vector(time(wave))))
  of_zoo <- train(monthly)
  expect_identical(coef(of_zoo), coef(model))
  f <- forecast(of_zoo, h = 3)
  expect_equal(f$mean, forecast(model, h = 3)$mean)
  expect_s3_class(as.data.frame(f)$time, "yearmon")
  expect_equal(as.numeric(as.data.frame(f)$time), c(2010, 2010 + 1 / 12, 2010 + 2 / 12))
  days <- as.Date("2024-01-31") + 0:119
  daily <- train(zoo::zoo(as.vector(wave), days))
  expect_identical(as.data.frame(forecast(daily, h = 2))$time, days[120] + 1:2)
  firsts <- seq(as.Date("2015-01-01"), by = "month", length.out = 120)
  expect_identical(rnnremote:::coming_times(firsts, 2), as.Date(c("2025-01-01", "2025-02-01")))
  expect_null(rnnremote:::coming_times(days[-3], 2))
  d <- zoo::zoo(cbind(y = as.vector(wave), x = seq(0, 1, length.out = 120)), days)
  by_formula <- suppressMessages(trainr(y ~ x, data = d, time = time, learningrate = 0.1))
  expect_length(predict(by_formula, d), 120)
})

test_that("15.4: package forecast, where it is there, finds the method and takes what is no model of ours", {
  skip_if_not_installed("forecast")
  expect_equal(forecast::forecast(model, h = 2)$mean, forecast(model, h = 2)$mean)
  expect_s3_class(forecast(stats::ts(1:24, frequency = 12), h = 2), "forecast")
  expect_equal(as.vector(forecast::snaive(wave, h = 5)$mean), as.vector(baseline(wave, 5)))
  accuracy <- forecast::accuracy(forecast(model, h = 6, x = window(wave, end = time(wave)[96]), level = 80), wave)
  expect_equal(accuracy[["Training set", "MAE"]], mean(abs(residuals(model)[13:96])))
  expect_equal(
    accuracy[["Test set", "MAE"]], mean(abs(forecast(model, 6, x = wave[1:96], level = NULL)$mean - wave[97:102]))
  )
})

test_that("what a series' functions are given and cannot use is an error", {
  expect_error(trainr_series(wave, learningrate = 0.1, loockback = 12), "did you mean `lookback`")
  expect_error(forecast(model, h = 2, levels = 80), "forecast() has no argument `levels`", fixed = TRUE)
  expect_error(predict(model, h = 2), "no argument `h`")
  expect_error(fitted(model, type = "link"), "no argument `type`")
  expect_error(simulate(model, sed = 1), "no argument `sed`")
})

test_that("other objects go on to the package forecast, models without a time do not", {
  expect_error(forecast(structure(list(), class = "trainr")), "models of trainr_series")
  skip_if_not_installed("forecast")
  expect_equal(as.vector(forecast(forecast::snaive(wave), h = 1)$mean), wave[109])
  expect_s3_class(forecast(as.numeric(wave), h = 2), "forecast") # whose method there is forecast.default, as here
})

test_that("ggplot2 draws a forecast where the package forecast is", {
  skip_if_not_installed("forecast")
  drawn <- ggplot2::autoplot(forecast(model, h = 3))
  expect_s3_class(drawn, "ggplot")
})
