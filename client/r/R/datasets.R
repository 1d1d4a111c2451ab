#' Data sets that the server keeps
#'
#' Large arrays are sent to the server once; \code{\link{trainr}} knows by their hash what is there already.
#' \code{dataset_send} does so ahead of time and gives a name, which \code{trainr}, \code{\link{train_async}} and
#' \code{\link{predictr}} take in the array's place, in another session and on another machine as well.
#'
#' @param x An array (samples, time, variables), or a matrix (samples, time).
#' @param name \code{"datasets/<sha256>"} or the hash alone.
#' @param dim The dimensions of the array: (samples, time, variables).
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return \code{dataset_send}, \code{dataset}: something that stands for the array. \code{dataset_list}: a data frame,
#'   newest first. \code{dataset_delete}: the number of data sets deleted.
#' @examples
#' \dontrun{
#' inputs <- dataset_send(X)
#' model <- trainr(Y, inputs, learningrate = 0.1)
#' same <- dataset(inputs$name, dim = dim(X)) # elsewhere
#' }
#' @export
dataset_send <- function(x, connection = NULL) {
  connection <- use_connection(connection)
  x <- as_samples(x, "x")
  dataset(dataset_of(connection, x, server_info(connection)$chunk_bytes), dim(x), connection)
}

#' @rdname dataset_send
#' @export
dataset <- function(name, dim, connection = NULL) {
  name <- dataset_name(name)
  if (!is.numeric(dim) || !length(dim) %in% 2:3 || anyNA(dim) || any(dim < 1)) {
    stop("`dim` should be c(samples, time, variables), or c(samples, time) for one variable", call. = FALSE)
  }
  if (length(dim) == 2L) dim <- c(dim, 1L)
  request <- new_message("GetDatasetRequest", name = name)
  kept <- unary_call(use_connection(connection), "DatasetService/GetDataset", request, "Dataset")
  if (kept$size_bytes != 8 * prod(dim)) {
    stop("`dim` says ", prod(dim), " numbers, the data set has ", kept$size_bytes / 8, call. = FALSE)
  }
  structure(list(name = name, dim = as.integer(dim)), class = "rnnremote_dataset")
}

dataset_name <- function(name) {
  if (inherits(name, "rnnremote_dataset")) return(name$name)
  if (!is.character(name) || length(name) != 1L || !grepl("^(datasets/)?[0-9a-f]{64}$", name)) {
    stop("`name` should be a data set's name, \"datasets/<sha256>\", or the hash alone", call. = FALSE)
  }
  paste0("datasets/", sub("^datasets/", "", name))
}

#' @export
dim.rnnremote_dataset <- function(x) unclass(x)$dim

#' @export
length.rnnremote_dataset <- function(x) prod(dim(x))

#' @export
print.rnnremote_dataset <- function(x, ...) {
  cat("<", paste(dim(x), collapse = " x "), " numbers at the server: ", unclass(x)$name, ">\n", sep = "")
  invisible(x)
}

#' @rdname dataset_send
#' @export
dataset_list <- function(connection = NULL) {
  sets <- all_pages(use_connection(connection), "DatasetService/ListDatasets", "ListDatasets", "datasets")
  column <- function(field, none) vapply(sets, function(set) set[[field]], none)
  data.frame(
    name = column("name", ""), bytes = column("size_bytes", 0), created = as_time(column("create_time", 0)),
    expires = as_time(column("expire_time", 0))
  )
}

#' @rdname dataset_send
#' @export
dataset_delete <- function(name, connection = NULL) {
  request <- new_message("DeleteDatasetRequest", name = dataset_name(name))
  unary_call(use_connection(connection), "DatasetService/DeleteDataset", request, "DeleteDatasetResponse")$deleted
}

# Seconds since 1970 as R's time; 0 means never.
as_time <- function(seconds) as.POSIXct(ifelse(seconds > 0, seconds, NA_real_), origin = "1970-01-01")
