# 11: what epoch functions want to find in the model may be anything of R's, from whatever package: it stays in R.

X <- matrix((1:40) / 41, 10)
counter <- new.env()
extras <- list(
  summarise = stats::median, total = base::sum, digest = tools::md5sum, shape = y ~ x, day = as.Date("2024-02-29"),
  table = data.frame(a = 1:2, b = c("x", "y")), counter = counter, code = quote(a + b), level = factor("high"),
  when = as.POSIXct(0, origin = "1970-01-01", tz = "UTC"), version = utils::packageVersion("curl"),
  handle = curl::new_handle(),
  nested = list(f = stats::sd, n = list(stats::var, 1)), generic = print
)
seen <- list()
look <- function(model) {
  seen[[length(seen) + 1L]] <<- model[names(extras)]
  counter$value <- model$summarise(c(1, 5, 9))
  model
}

for (exact in c(FALSE, TRUE)) {
  test_that(paste(
    "11.23: extras of other packages' namespaces and classes come to epoch functions as they are, exact =", exact
  ), {
    seen <<- list()
    given <- c(list(Y = X, X = X, learningrate = 0.1, numepochs = 2, exact = exact, epoch_function = look), extras)
    model <- suppressMessages(do.call(trainr, given, quote = TRUE))
    expect_length(seen, 2)
    for (found in c(seen, list(unclass(model)[names(extras)]))) {
      for (name in names(extras)) expect_identical(found[[name]], extras[[name]], label = name)
    }
    expect_identical(counter$value, 5)
    # such a model computes, is trained further, and is saved
    expect_identical(dim(predictr(model, X)), dim(X))
    further <- suppressMessages(trainr(X, X, model))
    expect_length(seen, 4)
    expect_identical(further$summarise, stats::median)
    file <- tempfile(fileext = ".rds")
    saveRDS(model[setdiff(names(model), "handle")], file)
    expect_identical(predictr(readRDS(file), X), predictr(model, X))
  })
}
