# 15.2: formulas and long data frames.

set.seed(1)
d <- expand.grid(day = as.Date("2024-01-01") + 0:9, station = c("north", "south", "west"))
d$wind <- runif(30, 0, 30)
d$rain <- runif(30, 0, 5)
d$sky <- factor(sample(c("clear", "grey", "dark"), 30, replace = TRUE))
d$temp <- 15 - 0.3 * d$wind + d$rain
shuffled <- d[sample(30), ]
quiet <- function(...) suppressMessages(trainr(...))
unscaled <- function(x) array(x, dim(x))

test_that("a formula on a shuffled data frame trains what the arrays train", {
  set.seed(2)
  model <- quiet(
    temp ~ wind + rain, data = shuffled, sample = station, time = day, learningrate = 0.1, scale = FALSE, exact = TRUE
  )
  order <- as.character(unique(shuffled$station))
  rows <- function(column) t(vapply(order, function(name) d[[column]][d$station == name], numeric(10)))
  set.seed(2)
  by_hand <- quiet(
    unname(rows("temp")), array(c(rows("wind"), rows("rain")), c(3, 10, 2)), learningrate = 0.1, exact = TRUE
  )
  expect_identical(coef(model), coef(by_hand))
  expect_identical(
    unname(matrix(predict(model, d), 3, byrow = TRUE)),
    predictr(by_hand, array(c(rows("wind"), rows("rain")), c(3, 10, 2)))[match(c("north", "south", "west"), order), ]
  )
})

test_that("numbers are scaled, predictions are raw and stand at their rows", {
  model <- quiet(
    temp ~ wind + rain, data = shuffled, sample = station, time = day, learningrate = 0.5, numepochs = 300,
    hidden_dim = 5
  )
  expect_true(all(c("input_center", "output_scale") %in% names(model)))
  range <- range((shuffled$temp - model$output_center) / model$output_scale)
  expect_equal(range, c(0.1, 0.9))
  fit <- fitted(model)
  expect_length(fit, 30)
  expect_gt(cor(fit, shuffled$temp), 0.8)
  expect_equal(residuals(model), shuffled$temp - fit)
  expect_equal(predict(model, shuffled), fit)
  inputs <- d[c("day", "station", "wind", "rain")]
  expect_equal(predict(model, inputs)[order(match(rownames(d), rownames(shuffled)))], fit)
  expect_identical(formula(model), temp ~ wind + rain)
  expect_match(capture.output(model)[5], "temp ~ wind + rain", fixed = TRUE)
  # Samples of another length, one of them new.
  more <- d[c(1:4, 11:17), ]
  more$station <- c(rep("north", 4), rep("here", 7))
  expect_length(predict(model, more), 11)
})

test_that("tibbles, data frames in second place, dots, calls and several targets", {
  skip_if_not_installed("tibble")
  tibble <- tibble::as_tibble(d)
  set.seed(3)
  a <- quiet(
    temp ~ ., tibble[c("temp", "wind", "rain", "station", "day")], sample = station, time = day, learningrate = 0.1
  )
  set.seed(3)
  b <- quiet(temp ~ wind + rain, data = d, sample = station, time = day, learningrate = 0.1)
  expect_identical(coef(a), coef(b))
  expect_identical(predict(a, tibble), predict(b, d))
  two <- trainr(
    cbind(temp, rain) ~ log1p(wind) + wind:rain, data = d, sample = station, learningrate = 0.1, epoch_function = NULL
  )
  expect_identical(dim(predict(two, d)), c(30L, 2L))
  expect_identical(as.vector(two$input_dim), 2L)
  expect_s3_class(update(two, . ~ wind, evaluate = FALSE)$Y, "formula")
  updated <- suppressMessages(update(two, . ~ wind))
  expect_identical(as.vector(updated$input_dim), 1L)
})

test_that("factors become columns of their levels, or tokens, and a factor as target gives classes", {
  model <- quiet(
    sky ~ station + wind, data = d, sample = station, time = day, learningrate = 0.05, exact = TRUE, output = "softmax",
    numepochs = 3
  )
  expect_identical(as.vector(model$input_dim), 4L)
  expect_identical(as.vector(model$output_dim), 3L)
  p <- predict(model, d)
  expect_identical(colnames(p), levels(d$sky))
  expect_equal(rowSums(p), rep(1, 30))
  expect_identical(predict(model, d, type = "class"), factor(levels(d$sky)[max.col(p, "first")], levels(d$sky)))
  expect_error(predict(model, transform(d, station = "east")), "level \"east\"")
  table <- rnnremote:::formula_arrays(temp ~ sky, d, list(), list(factors = "tokens", scale = FALSE), FALSE)
  expect_identical(as.vector(table$X), as.numeric(d$sky))
  table <- rnnremote:::formula_arrays(sky ~ wind, d, list(), list(factors = "tokens"), TRUE)
  expect_setequal(table$Y, 0:2)
  expect_error(predict(quiet(temp ~ wind, d, learningrate = 0.1), d, type = "class"), "factor")
})

test_that("a call stands alone on the right side, with columns that stand nowhere else", {
  set.seed(3)
  a <- quiet(temp ~ log1p(wind) + factor(sky) + (rain > 2), data = d, sample = station, learningrate = 0.1)
  set.seed(3)
  made <- transform(d, w = log1p(wind), s = factor(sky), r = as.numeric(rain > 2))
  b <- quiet(temp ~ w + s + r, data = made, sample = station, learningrate = 0.1)
  expect_identical(coef(a), coef(b))
  expect_identical(predict(a, d[1:20, ]), predict(b, made[1:20, ]))
  poly <- quiet(temp ~ poly(wind, 2), data = d, sample = station, learningrate = 0.1)
  expect_equal(predict(poly, d[1:10, ]), predict(poly, d)[1:10]) # by the polynomials of the training
})

test_that("predict of a formula gives states and hidden layers too, of other rows as well", {
  model <- quiet(temp ~ wind, data = d, sample = station, time = day, learningrate = 0.1, hidden_dim = 4)
  hidden <- predict(model, d, hidden = TRUE)
  expect_identical(dim(hidden[[1]]), c(3L, 10L, 4L))
  expect_identical(hidden, predict(model, hidden = TRUE))
  expect_error(predict(model, d, return_state = TRUE), "exact = TRUE")
  expect_error(predict(model, d[-1, ], hidden = TRUE), "unequal length")
  exact <- quiet(temp ~ wind, data = d, sample = station, time = day, learningrate = 0.1, exact = TRUE)
  found <- predict(exact, d[1:10, ], return_state = TRUE)
  expect_named(found, c("prediction", "state"))
  expect_equal(as.vector(found$prediction), predict(exact, d[1:10, ]))
  expect_error(predict(exact, d, type = "class"), "factor")
  expect_error(predict(exact, d, return_state = TRUE, type = "class"), "cannot go with")
})

test_that("a factor as tokens has residuals of probabilities", {
  model <- quiet(
    sky ~ station, data = d, sample = station, time = day, learningrate = 0.01, exact = TRUE, factors = "tokens",
    layers = list(embedding(4, 2), gru(2, return_sequences = TRUE), dense(3, activation = "softmax")),
    loss = "sparse_categorical_crossentropy"
  )
  actual <- outer(as.character(d$sky), levels(d$sky), "==") + 0
  expect_equal(unname(residuals(model)), unname(actual - fitted(model)))
})

test_that("missing values are said, left out, or masked", {
  holes <- d
  holes$wind[c(4, 17)] <- NA
  holes$temp[8] <- NA
  call <- function(...) trainr(temp ~ wind, data = holes, sample = station, time = day, learningrate = 0.1, ...)
  expect_error(call(), "the target in 1 of 30 rows, wind in 2 of 30 rows; the first in row 4")
  expect_error(call(na.action = na.omit), "unequal length: .* exact = TRUE")
  expect_error(call(na.action = na.pass), "exact = TRUE")
  expect_message(model <- call(na.action = na.pass, exact = TRUE), "no entry")
  expect_identical(model$mask, "nan")
  expect_identical(is.na(predict(model, holes)), is.na(holes$wind))
  expect_identical(is.na(fitted(model)), is.na(holes$wind) | is.na(holes$temp))
  expect_message(shorter <- call(na.action = "na.omit", exact = TRUE), "left out")
  expect_identical(is.na(fitted(shorter)), is.na(holes$wind) | is.na(holes$temp))
  expect_error(predict(quiet(temp ~ wind, d, learningrate = 0.1), holes), "row 4")
})

test_that("times of every kind order the rows; gaps and doubles are said", {
  times <- list(
    date = d$day, number = as.numeric(d$day) / 7, posix = as.POSIXct(d$day),
    lt = I(as.POSIXct(as.POSIXlt(d$day, tz = "UTC")))
  )
  for (name in names(times)) {
    set.seed(4)
    now <- d[30:1, ]
    now$when <- times[[name]][30:1]
    model <- quiet(temp ~ wind, data = now, sample = station, time = when, learningrate = 0.1)
    expect_equal(
      fitted(model)[30:1], predict(model, d[c("wind", "station", "day")] |> transform(when = times[[name]])),
      info = name
    )
  }
  expect_message(
    trainr(temp ~ wind, d[-c(3, 13, 23), ], sample = station, time = day, learningrate = 0.1),
    "left out in 3 places, the first after 2024-01-02"
  )
  expect_error(quiet(temp ~ wind, d, time = day, learningrate = 0.1), "2024-01-01 is there twice")
  expect_error(
    quiet(temp ~ wind, d, sample = station, time = as.character(day), learningrate = 0.1), "`time` should be numbers"
  )
})

test_that("ts and zoo are data frames with a time", {
  model <- quiet(value ~ time, data = nottem, learningrate = 0.1)
  expect_length(fitted(model), 240)
  many <- ts(cbind(a = 1:20 / 20, b = 20:1 / 20), start = c(2000, 1), frequency = 12)
  expect_length(predict(quiet(a ~ b, data = many, time = time, learningrate = 0.1), many), 20)
  zoo <- structure(cbind(a = 1:20 / 20, b = 20:1 / 20), index = as.Date("2024-01-01") + 0:19, class = "zoo")
  expect_length(predict(quiet(a ~ b, data = zoo, time = time, learningrate = 0.1), zoo), 20)
})

test_that("11.24: unequal lengths train with exact = TRUE", {
  uneven <- d[-c(9, 10, 30), ]
  expect_error(
    quiet(temp ~ wind, uneven, sample = station, time = day, learningrate = 0.1), "south has 10 rows, north has 8"
  )
  model <- quiet(
    temp ~ wind, uneven, sample = station, time = day, learningrate = 0.01, exact = TRUE, output = "linear",
    numepochs = 2
  )
  expect_length(fitted(model), 27)
  expect_false(anyNA(fitted(model)))
  expect_equal(model$output_center, mean(uneven$temp))
  # how a sample is filled up to the length of the longest changes nothing
  short <- uneven[uneven$station == "north", ]
  expect_equal(as.vector(predict(model, short)), as.vector(fitted(model))[uneven$station == "north"])
})

test_that("the scale is that of the samples that are not held out", {
  model <- quiet(
    temp ~ wind, d, sample = station, time = day, learningrate = 0.01, exact = TRUE, validation = 1 / 3, numepochs = 2
  )
  trained <- d$wind[d$station != "west"]
  expect_equal(range((trained - model$input_center) / model$input_scale), c(0.1, 0.9))
})

test_that("a model of a formula trains further in its own scale, in the background too", {
  model <- quiet(temp ~ wind, d, sample = station, time = day, learningrate = 0.1)
  further <- quiet(temp ~ wind, transform(d, wind = wind / 2), sample = station, time = day, model = model)
  expect_identical(further$input_center, model$input_center)
  expect_length(predict(further, d), 30)
  job <- train_async(temp ~ wind, data = d, sample = station, time = day, learningrate = 0.1)
  expect_length(predict(suppressMessages(job_wait(job)), d), 30)
  local({
    mine <- d
    key <- mine$station
    expect_length(fitted(quiet(temp ~ wind, mine, sample = key, learningrate = 0.1)), 30)
  })
})

test_that("what is wrong with a formula is said", {
  expect_error(quiet(~wind, d, learningrate = 0.1), "no left side")
  expect_error(quiet(temp ~ wind, learningrate = 0.1), "`data` is missing")
  expect_error(quiet(temp ~ 1, d, learningrate = 0.1), "no input")
  expect_error(quiet(temp ~ wind, d, sample = 1:2, learningrate = 0.1), "`sample` has 2 values for the 30 rows")
  expect_error(quiet(temp ~ wind, as.matrix(d), learningrate = 0.1), "`data` should be a data frame")
  expect_error(
    quiet(temp ~ nothing, d, learningrate = 0.1), "the formula names nothing, which is no column of the data"
  )
  expect_error(
    quiet(temp ~ wind, d, sample = town, learningrate = 0.1), "`sample` names town, .*: there are day, station"
  )
  expect_error(quiet(temp ~ wind, d, sample = "station", learningrate = 0.1), "without quotes, sample = station")
  expect_error(quiet(temp ~ wind, d, tiem = day, learningrate = 0.1), "did you mean `time`")
  expect_error(quiet(temp ~ wind, d, own = day, learningrate = 0.1), "`own`: object 'day' not found; only the formula")
  expect_error(quiet(temp ~ wind, d, subset = wind > 3, learningrate = 0.1), "data = subset")
  expect_error(quiet(temp ~ wind, d, weights = wind, learningrate = 0.1), "sample_weight")
  expect_error(quiet(temp ~ wind + offset(rain), d, learningrate = 0.1), "no offset")
  expect_error(quiet(temp ~ wind, d, na.action = "na.drop", learningrate = 0.1), "`na.action` should be")
  model <- quiet(temp ~ wind, d, learningrate = 0.1)
  expect_error(predict(model, d["rain"]), "the model's formula names wind, which is no column")
})
