# Models as files for elsewhere, which the server writes and reads.

#' A model as a file: for C, for ONNX, for Python
#'
#' \code{model_export} writes a trained network down for where there is neither R nor a server: as one file of C99 that
#' needs no library, as a graph for ONNX Runtime and all else that reads ONNX, or as the model file of \pkg{pytrainr},
#' which Python loads with \code{pytrainr.Model.load} and R with \code{model_import}. The file is made by the server and
#' holds the scale of a model that keeps one, so that raw numbers go in and come out.
#'
#' What a format cannot say is an error that names it, and no file is written. C takes the bias of \code{rnn}'s
#' arithmetic as it is, ONNX does not: it depends on the samples that are predicted together. For another session of R
#' \code{saveRDS} keeps all that a model has, the formula and the training data too, which no other file holds.
#'
#' @param model A model of \code{\link{trainr}} or of \code{rnn::trainr}, or the name of one on the server such as
#'   \code{"models/adder@@prod"}.
#' @param file The file to write or to read. One that is there is replaced only by a whole new one.
#' @param format \code{"trainr"} (the model file), \code{"rds"} (the list, for \code{readRDS}), \code{"c"} or
#'   \code{"onnx"}. Default: what the name of the file ends in.
#' @param name For C: what the names of its functions begin with. Default: the file's name without its ending.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return \code{model_export}: the path of the file, invisibly. \code{model_import}: the model.
#' @examples
#' \dontrun{
#' model_export(model, "adder.c")
#' system("cc -std=c99 -O2 -ffp-contract=off -DPYTRAINR_MAIN adder.c -lm -o adder && ./adder < X.csv")
#' model_export(model, "adder.onnx")
#' model_export("models/adder@@prod", "adder.trainr")
#' same <- model_import("adder.trainr")
#' }
#' @seealso \code{\link{model_store}} for models that the server keeps.
#' @export
model_export <- function(model, file, format = NULL, name = NULL, connection = NULL) {
  connection <- use_connection(connection)
  file <- as_path(file)
  format <- file_format(file, format)
  if (is.null(name)) name <- sub("[.][^.]*$", "", basename(file))
  name <- as_text(name, "name")
  who <- encode_computing(model, connection)
  request <- do.call(new_message, c(list("WriteModelFileRequest", format = format, name = name), who))
  beside <- tempfile(".model", dirname(file))
  on.exit(unlink(beside))
  with_patience(function() {
    to <- file(beside, "wb")
    on.exit(close(to))
    call_of_files(connection, "ModelService/WriteModelFile", to_bytes(request), function(message) {
      writeBin(from_bytes("ModelFilePart", message)$data, to)
    }, stream = TRUE)
  })
  if (!file.rename(beside, file)) stop("the file ", file, " cannot be written", call. = FALSE)
  invisible(file)
}

#' @rdname model_export
#' @export
model_import <- function(file, connection = NULL) {
  connection <- use_connection(connection)
  file <- as_path(file)
  if (!file.exists(file) || dir.exists(file)) stop("there is no file ", file, call. = FALSE)
  chunk_bytes <- server_info(connection)$chunk_bytes
  fields <- with_patience(function() {
    from <- file(file, "rb")
    on.exit(close(from))
    join <- model_joiner(function_named)
    fields <- NULL
    next_piece <- file_pieces(from, file.size(file), chunk_bytes)
    call_of_files(connection, "ModelService/ReadModelFile", next_piece, function(message) {
      fields <<- join(from_bytes("ModelPart", message))
    })
    fields
  })
  as_trained(received_model(fields))
}

# The numbers that the formats have on the wire.
file_formats <- c(trainr = 1L, rds = 2L, c = 3L, onnx = 4L)

file_format <- function(file, format) {
  given <- if (is.null(format)) tolower(tools::file_ext(file)) else format
  if (is.character(given) && length(given) == 1L && given %in% names(file_formats)) return(file_formats[[given]])
  known <- paste0("\"", names(file_formats), "\"", collapse = ", ")
  if (!is.null(format)) stop("`format` should be one of ", known, call. = FALSE)
  stop("`file` is ", file, ", which does not say what it is to be: let it end in one of ", known, ", or give `format`",
    call. = FALSE
  )
}

as_path <- function(file) {
  if (!is.character(file) || length(file) != 1L || is.na(file) || !nzchar(file)) {
    stop("`file` should be the path of a file", call. = FALSE)
  }
  file <- path.expand(file)
  if (!dir.exists(dirname(file))) stop("there is no directory ", dirname(file), call. = FALSE)
  file
}

# Returns the next ReadModelFileRequest's bytes each time it is called, NULL after the last.
file_pieces <- function(from, size, chunk_bytes) {
  sent <- -1
  function() {
    if (sent >= size) return(NULL)
    data <- readBin(from, raw(), chunk_bytes)
    message <- new_message("ReadModelFileRequest", size_bytes = if (sent < 0) size, data = data)
    sent <<- max(sent, 0) + length(data)
    if (length(data) == 0L) sent <<- Inf # it has become shorter; the server says so
    to_bytes(message)
  }
}

# A call that servers of before do not have.
call_of_files <- function(connection, method, ...) {
  tryCatch(grpc_call(connection, method, ...), rnnremote_unimplemented = function(condition) {
    stop("the server at ", connection$url, " is too old to write and read files of models; update it", call. = FALSE)
  })
}
