# Arrays on their way to the server.

# X or Y as a Tensor: within the request where it is small, else uploaded as a dataset.
send_array <- function(connection, x) {
  info <- server_info(connection)
  if (8 * length(x) <= info$inline_bytes) return(encode_array(x))
  dataset <- upload_dataset(connection, x, info$chunk_bytes)
  new_message("Tensor", dim = dim(x), element_type = 1L, element_order = column_major, dataset = dataset)
}

# Uploads the numbers of x in pieces and returns the dataset's name. A broken upload goes on where it stopped.
upload_dataset <- function(connection, x, chunk_bytes) {
  size <- 8 * length(x)
  upload_id <- new_uuid()
  first_attempt <- TRUE
  dataset <- with_patience(function() {
    offset <- if (first_attempt) 0 else committed_bytes(connection, upload_id)
    first_attempt <<- FALSE
    next_piece <- upload_pieces(x, upload_id, size, offset, chunk_bytes)
    unary_call(connection, "DatasetService/UploadDataset", next_piece, "Dataset")
  })
  dataset$name
}

committed_bytes <- function(connection, upload_id) {
  request <- new_message("GetUploadRequest", upload_id = upload_id)
  # A whole number of doubles.
  unary_call(connection, "DatasetService/GetUpload", request, "Upload")$committed_bytes %/% 8 * 8
}

# Returns the next UploadDatasetRequest's bytes each time it is called, NULL after the last.
upload_pieces <- function(x, upload_id, size, offset, chunk_bytes) {
  position <- offset / 8
  step <- max(chunk_bytes %/% 8, 1)
  first <- TRUE
  function() {
    if (!first && position >= length(x)) return(NULL)
    end <- min(position + step, length(x))
    data <- writeBin(as.double(if (end > position) x[(position + 1):end]), raw(), endian = "little")
    message <- if (first) {
      new_message("UploadDatasetRequest", upload_id = upload_id, size_bytes = size, offset = offset, data = data)
    } else {
      new_message("UploadDatasetRequest", data = data)
    }
    first <<- FALSE
    position <<- end
    to_bytes(message)
  }
}
