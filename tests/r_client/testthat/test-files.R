# 15.5: a model as a file: C, ONNX, pytrainr's own. What the files compute is checked in test_files.py too.

set.seed(1)
X <- array(runif(12 * 6 * 2), c(12, 6, 2))
Y <- X[, , 1]
train <- function(...) suppressMessages(trainr(Y, X, learningrate = 0.1, ...))
model <- train(use_bias = TRUE)
causal <- conv_1d(4, 3, padding = "causal")
exact <- train(exact = TRUE, layers = list(causal, gru(3, return_sequences = TRUE), dense(1)))
path <- function(name) file.path(folder, name)
folder <- tempfile("files")
dir.create(folder)

# What the program of a C file makes of samples, of which it knows no number: without a recycled bias, see
# docs/export.md.
compiled <- function(source, X) {
  program <- sub("[.]c$", "", source)
  flags <- c("-std=c99", "-O2", "-ffp-contract=off", "-DPYTRAINR_MAIN", shQuote(source), "-lm", "-o", shQuote(program))
  stopifnot(system2("gcc", flags) == 0)
  csv <- path("X.csv")
  rows <- lapply(
    seq_len(dim(X)[1]),
    function(i) c(apply(format(array(X[i, , ], dim(X)[-1]), digits = 17), 1, paste, collapse = ","), "")
  )
  writeLines(unlist(rows), csv)
  t(matrix(scan(text = system2(program, stdin = csv, stdout = TRUE), quiet = TRUE), dim(X)[2]))
}

test_that("15.5: the C file gives predictr's bits", {
  plain <- train()
  file <- model_export(plain, path("net.c"))
  expect_identical(file, path("net.c"))
  expect_identical(compiled(file, X), predictr(plain, X))
  expect_match(readLines(model_export(plain, path("other.c"), name = "sum")), "sum_predict", all = FALSE)
  one <- X[1, , , drop = FALSE]
  expect_identical(compiled(model_export(model, path("biased.c")), one), predictr(model, one))
  expect_equal(compiled(model_export(exact, path("exact.c")), X), predictr(exact, X), tolerance = 1e-12)
})

test_that("15.5: a model file goes out and comes in, whole", {
  for (given in list(model, exact, model_store(model, "filed"))) {
    known <- if (is.character(given)) model_fetch(given) else given
    back <- model_import(model_export(given, path("net.trainr")))
    expect_s3_class(back, "trainr")
    expect_identical(predictr(back, X), predictr(known, X))
    expect_identical(coef(back), coef(known))
    expect_setequal(
      names(back), setdiff(names(known), c("store", "store_best", "last_layer_error", "last_layer_delta"))
    )
    further <- function(model) {
      set.seed(3)
      coef(suppressMessages(trainr(Y, X, model = model)))
    }
    expect_identical(further(back), further(known))
  }
  expect_identical(predictr(readRDS(model_export(exact, path("net.rds"))), X), predictr(exact, X))
})

test_that("15.5: a large model goes in pieces", {
  large <- suppressMessages(trainr(Y, X, learningrate = 0.1, hidden_dim = 300))
  back <- model_import(model_export(large, path("large.trainr")))
  expect_gt(file.size(path("large.trainr")), 2 * 300^2 * 8)
  expect_identical(coef(back), coef(large))
})

test_that("15.5: a model of a formula takes raw numbers in C as well", {
  d <- data.frame(y = runif(20, 0, 50), x = runif(20, -5, 5))
  scaled <- suppressMessages(trainr(y ~ x, data = d, learningrate = 0.1))
  expect_equal(
    c(compiled(model_export(scaled, path("scaled.c")), array(d$x, c(1, 20, 1)))), predict(scaled, d), tolerance = 1e-12
  )
})

test_that("15.5: what cannot be is an error in R's words, and leaves what was there", {
  writeLines("before", path("kept.onnx"))
  refused <- tryCatch(model_export(model, path("kept.onnx")), error = identity)
  expect_s3_class(refused, "rnnremote_failed_precondition")
  expect_identical(refused$reason, "NOT_EXPORTABLE")
  expect_match(conditionMessage(refused), "use_bias=TRUE", fixed = TRUE)
  expect_match(conditionMessage(refused), "exact=TRUE", fixed = TRUE)
  expect_identical(readLines(path("kept.onnx")), "before")
  expect_identical(list.files(folder, "^[.]model", all.files = TRUE), character())
  expect_error(model_export(model, path("net.exe")), "let it end in one of \"trainr\"")
  expect_error(model_export(model, path("net"), "exe"), "`format` should be one of")
  expect_error(model_export(model, file.path(folder, "no", "net.c")), "no directory")
  expect_error(model_export(1:3, path("net.c")), "`model` should be")
  expect_error(model_export("models/there-is-none", path("net.c")), class = "rnnremote_not_found")
  expect_error(model_export(model, path("net.c"), name = strrep("n", 64)), "name has 64 characters")
  expect_error(model_import(path("none.trainr")), "there is no file")
  expect_error(model_import(path("kept.onnx")), "not a model file")
  file.create(path("empty.trainr"))
  expect_error(model_import(path("empty.trainr")), class = "rnnremote_invalid_argument")
})
