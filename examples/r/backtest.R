# How good forecasts of a season are when the network is trained anew every year, on all that was known by then. With
# `patience` the last of what is known says when to stop, the first time and every time after.
library(rnnremote)

set.seed(1)
model <- trainr_series(nottem,
  lookback = 24, exact = TRUE, network_type = "gru", hidden_dim = 16, use_bias = TRUE, output = "linear",
  update_rule = "adam", batch_size = 16, learningrate = 0.01, numepochs = 300, patience = 20, epoch_function = NULL
)
once <- backtest(model, h = 3, level = 80)
again <- backtest(model, h = 3, refit = 12)
print(once)
print(again)
plot(again)

# the same by hand: the arrays of the training part, for a network of one's own
parts <- series_split(nottem)
windows <- series_windows(nottem, lookback = 24, rows = parts$train)
cat("windows to train on:", dim(windows$X)[1], "of", dim(windows$X)[2], "months\n")
last_year <- baseline(nottem, h = 12)
errors <- summary(again)
stopifnot(
  length(last_year) == 12, nrow(once) == nrow(again),
  errors$MAE[errors$forecast == "network"] < errors$MAE[errors$forecast == "seasonal"]
)
