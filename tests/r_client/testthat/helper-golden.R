# The runs that R's own package recorded.

golden_folder <- Sys.getenv("PYTRAINR_GOLDEN")
golden_names <- sub("[.]json[.]gz$", "", list.files(golden_folder, "[.]json[.]gz$"))

golden <- function(name) {
  jsonlite::fromJSON(gzfile(file.path(golden_folder, paste0(name, ".json.gz"))), simplifyVector = FALSE)
}

golden_structure <- function() jsonlite::fromJSON(file.path(golden_folder, "structure.json"), simplifyVector = FALSE)

# {"dim", "f8"} as R's array; one dimension is a vector.
golden_array <- function(recorded) {
  dim <- unlist(recorded$dim)
  numbers <- readBin(jsonlite::base64_dec(recorded$f8), "double", prod(dim), size = 8, endian = "little")
  if (length(dim) == 1) numbers else array(numbers, dim)
}

golden_arguments <- function(run) {
  c(list(Y = golden_array(run$Y), X = golden_array(run$X)), lapply(run$args, unlist))
}

# The same numbers, bit by bit (any NaN equals any NaN); shapes as R has them.
expect_same <- function(object, recorded, what) {
  testthat::expect(identical(object, golden_array(recorded)), paste(what, "differs from R's"))
}

expect_same_list <- function(objects, recorded, what) {
  testthat::expect(length(objects) == length(recorded), paste(what, "has another length than R's"))
  for (i in seq_along(recorded)) expect_same(objects[[i]], recorded[[i]], paste0(what, "[[", i, "]]"))
}
