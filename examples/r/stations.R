# A row for each day of each station, in any order; some days are missing.
library(rnnremote)

set.seed(1)
days <- expand.grid(day = as.Date("2024-01-01") + 0:89, station = c("north", "south", "west"))
days$sky <- factor(sample(c("clear", "grey"), nrow(days), replace = TRUE))
days$wind <- 15 + 10 * sin(as.numeric(days$day) / 5) + rnorm(nrow(days))
days$temp <- 15 - 0.3 * days$wind + 2 * (days$sky == "clear") + rnorm(nrow(days), sd = 0.5)
days$wind[c(20, 150)] <- NA
days <- days[sample(nrow(days)), ]

model <- trainr(temp ~ wind + sky,
  data = days, sample = station, time = day, na.action = na.pass, exact = TRUE, network_type = "gru", use_bias = TRUE,
  output = "linear", update_rule = "adam", learningrate = 0.02, numepochs = 150, epoch_function = NULL
)
print(model)
days$forecast <- predict(model, days)
off <- mean(abs(days$forecast - days$temp), na.rm = TRUE)
cat("off by", format(off, digits = 2), "degrees on average;", sum(is.na(days$forecast)), "days without a forecast\n")
stopifnot(off < 1.2, sum(is.na(days$forecast)) == 2)
