# 11.12 and 11.17: connections are data, addresses are read by the rules that all clients share.

X <- matrix((1:20) / 21, 5)

test_that("11.12: a connection that was saved works in a new session, and in a forked process", {
  connection <- trainr_connect()
  model <- suppressMessages(trainr(Y = X, X = X, learningrate = 0.1, connection = connection))
  file <- tempfile(fileext = ".rds")
  saveRDS(list(connection = connection, model = model, X = X), file)
  code <- sprintf(
    paste(
      "saved <- readRDS('%s');",
      "cat(identical(rnnremote::predictr(saved$model, saved$X, connection = saved$connection), NULL))"
    ),
    file
  )
  printed <- system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), stdout = TRUE, stderr = TRUE)
  expect_identical(tail(printed, 1), "FALSE")
  again <- readRDS(file)$connection
  expect_identical(predictr(model, X, connection = again), predictr(model, X))
  if (.Platform$OS.type == "unix") {
    forked <- parallel::mclapply(1:3, function(i) predictr(model, X, connection = connection), mc.cores = 2)
    expect_identical(forked, rep(list(predictr(model, X)), 3))
  }
})

test_that("11.12: a job that was saved is followed with a connection of the new session", {
  job <- train_async(X, X, learningrate = 0.1)
  file <- tempfile(fileext = ".rds")
  saveRDS(list(job = job, connection = trainr_connect()), file)
  saved <- readRDS(file)
  expect_identical(suppressMessages(job_wait(saved$job, saved$connection))$time_synapse, job_model(job)$time_synapse)
})

table <- jsonlite::fromJSON(file.path(Sys.getenv("PYTRAINR_R_TESTS"), "..", "addresses.json"), simplifyVector = FALSE)

test_that("11.17: addresses mean what they mean to every client", {
  for (text in names(table$understood)) {
    if (startsWith(trimws(tolower(text)), "unix:")) next
    expect_identical(rnnremote:::parse_address(text), table$understood[[text]], info = text)
  }
  for (text in names(table$refused)) {
    expect_error(rnnremote:::parse_address(text), "`address`", info = text)
  }
  expect_error(trainr_connect(NA), "`address` should be one text")
  expect_error(trainr_connect(""), NA)
})

test_that("11.17: calls to this machine go through no proxy", {
  old <- Sys.getenv(c("http_proxy", "https_proxy", "all_proxy"), unset = NA)
  on.exit({
    Sys.unsetenv(names(old))
    for (name in names(old)[!is.na(old)]) do.call(Sys.setenv, as.list(old[name]))
  })
  Sys.setenv(http_proxy = "http://127.0.0.1:9", https_proxy = "http://127.0.0.1:9", all_proxy = "http://127.0.0.1:9")
  expect_s3_class(trainr_connect(), "rnnremote_connection")
  expect_equal(dim(suppressMessages(trainr(Y = X, X = X, learningrate = 0.1))$error), c(5, 1))
})

test_that("15.8: a libcurl without HTTP/2 is said, with what to do", {
  expect_true(curl::curl_version()$http2)
  expect_silent(rnnremote:::need_http2())
  old <- list(version = "7.20.0", http2 = FALSE)
  expect_error(rnnremote:::need_http2(old), "7.20.0. has no HTTP/2.*install.packages")
})

test_that("15.8: names of requests differ where there is no /dev/urandom", {
  without <- rnnremote:::new_uuid
  environment(without) <- list2env(list(file.exists = function(...) FALSE), parent = environment(rnnremote:::new_uuid))
  names <- replicate(50, without())
  expect_identical(anyDuplicated(names), 0L)
  expect_true(all(grepl("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$", names)))
})
