#' Choose the server
#'
#' Makes the connection that all other functions of this session use, and asks the server for its limits, so that a
#' wrong address, token or certificate shows at once. Without a call of this function the first use connects to what
#' the environment variables say.
#'
#' @param address \code{"host:port"}, which means TLS except on this very machine; \code{"host"}, the same at port 7272;
#'   or \code{"https://host:port"} or \code{"http://host:port"} (without TLS) spelled out. An IPv6 address is written in
#'   brackets, \code{"[::1]:7272"}. To this very machine calls never go through a proxy; elsewhere the environment
#'   variables \code{http_proxy}, \code{https_proxy} and \code{no_proxy} count. Default: the environment variable
#'   \code{TRAINR_ADDRESS}, or \code{"127.0.0.1:7272"}.
#' @param token The token that \code{pytrainr-server token create} has printed. Default: \code{TRAINR_TOKEN}.
#' @param cacert PEM file with the certificate of the authority that signed the server's. Default:
#'   \code{TRAINR_CACERT}; if that is not set either, the authorities that this machine trusts.
#' @param cert,key PEM files with the client's own certificate and key, for servers that ask for them (mutual TLS).
#' @param deadline Seconds that any one call may take, a whole training included; then the call ends with a condition
#'   of class \code{rnnremote_deadline_exceeded} and its training is cancelled. Default: no limit.
#' @return The connection, invisibly. It can be given to the other functions as \code{connection = }, saved with
#'   \code{saveRDS}, and used in another session or on a worker of \code{parallel}. It holds the token.
#' @section Errors:
#' What the server refuses is an R error whose classes are \code{rnnremote_<status>} (\code{rnnremote_invalid_argument},
#' \code{rnnremote_unauthenticated}, \code{rnnremote_unavailable} and so on, in gRPC's words) and
#' \code{rnnremote_error}. It holds \code{status}, \code{code}, \code{fields} (a named character vector: what is wrong
#' with which argument), \code{reason} and \code{retry_delay} (seconds).
#' @examples
#' \dontrun{
#' trainr_connect("trainr.example.org:7272", token = "...", cacert = "authority.pem")
#' tryCatch(
#'   trainr(Y, X, learningrate = -1),
#'   rnnremote_invalid_argument = function(e) e$fields
#' )
#' }
#' @export
trainr_connect <- function(address = Sys.getenv("TRAINR_ADDRESS", "127.0.0.1:7272"),
                           token = Sys.getenv("TRAINR_TOKEN"),
                           cacert = Sys.getenv("TRAINR_CACERT"), cert = NULL, key = NULL, deadline = Inf) {
  connection <- new_connection(address, token, cacert, cert, key, deadline)
  here <- live(connection)
  here$info <- NULL # it may be another server by now
  server_info(connection)
  session$connection <- connection
  invisible(connection)
}

session <- new.env(parent = emptyenv())

# A connection is plain data, which may be saved, and used in another session or process. What belongs to this process
# alone (curl's handle, the server's limits) is kept apart, see live().
new_connection <- function(address, token = "", cacert = "", cert = NULL, key = NULL, deadline = Inf) {
  where <- parse_address(address)
  tls <- if (nzchar(where$scheme)) where$scheme == "https" else !where$loopback || nzchar(cacert)
  for (file in c(cacert[nzchar(cacert)], cert, key)) {
    if (!file.exists(file)) stop("there is no file ", file, call. = FALSE)
  }
  structure(class = "rnnremote_connection", list(
    url = paste0(if (tls) "https://" else "http://", where$target),
    tls = tls,
    loopback = where$loopback,
    token = token,
    cacert = if (nzchar(cacert)) normalizePath(cacert),
    cert = if (!is.null(cert)) normalizePath(cert),
    key = if (!is.null(key)) normalizePath(key),
    deadline = deadline
  ))
}

#' @export
print.rnnremote_connection <- function(x, ...) {
  cat("<connection with the pytrainr server at ", x$url, ">\n", sep = "")
  invisible(x)
}

# The connection that was given, or the session's, which is made now if need be.
use_connection <- function(connection = NULL) {
  if (is.null(connection)) connection <- session$connection
  if (is.null(connection)) connection <- trainr_connect()
  if (!inherits(connection, "rnnremote_connection")) {
    stop("`connection` should be what trainr_connect() returned, it is of class ", class(connection)[1], call. = FALSE)
  }
  connection
}

# What this process has for a connection: an environment with `handle`, curl's, and `info`, the server's limits once
# they are known. Neither can be saved or shared with a forked process, so they are made where they are needed.
live <- function(connection) {
  if (!identical(session$pid, Sys.getpid())) {
    session$pid <- Sys.getpid()
    session$live <- list()
  }
  key <- paste(c(connection$url, connection$token, connection$cacert, connection$cert, connection$key), collapse = " ")
  if (is.null(session$live[[key]])) {
    session$live[[key]] <- list2env(list(handle = curl::new_handle(), info = NULL, sent = list()), parent = emptyenv())
  }
  session$live[[key]]
}

# The server's limits, asked for once.
server_info <- function(connection) {
  here <- live(connection)
  if (is.null(here$info)) {
    here$info <- unary_call(
      connection, "ServerInfoService/GetServerInfo", new_message("GetServerInfoRequest"), "ServerInfo",
      deadline = min(connection$deadline, 20)
    )
  }
  here$info
}

# gRPC is HTTP/2, which libcurl can be built without.
need_http2 <- function(version = curl::curl_version()) {
  if (isTRUE(version$http2)) return(invisible())
  stop("the libcurl that R uses here (", version$version, ") has no HTTP/2, which calls of a server need. ",
    "Windows and macOS: install.packages(\"curl\") brings one that has. Linux: install a libcurl with nghttp2 ",
    "(Debian and Ubuntu: libcurl4), and the package curl again",
    call. = FALSE
  )
}

# A random UUID. It must not touch the random stream of the script, which is as reproducible as with rnn.
new_uuid <- function() {
  session$uuids <- if (is.null(session$uuids)) 1 else session$uuids + 1
  scratch <- tempfile("rnnremote")
  on.exit(unlink(scratch))
  noise <- if (file.exists("/dev/urandom")) {
    device <- file("/dev/urandom", "rb", raw = TRUE)
    on.exit(close(device), add = TRUE)
    readBin(device, raw(), 16L)
  }
  here <- c(scratch, Sys.getpid(), Sys.info()[["nodename"]], format(Sys.time(), "%Y%m%d%H%M%OS6"), session$uuids)
  writeLines(c(here, as.character(noise)), scratch)
  digest <- unname(tools::md5sum(scratch))
  # Version 4, variant 1: as the standard for random UUIDs wants it.
  paste(
    substr(digest, 1, 8), substr(digest, 9, 12), paste0("4", substr(digest, 14, 16)),
    paste0("a", substr(digest, 18, 20)), substr(digest, 21, 32), sep = "-"
  )
}
