# R's values on the wire and back, without a server.

back <- function(x) decode_value(from_bytes("Value", to_bytes(encode_value(x, "x"))))

test_that("values come back as they went", {
  values <- list(
    1.5, 3L, TRUE, "text \u00e4", NULL, c(1, 2.5, NaN, Inf), 1:4, array(runif(24), 2:4), matrix(1:6, 2),
    list(1, "a", list("b", 2)), list(a = 1, b = list(c = "d")), character(), c("a", "b"), double()
  )
  for (x in values) {
    expected <- if (identical(x, character())) list() else x
    expect_identical(back(x), expected)
  }
  expect_identical(back(c(TRUE, FALSE)), c(1, 0))
  expect_identical(back(c(1L, NA)), c(1, NA))
})

test_that("arrays of every type and order are read", {
  tensor <- function(...) from_bytes("Tensor", to_bytes(new_message("Tensor", ...)))
  rows <- tensor(
    dim = c(2, 3), element_type = 1L, element_order = 2L, data = writeBin(as.double(1:6), raw(), endian = "little")
  )
  expect_identical(decode_array(rows), matrix(as.double(1:6), 2, byrow = TRUE))
  singles <- tensor(dim = 2, element_type = 2L, data = writeBin(c(0.5, 2), raw(), size = 4, endian = "little"))
  expect_identical(decode_array(singles), c(0.5, 2))
  long <- tensor(dim = 3, element_type = 4L, data = writeBin(c(5L, 0L, -1L, -1L, 0L, 1L), raw(), endian = "little"))
  expect_identical(decode_array(long), c(5, -1, 2^32))
  expect_identical(decode_array(tensor(dim = 2, element_type = 6L, data = as.raw(0:1))), c(FALSE, TRUE))
  expect_error(decode_array(tensor(dim = 3, data = raw(8))), class = "rnnremote_data_loss")
})

test_that("what has no form on the wire is refused by name", {
  expect_error(encode_value(function(x) x, "mine"), "`mine` is a function")
  expect_error(encode_value(Sys.Date(), "when"), "`when` is of class Date")
  # In a model they keep their place, as a text that stands for them.
  sent <- decode_options(encode_fields(list(when = Sys.Date(), f = mean, deep = list(a = Sys.Date())), TRUE))
  expect_match(sent$when, "kept in R: Date", fixed = TRUE)
  expect_identical(sent$f, "callers_own_function")
  expect_true(unchanged(list(a = Sys.Date()), sent$deep))
})

test_that("11.1: what the server left as it was stays as the caller gave it, all else is the server's", {
  local <- list(
    a = c(x = 1L, y = 2L), b = "old", mask = matrix(1, 2, 2), gone = 1, when = Sys.Date(), n = NULL, l = list(1, 2)
  )
  received <- list(
    a = c(1, 2), b = "new", mask = "nan", when = "<kept in R: Date>", n = NULL, l = c(1, 2), more = TRUE, exact = TRUE
  )
  merged <- merge_trained(local, received, first = TRUE)
  expected <- c(local[c("a", "b", "mask", "when", "n", "l")], list(more = TRUE, exact = TRUE))
  expected[c("b", "mask")] <- c("new", "nan")
  expect_identical(merged[names(expected)], expected)
  expect_false("gone" %in% names(merged))
})

test_that("a model in pieces is put together", {
  array <- array(runif(60), c(3, 4, 5))
  bytes <- writeBin(as.vector(array), raw(), endian = "little")
  field <- function(name, tensor) new_message(
    "Option", name = name, value = new_message("Value", tensor_value = tensor)
  )
  deferred <- new_message("Tensor", dim = 3:5, element_type = 1L, element_order = 1L, deferred = TRUE)
  model <- new_message("Model", field = list(field("a", deferred), field("b", encode_array(1:3)), field("c", deferred)))
  join <- model_joiner()
  part <- function(...) from_bytes("ModelPart", to_bytes(new_message("ModelPart", ...)))
  chunk <- function(tensor, from, to) new_message(
    "TensorChunk", tensor = tensor, offset = from - 1, data = bytes[from:to]
  )
  expect_null(join(part(model = model)))
  expect_null(join(part(chunk = chunk(0, 1, 100))))
  expect_null(join(part(chunk = chunk(0, 101, 480))))
  fields <- join(part(chunk = chunk(1, 1, 480), last = TRUE))
  expect_identical(fields, structure(list(a = array, b = 1:3, c = array), error = numeric()))
})

test_that("an upload begins where the server says", {
  x <- runif(1000)
  sent <- function(offset) {
    following <- upload_pieces(x, "id", 8000, offset, 1024)
    data <- raw()
    while (!is.null(bytes <- following())) {
      message <- from_bytes("UploadDatasetRequest", bytes)
      data <- c(data, message$data)
    }
    data
  }
  expect_identical(sent(0), writeBin(x, raw(), endian = "little"))
  expect_identical(sent(4096), writeBin(x[513:1000], raw(), endian = "little"))
  expect_identical(sent(8000), raw())
})

test_that("the server's functions are recognised, copies included, others are not", {
  expect_identical(known_function(epoch_print), "epoch_print")
  copy <- unserialize(serialize(epoch_annealing, NULL))
  expect_identical(known_function(copy), "epoch_annealing")
  expect_null(known_function(function(model) model))
  expect_true(needs_pauses(list(epoch_print, function(model) model)))
  expect_false(needs_pauses(list(epoch_print, epoch_annealing)))
})

test_that("JSON is written with every bit", {
  expect_identical(to_json(list(a = 0.1, b = c(1, 1e160), c = "q\"\\\n", d = TRUE, e = list())),
    "{\"a\": 0.10000000000000001, \"b\": [1, 1e+160], \"c\": \"q\\\"\\\\\\u000a\", \"d\": true, \"e\": []}"
  )
})

test_that("binary numbers are those of rnn", {
  expect_identical(int2bin(5, length = 4), matrix(c(1, 0, 1, 0), 1))
  expect_identical(dim(int2bin(0:2, length = 1)), c(1L, 3L))
  expect_identical(bin2int(int2bin(c(0, 77, 255))), c(0L, 77L, 255L))
  expect_identical(bin2int(matrix(c(0.6, 0.2, 0.7), 1)), 5L)
  expect_true(is.na(int2bin(1, length = 34)[34]))
})
