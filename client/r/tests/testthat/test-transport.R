# Frames of gRPC, without a server.

collected <- function(pieces) {
  messages <- list()
  receive <- unframer(function(message) messages[[length(messages) + 1L]] <<- message)
  for (piece in pieces) receive(piece)
  messages
}

test_that("messages come out whole, however their frames are split or joined", {
  set.seed(1)
  messages <- lapply(c(0, 1, 5, 300, 70000), function(size) as.raw(sample(0:255, size, replace = TRUE)))
  bytes <- do.call(c, lapply(messages, frame))
  expect_identical(collected(list(bytes)), messages)
  expect_identical(collected(as.list(bytes[1:400])), messages[1:4])
  for (size in c(1, 4, 7, 1000, 69999)) {
    pieces <- split(bytes, (seq_along(bytes) - 1) %/% size)
    expect_identical(collected(pieces), messages)
  }
})

test_that("an incomplete message does not come out", {
  bytes <- frame(as.raw(1:10))
  expect_length(collected(list(bytes[1:14])), 0)
})

test_that("compressed messages are unpacked", {
  message <- as.raw(rep(1:10, 50))
  packed <- memCompress(message, "gzip")
  file <- tempfile()
  connection <- gzfile(file, "wb")
  writeBin(message, connection)
  close(connection)
  packed <- readBin(file, raw(), file.size(file))
  expect_identical(collected(list(c(as.raw(1), frame(packed)[-1]))), list(message))
})

test_that("a body is read in pieces of any size", {
  messages <- list(as.raw(1:10), raw(), as.raw(11:200))
  for (size in c(1, 3, 1000)) {
    waiting <- messages
    read <- body_reader(function() {
      if (length(waiting) == 0) return(NULL)
      first <- waiting[[1]]
      waiting <<- waiting[-1]
      first
    })
    bytes <- raw()
    while (length(piece <- read(size)) > 0) bytes <- c(bytes, piece)
    expect_identical(bytes, do.call(c, lapply(messages, frame)))
  }
})

test_that("base64 goes both ways, with and without padding", {
  expect_identical(base64_encode(charToRaw("any carnal pleas")), "YW55IGNhcm5hbCBwbGVhcw==")
  for (size in 0:20) {
    bytes <- as.raw(sample(0:255, size, replace = TRUE))
    expect_identical(base64_decode(base64_encode(bytes)), bytes)
    expect_identical(base64_decode(sub("=+$", "", base64_encode(bytes))), bytes)
  }
})

test_that("a status becomes a condition with the server's field message", {
  violation <- new_message("BadRequest", field_violations = list(
    RProtoBuf::new(RProtoBuf::P("trainr.v1.BadRequest.FieldViolation"), field = "X", description = "has NaN")
  ))
  detail <- new_message("Any", type_url = "type.googleapis.com/google.rpc.BadRequest", value = to_bytes(violation))
  status <- new_message("Status", code = 3L, message = "wrong", details = list(detail))
  headers <- paste0(
    "HTTP/2 200\r\ncontent-type: application/grpc\r\n\r\n",
    "grpc-status: 3\r\ngrpc-message: wr%C3%B6ng\r\ngrpc-status-details-bin: ",
    base64_encode(to_bytes(status)), "\r\n\r\n"
  )
  condition <- tryCatch(stop_unless_ok(list(headers = charToRaw(headers), status_code = 200L)), error = identity)
  expect_s3_class(condition, "rnnremote_invalid_argument")
  expect_identical(condition$fields, c(X = "has NaN"))
  expect_match(conditionMessage(condition), "wr\u00f6ng.*X: has NaN")
  lost <- list(headers = charToRaw("HTTP/2 200\r\n\r\n"), status_code = 200L)
  expect_error(stop_unless_ok(lost), class = "rnnremote_unavailable")
  other <- list(headers = charToRaw("HTTP/1.1 418 I'm a teapot\r\n\r\n"), status_code = 418L)
  expect_error(stop_unless_ok(other), "not a pytrainr server")
})

test_that("addresses mean TLS except on this machine", {
  expect_identical(new_connection("127.0.0.1:7272")$url, "http://127.0.0.1:7272")
  expect_identical(new_connection("example.org:7272")$url, "https://example.org:7272")
  expect_identical(new_connection("http://example.org:7272/")$url, "http://example.org:7272")
  expect_error(new_connection("example.org:7272", cacert = "/no/such/file.pem"), "there is no file")
})
