#' Train the recurrent networks of package rnn on a server
#'
#' A script that uses the package \code{rnn} changes one line, \code{library(rnn)} to \code{library(rnnremote)}, and its
#' training runs on a pytrainr server: same arguments, same random numbers, same model, to the last bit.
#'
#' The server's address comes from \code{\link{trainr_connect}}, or from the environment variables
#' \code{TRAINR_ADDRESS}, \code{TRAINR_TOKEN} and \code{TRAINR_CACERT}.
#'
#' @section Options:
#' \describe{
#'   \item{\code{rnnremote.progress}}{whether \code{trainr} shows how far an epoch has come, and \code{trainr_many} how far all
#'     models are (default: in interactive sessions).}
#'   \item{\code{rnnremote.bare_list}}{\code{TRUE}: models are the bare lists of \code{rnn}, without a class (default
#'     \code{FALSE}); see \code{\link{trainr-methods}}.}
#'   \item{\code{rnnremote.keep_data}}{bytes up to which a model keeps its training data for \code{fitted} and
#'     \code{residuals} (default 2^24).}
#'   \item{\code{rnnremote.keep_store_limit}}{bytes above which \code{keep_store = TRUE} is refused (default 2^30).}
#'   \item{\code{rnnremote.patience}}{seconds for which a server that has gone away is asked again (default 60).}
#' }
#' @examples
#' \dontrun{
#' trainr_server()
#' model <- trainr(Y, X, learningrate = 1, hidden_dim = 16, numepochs = 10)
#' }
#' @keywords internal
"_PACKAGE"

.onLoad <- function(libname, pkgname) {
  session$loaded_by <- Sys.getpid()
  directory <- system.file("proto", package = pkgname, lib.loc = libname)
  RProtoBuf::readProtoFiles2(list.files(directory, "[.]proto$", recursive = TRUE), protoPath = directory)
}

# The message type of that name.
proto <- function(name) RProtoBuf::P(paste0("trainr.v1.", name))

# A new message of that type; fields that are NULL stay unset.
new_message <- function(.type, ...) {
  fields <- Filter(Negate(is.null), list(...))
  do.call(RProtoBuf::new, c(list(proto(.type)), fields))
}

# The message's bytes.
to_bytes <- function(message) RProtoBuf::serialize(message, NULL)

# The message of the type `name` that these bytes hold.
from_bytes <- function(name, bytes) RProtoBuf::read(proto(name), bytes)
