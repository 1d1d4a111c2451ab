# Addresses of a server, read by the rules of docs/addresses.md.

default_port <- 7272L

# The address as a list: `scheme` ("http", "https" or ""), `target` ("host:port" in lower case), `loopback`, whether
# only this machine can reach it. Stops, before anything is sent, for all that is no address.
parse_address <- function(text) {
  if (!is.character(text) || length(text) != 1L || is.na(text)) {
    stop("`address` should be one text, such as \"127.0.0.1:7272\"", call. = FALSE)
  }
  if (!nzchar(trimws(text))) text <- trimws(Sys.getenv("TRAINR_ADDRESS"))
  if (!nzchar(text)) text <- paste0("127.0.0.1:", default_port)
  rest <- trimws(text)
  if (grepl("^unix:", rest, ignore.case = TRUE)) stop_address(text, ", a socket, which R cannot reach")
  scheme <- ""
  if (grepl("^[A-Za-z][A-Za-z0-9+.-]*://", rest)) {
    scheme <- tolower(sub("://.*", "", rest))
    rest <- sub("^[^:]*://", "", rest)
  }
  if (!scheme %in% c("", "http", "https")) stop_address(text, paste0(", which begins with ", scheme, "://"))
  rest <- sub("/+$", "", rest)
  if (grepl("@", rest, fixed = TRUE)) {
    stop_address(text, ", which has a user's name: the token has an argument of its own")
  }
  if (grepl("/", rest, fixed = TRUE)) stop_address(text, ", which has a path")
  if (grepl("?", rest, fixed = TRUE)) stop_address(text, ", which has a query")
  if (!grepl("^(\\[[^][]*\\]|[^]:[]*)(:.*)?$", rest)) stop_address(text)
  host <- parse_host(sub("^(\\[[^][]*\\]|[^]:[]*).*$", "\\1", rest), text)
  port <- parse_port(substring(rest, nchar(host$written) + 1L), scheme, host$name, text)
  list(scheme = scheme, target = paste0(host$name, ":", port), loopback = host$loopback)
}

stop_address <- function(text, what = "") {
  stop("`address` is \"", text, "\"", what, "; it should be \"host:port\" (such as \"127.0.0.1:", default_port,
    "\"), \"http://host:port\" or \"https://host:port\"; an IPv6 address is written in brackets, \"[::1]:",
    default_port, "\"",
    call. = FALSE
  )
}

# The host in lower case, and whether it is this machine: 127.example.org is somebody else's.
parse_host <- function(written, text) {
  name <- sub("[.]$", "", tolower(written))
  if (!nzchar(name)) stop_address(text, ", which names no host")
  if (startsWith(name, "[")) {
    words <- ipv6_words(substr(name, 2L, nchar(name) - 1L))
    if (is.null(words)) stop_address(text, paste0(", but ", written, " is no IPv6 address"))
    mapped <- all(words[1:5] == 0L) && words[6] == 65535L && words[7] %/% 256L == 127L
    return(list(written = written, name = name, loopback = mapped || identical(words, c(integer(7), 1L))))
  }
  if (grepl("^[0-9.]+$", name)) {
    if (!is_ipv4(name)) stop_address(text, paste0(", but ", written, " is no IP address"))
    return(list(written = written, name = name, loopback = startsWith(name, "127.")))
  }
  if (!grepl("^[[:alnum:]_]([[:alnum:]_-]*[[:alnum:]_])?([.][[:alnum:]_]([[:alnum:]_-]*[[:alnum:]_])?)*$", name)) {
    stop_address(text, paste0(", but \"", written, "\" is no name of a host"))
  }
  list(written = written, name = name, loopback = name == "localhost")
}

is_ipv4 <- function(text) {
  if (!grepl("^(0|[1-9][0-9]{0,2})([.](0|[1-9][0-9]{0,2})){3}$", text)) return(FALSE)
  all(as.integer(strsplit(text, ".", fixed = TRUE)[[1]]) <= 255L)
}

# The eight words of an IPv6 address, NULL for what is none.
ipv6_words <- function(text) {
  if (grepl("[.]", text)) { # the last two words as IPv4
    ipv4 <- sub(".*:", "", text)
    if (!is_ipv4(ipv4)) return(NULL)
    bytes <- as.integer(strsplit(ipv4, ".", fixed = TRUE)[[1]])
    words <- sprintf("%x:%x", bytes[1] * 256L + bytes[2], bytes[3] * 256L + bytes[4])
    text <- paste0(sub("[^:]*$", "", text), words)
  }
  halves <- regmatches(text, gregexpr("::", text, fixed = TRUE), invert = TRUE)[[1]]
  if (length(halves) > 2L) return(NULL)
  parts <- lapply(halves, function(half) {
    if (nzchar(half)) strsplit(paste0(half, ":"), ":", fixed = TRUE)[[1]] else character()
  })
  count <- sum(lengths(parts))
  if (!all(grepl("^[0-9a-f]{1,4}$", unlist(parts))) || count > 8L || (length(halves) == 1L && count != 8L)) return(NULL)
  if (length(halves) == 2L && count == 8L) return(NULL)
  words <- lapply(parts, strtoi, base = 16L)
  if (length(halves) == 2L) words <- list(words[[1]], integer(8L - count), words[[2]])
  as.integer(unlist(words))
}

parse_port <- function(written, scheme, name, text) {
  if (!nzchar(written)) {
    if (!nzchar(scheme)) return(default_port)
    stop("`address` is \"", text, "\", which has no port: ", scheme, "://", name, ":", default_port,
      " is a pytrainr server's own, ", scheme, "://", name, if (scheme == "https") ":443" else ":80",
      " a web server's in front of it",
      call. = FALSE
    )
  }
  port <- substring(written, 2L)
  if (!grepl("^[0-9]{1,9}$", port) || as.integer(port) > 65535L) {
    stop_address(text, paste0(", but \"", port, "\" is no port, a whole number up to 65535"))
  }
  as.integer(port)
}
