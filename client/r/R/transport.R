# gRPC with nothing but curl: a call is one HTTP/2 POST whose body holds the requests as frames; the answers come back
# the same way, and the status comes in the trailers.

frame_head_bytes <- 5

# A message as a frame: one byte "not compressed", the length in four bytes (big-endian), the message.
frame <- function(message) {
  c(as.raw(0L), writeBin(length(message), raw(), endian = "big"), message)
}

# Takes bytes as they come and calls on_message with each whole message. A frame may be split over many pieces, and one
# piece may hold many frames. Pieces are collected in a list and joined only when a message is complete.
unframer <- function(on_message) {
  pieces <- list()
  available <- 0
  needed <- frame_head_bytes
  function(bytes) {
    pieces[[length(pieces) + 1L]] <<- bytes
    available <<- available + length(bytes)
    if (available < needed) return(invisible())
    input <- rawConnection(do.call(c, pieces))
    on.exit(close(input))
    messages <- list()
    rest <- raw()
    needed <<- frame_head_bytes
    while (available >= frame_head_bytes) {
      head <- readBin(input, raw(), frame_head_bytes)
      size <- sum(as.integer(head[2:5]) * 256^(3:0))
      if (available < frame_head_bytes + size) {
        needed <<- frame_head_bytes + size
        rest <- head
        break
      }
      message <- readBin(input, raw(), size)
      if (head[1] == 1L) message <- memDecompress(message, "gzip")
      messages[[length(messages) + 1L]] <- message
      available <<- available - frame_head_bytes - size
    }
    # What is left begins the next call. It is put aside before on_message runs, which may be interrupted.
    pieces <<- list(c(rest, readBin(input, raw(), available - length(rest))))
    for (message in messages) on_message(message)
    invisible()
  }
}

# The body of a call for curl's readfunction: the frames one after another, made only when their turn comes.
# `next_message` returns the bytes of the next request, or NULL after the last.
body_reader <- function(next_message) {
  current <- raw()
  position <- 0
  function(size, ...) {
    if (position >= length(current)) {
      message <- next_message()
      if (is.null(message)) return(raw())
      current <<- frame(message)
      position <<- 0
    }
    piece <- current[seq.int(position + 1, min(position + size, length(current)))]
    position <<- position + length(piece)
    piece
  }
}

is_forked <- function() !identical(session$loaded_by, Sys.getpid())

# A curl handle for one call. `request` is a message's bytes, or a function as body_reader takes it.
prepare_handle <- function(handle, connection, request, deadline) {
  need_http2()
  curl::handle_reset(handle)
  options <- list(
    http_version = if (connection$tls) 4L else 5L, # HTTP/2 by agreement within TLS, or without asking
    noproxy = if (connection$loopback) "*",
    connecttimeout = 10L,
    tcp_keepalive = 1L,
    buffersize = 524288L,
    low_speed_limit = 0L, # a training may be silent for long
    timeout_ms = if (is.finite(deadline)) ceiling(deadline * 1000) + 500,
    cainfo = connection$cacert,
    sslcert = connection$cert,
    sslkey = connection$key,
    # Below version 8 libcurl cannot use a plaintext HTTP/2 connection twice.
    forbid_reuse = if (!connection$tls || is_forked()) 1L,
    # A forked process has a copy of its parent's connections, whose TLS goes on without it.
    fresh_connect = if (is_forked()) 1L
  )
  body <- if (is.function(request)) {
    list(post = 1L, readfunction = body_reader(request), upload_buffersize = 2^20)
  } else {
    framed <- frame(request)
    list(post = 1L, postfieldsize_large = length(framed), postfields = framed)
  }
  curl::handle_setopt(handle, .list = c(Filter(Negate(is.null), options), body))
  headers <- list(
    "content-type" = "application/grpc+proto",
    te = "trailers",
    Expect = "",
    "user-agent" = "rnnremote",
    authorization = if (nzchar(connection$token)) paste("Bearer", connection$token),
    "grpc-timeout" = if (is.finite(deadline)) paste0(format(ceiling(deadline * 1000), scientific = FALSE), "m")
  )
  do.call(curl::handle_setheaders, c(list(handle), Filter(Negate(is.null), headers)))
  handle
}

# Fetches the URL and calls `receive` with the bytes as they come.
#
# curl_fetch_stream would wait for the network even while libcurl 7 still holds bytes of a frame that came together with
# another: they would appear only with the next frame, half a second later. So this asks, again and again, at most
# fifty times a second while nothing comes.
fetch_stream <- function(url, receive, handle) {
  input <- curl::curl(url, handle = handle)
  on.exit(close(input))
  open(input, "rbf", blocking = FALSE)
  wait <- 0
  while (isIncomplete(input)) {
    bytes <- readBin(input, raw(), 262144L)
    if (length(bytes) > 0) {
      receive(bytes)
      wait <- 0
    } else {
      Sys.sleep(wait)
      wait <- min(wait + 0.001, 0.02)
    }
  }
  curl::handle_data(handle)
}

# One call. Calls on_message with the bytes of each answer as it comes; stops with a condition of the call's status
# unless that is OK.
#
# A stream has a connection of its own, so that other calls can be made while it runs; all other calls share one.
grpc_call <- function(connection, method, request, on_message, stream = FALSE, deadline = connection$deadline) {
  url <- paste0(connection$url, "/trainr.v1.", method)
  handle <- if (stream || is.function(request)) curl::new_handle() else live(connection)$handle
  prepare_handle(handle, connection, request, deadline)
  receive <- unframer(on_message)
  failure <- NULL # what on_message itself stopped with
  response <- tryCatch(
    if (stream) {
      guarded <- function(bytes) withCallingHandlers(receive(bytes), error = function(error) failure <<- error)
      fetch_stream(url, guarded, handle)
    } else {
      curl::curl_fetch_memory(url, handle)
    },
    error = function(error) {
      if (!is.null(failure)) stop(failure)
      # A server that refuses a call early may close it before libcurl is ready; its status has come all the same.
      early <- curl::handle_data(handle)
      if (is.null(last_headers(early$headers)[["grpc-status"]])) stop_connection(error, connection, deadline)
      early
    }
  )
  if (!stream && length(response$content) > 0) receive(response$content)
  stop_unless_ok(response)
}

# A call with one answer, as a message of the type `answer`.
unary_call <- function(connection, method, request, answer, deadline = connection$deadline) {
  result <- NULL
  bytes <- if (is.function(request)) request else to_bytes(request)
  grpc_call(connection, method, bytes, function(message) result <<- message, deadline = deadline)
  if (is.null(result)) stop_status(13L, paste(method, "was answered without a message"))
  from_bytes(answer, result)
}

# Tries again, less and less often, while the server is unavailable. Only for what may be done twice.
with_patience <- function(action, seconds = getOption("rnnremote.patience", 60)) {
  end <- Sys.time() + seconds
  wait <- 0.2
  repeat {
    outcome <- tryCatch(list(value = action()), rnnremote_unavailable = function(condition) condition)
    if (!inherits(outcome, "condition")) return(outcome$value)
    if (inherits(outcome, "rnnremote_tls") || Sys.time() + wait > end) stop(outcome)
    Sys.sleep(max(wait, outcome$retry_delay))
    wait <- min(wait * 2, 5)
  }
}

# Receives a stream to its end. After a broken connection it asks again, with what `next_request()` then says; `lost()` is
# called before. What on_message itself stops with ends it.
follow_stream <- function(connection, method, next_request, on_message, lost) {
  seen <- Sys.time()
  wait <- 0.2
  handling <- FALSE
  handler <- function(bytes) {
    handling <<- TRUE
    on_message(bytes)
    handling <<- FALSE
    seen <<- Sys.time()
    wait <<- 0.2
  }
  repeat {
    request <- to_bytes(next_request())
    failure <- tryCatch(
      {
        grpc_call(connection, method, request, handler, stream = TRUE)
        NULL
      },
      rnnremote_unavailable = identity
    )
    lost()
    if (is.null(failure)) return(invisible())
    patient <- Sys.time() <= seen + getOption("rnnremote.patience", 60)
    if (handling || inherits(failure, "rnnremote_tls") || !patient) stop(failure)
    Sys.sleep(max(wait, failure$retry_delay))
    wait <- min(wait * 2, 5)
  }
}
