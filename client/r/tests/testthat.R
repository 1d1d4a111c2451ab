library(testthat)
library(rnnremote)

test_check("rnnremote")
