# 15.7: a server of the session's own, found or installed, that leaves with it. PYTRAINR_PYTHON is a Python that has it.

python <- Sys.getenv("PYTRAINR_PYTHON")
home <- tempfile("home")
dir.create(home)
old <- Sys.getenv(c("R_USER_DATA_DIR", "TRAINR_PYTHON", "PATH"))
Sys.setenv(R_USER_DATA_DIR = home, TRAINR_PYTHON = python)
withr::defer(do.call(Sys.setenv, as.list(old)), teardown_env())

test_that("it starts, trains, stops; its models are there the next time", {
  server <- trainr_server()
  expect_output(print(server), "127.0.0.1:[0-9]+, data in")
  expect_true(startsWith(server$data_dir, normalizePath(home)))
  expect_identical(trainr_server(), server)
  expect_error(trainr_server(data_dir = tempfile()), "already")
  X <- matrix((1:20) / 21, 5)
  model <- suppressMessages(trainr(X, X, learningrate = 0.1))
  model_store(model, "kept")
  expect_error(trainr_connect(server$address, token = "", cacert = ""), class = "rnnremote_unauthenticated")
  trainr_connect(server$address, server$token, cacert = "")
  expect_true(trainr_server_stop())
  expect_output(print(server), "stopped")
  expect_false(trainr_server_stop(server))
  expect_error(model_fetch("models/kept", within(server$connection, deadline <- 1)))
  again <- trainr_server(python = python, flags = c("--training-threads", "1"))
  expect_identical(predictr("models/kept", X), predictr(model, X))
  trainr_server_stop()
})

test_that("it leaves with its session, killed or not", {
  for (end in c("quit()", "tools::pskill(Sys.getpid(), tools::SIGKILL)")) {
    data <- tempfile("data")
    code <- sprintf(
      "s <- rnnremote::trainr_server('%s'); cat(s$address, '\\n'); cat(s$ended, '\\n'); flush(stdout()); %s", data, end
    )
    printed <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), stdout = TRUE))
    address <- trimws(printed[1])
    expect_match(address, "^127")
    gone <- function() inherits(
      try(trainr_connect(address, "none", cacert = "", deadline = 2), silent = TRUE), "try-error"
    ) &&
      !grepl("token", geterrmessage())
    until <- Sys.time() + 40
    while (!gone() && Sys.time() < until) Sys.sleep(0.2)
    expect_true(gone(), info = end)
  }
})

test_that("without Python or consent it says what to do", {
  Sys.setenv(TRAINR_PYTHON = "", PATH = tempdir())
  on.exit(Sys.setenv(TRAINR_PYTHON = python, PATH = old[["PATH"]]))
  expect_error(
    trainr_server(install = FALSE), "trainr_server\\(install = TRUE\\) installs the Python package pytrainr\\[server\\]"
  )
  expect_error(trainr_server(), "no Python here has the server")
  expect_error(trainr_server(install = TRUE), "no Python 3.10")
  expect_error(trainr_server(python = "/nowhere/python"), "no Python that runs here")
})

test_that("a server that cannot start says why", {
  expect_error(trainr_server(tempfile(), flags = "--no-such-flag"), "no-such-flag")
})

test_that("consent installs into a virtual environment, and a failure leaves nothing half-made", {
  bare <- Sys.getenv("PYTRAINR_BARE_PYTHON")
  skip_if(!nzchar(bare), "no Python without the package")
  Sys.setenv(TRAINR_PYTHON = "", PATH = dirname(bare))
  on.exit(Sys.setenv(TRAINR_PYTHON = python, PATH = old[["PATH"]]))
  expect_error(
    suppressMessages(trainr_server(python = bare, install = TRUE, package = file.path(tempdir(), "no-such-source"))),
    "pip install .* failed"
  )
  expect_false(dir.exists(file.path(home, "R", "rnnremote", "python")))
})
