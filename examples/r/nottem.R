# Next year's temperatures in Nottingham, with intervals; how good that is beside last year's.
library(rnnremote)

set.seed(1)
model <- trainr_series(nottem,
  lookback = 24, exact = TRUE, network_type = "gru", hidden_dim = 16, use_bias = TRUE, output = "linear",
  update_rule = "adam", batch_size = 16, learningrate = 0.01, numepochs = 100, epoch_function = NULL
)
print(forecast(model, h = 12))
plot(forecast(model, h = 12), include = 60, ylab = "degrees Fahrenheit")
print(backtest(model))
coldest <- apply(simulate(model, 100, seed = 1, h = 12), 2, min)
cat("the coldest month will be at", paste(round(quantile(coldest, c(0.1, 0.9))), collapse = " to "), "degrees\n")
errors <- summary(backtest(model))
stopifnot(errors$MAE[1] < errors$MAE[errors$forecast == "seasonal"])
