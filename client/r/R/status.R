# How a call ended: gRPC statuses as R conditions.

status_names <- c(
  "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
  "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"
)

# Stops with a condition whose classes are rnnremote_<status in lower case> and rnnremote_error.
#   status, code: name and number of the gRPC status
#   fields: named character vector, for each wrong argument what it is and should be
#   reason: the server's constant for the error, such as "DIVERGED"; metadata: a list of texts with more about it
#   retry_delay: seconds after which the server asks to try again
stop_status <- function(code, message, details = list(), class = NULL) {
  status <- if (code + 1L <= length(status_names)) status_names[code + 1L] else "UNKNOWN"
  stop(structure(
    class = c(class, paste0("rnnremote_", tolower(status)), "rnnremote_error", "error", "condition"),
    c(list(message = message, call = NULL, status = status, code = code), details)
  ))
}

# Stops with a condition of our own that no gRPC status stands for.
stop_condition <- function(class, message) {
  stop(structure(class = c(class, "rnnremote_error", "error", "condition"), list(message = message, call = NULL)))
}

# Stops unless the trailers of a response say OK.
stop_unless_ok <- function(response) {
  trailers <- last_headers(response$headers)
  code <- suppressWarnings(as.integer(trailers[["grpc-status"]]))
  if (length(code) != 1L || is.na(code)) stop_without_status(response$status_code)
  if (code == 0L) return(invisible())
  # Cancelled by nobody here, and without a word: so ends a call that comes just as the server goes down.
  if (code == 1L && is.null(trailers[["grpc-status-details-bin"]])) code <- 14L
  details <- error_details(trailers[["grpc-status-details-bin"]])
  message <- utils::URLdecode(paste0(trailers[["grpc-message"]], ""))
  Encoding(message) <- "UTF-8"
  message <- if (is.null(details$message)) in_r_words(message) else details$message
  details$message <- NULL
  unsaid <- details$fields[!vapply(details$fields, grepl, NA, x = message, fixed = TRUE)]
  if (length(unsaid) > 0) message <- paste(c(message, paste0("  ", names(unsaid), ": ", unsaid)), collapse = "\n")
  stop_status(code, message, details)
}

# The last block of headers: after a body these are the trailers.
last_headers <- function(headers) {
  blocks <- Filter(length, curl::parse_headers(headers, multiple = TRUE))
  if (length(blocks) == 0) return(list())
  curl::parse_headers_list(blocks[[length(blocks)]])
}

# No gRPC status at all: something other than the server answered, or the connection ended early.
stop_without_status <- function(http_status) {
  code <- switch(as.character(http_status),
    "200" = 14L, "401" = 16L, "403" = 7L, "404" = 12L, "429" = , "502" = , "503" = , "504" = 14L, 2L
  )
  text <- if (code == 14L) "the connection ended before the server had finished its answer"
  else paste0("this is not a pytrainr server: it answered with the HTTP status ", http_status)
  stop_status(code, text)
}

# The connection failed: no server there, a certificate that is not trusted, or the deadline.
stop_connection <- function(error, connection, deadline) {
  text <- conditionMessage(error)
  if (is.finite(deadline) && grepl("time.?out|timed out", text, ignore.case = TRUE)) {
    stop_status(4L, paste0("no answer within the deadline of ", deadline, " seconds"))
  }
  if (grepl("SSL|TLS|certificate", text)) {
    stop_status(14L, class = "rnnremote_tls", paste0(
      "no trust between this machine and ", connection$url, ": ", text,
      ". Give trainr_connect() the right `cacert` (the certificate of the authority that signed the server's), and ",
      "`cert` and `key` if the server asks its clients for certificates."
    ))
  }
  stop_status(14L, paste0(
    "no connection with ", connection$url, ": ", text, ". Is pytrainr-server running there? See ?trainr_connect."
  ))
}

# What the trailer grpc-status-details-bin says: a google.rpc.Status in base64.
error_details <- function(text) {
  details <- list(fields = character(), reason = "", retry_delay = 0, metadata = list())
  if (is.null(text)) return(details)
  for (any in from_bytes("Status", base64_decode(text))$details) {
    switch(sub(".*/", "", any$type_url),
      google.rpc.BadRequest = for (violation in from_bytes("BadRequest", any$value)$field_violations) {
        details$fields[violation$field] <- in_r_words(violation$description)
      },
      trainr.v1.ArgumentError = {
        error <- from_bytes("ArgumentError", any$value)
        details$message <- details$said[[error$argument]] <- argument_message(error)
      },
      google.rpc.ErrorInfo = {
        info <- from_bytes("ErrorInfo", any$value)
        details$reason <- info$reason
        for (entry in info$metadata) details$metadata[[entry$key]] <- entry$value
      },
      google.rpc.RetryInfo = {
        delay <- from_bytes("RetryInfo", any$value)$retry_delay
        details$retry_delay <- delay$seconds + delay$nanos / 1e9
      }
    )
  }
  details$fields[names(details$said)] <- unlist(details$said)
  details$said <- NULL
  details
}
