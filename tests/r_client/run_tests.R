# Runs one file of R tests: Rscript run_tests.R FILE
suppressPackageStartupMessages({
  library(testthat)
  library(rnnremote)
})
file <- commandArgs(TRUE)[1]
results <- as.data.frame(test_file(file, reporter = "check", stop_on_failure = FALSE))
cat(sprintf("%s: %d checks in %d tests\n", basename(file), sum(results$nb), nrow(results)))
if (any(results$failed > 0 | results$error) || nrow(results) == 0) quit(status = 1)
