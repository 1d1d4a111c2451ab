# Arrays on their way to the server.

# An array as a Tensor: within the request where it is small, else as a dataset at the server, which is sent once.
send_array <- function(connection, x) {
  if (inherits(x, "rnnremote_dataset")) return(tensor_of(dim(x), x$name))
  info <- server_info(connection)
  shared <- connection$shared
  if (8 * length(x) <= min(info$inline_bytes, shared$inline_bytes)) return(encode_array(x))
  for (sent in shared$sent) if (identical(sent$x, x, num.eq = FALSE, single.NA = FALSE)) return(sent$tensor)
  tensor <- tensor_of(if (is.null(dim(x))) length(x) else dim(x), dataset_of(connection, x, info$chunk_bytes))
  if (!is.null(shared)) shared$sent <- c(shared$sent, list(list(x = x, tensor = tensor)))
  tensor
}

# The same connection for many trainings that go to the server together: arrays of more than `inline_bytes` go ahead, and
# those that several of the trainings share only once.
sharing <- function(connection, inline_bytes) {
  connection$shared <- list2env(list(inline_bytes = inline_bytes, sent = list()), parent = emptyenv())
  connection
}

# An array that lies at the server.
tensor_of <- function(dim, dataset) {
  new_message("Tensor", dim = dim, element_type = 1L, element_order = column_major, dataset = dataset)
}

# The name of the dataset with the numbers of x. It is known by its hash, so only what the server lacks is uploaded.
dataset_of <- function(connection, x, chunk_bytes) {
  sha256 <- sha256_of(x)
  name <- paste0("datasets/", sha256)
  if (nzchar(sha256) && has_dataset(connection, name)) return(name)
  upload_dataset(connection, x, sha256, chunk_bytes)
}

has_dataset <- function(connection, name) {
  request <- new_message("GetDatasetRequest", name = name)
  with_patience(function() {
    tryCatch(
      {
        dataset <- unary_call(connection, "DatasetService/GetDataset", request, "Dataset")
        dataset$expire_time > as.numeric(Sys.time()) + 3600 # else uploading it keeps it for longer
      },
      rnnremote_not_found = function(condition) FALSE
    )
  })
}

# The SHA-256 of the numbers of x, as R or the system's own program computes it; "" where neither can.
sha256_of <- function(x) {
  file <- tempfile("rnnremote")
  on.exit(unlink(file))
  writeBin(as.double(x), file, endian = "little")
  if (exists("sha256sum", asNamespace("tools"))) return(unname(get("sha256sum", asNamespace("tools"))(file)))
  for (command in sha256_commands) {
    program <- Sys.which(command[1])
    if (!nzchar(program)) next
    printed <- tryCatch(
      system2(program, sub("FILE", shQuote(file), command[-1], fixed = TRUE), stdout = TRUE, stderr = FALSE),
      error = function(error) character(), warning = function(warning) character()
    )
    found <- grep("^\\\\?[0-9a-f]{64}( |$)", gsub("\r", "", printed), value = TRUE)
    if (length(found) == 1L) return(sub("^\\\\?([0-9a-f]{64}).*", "\\1", found))
  }
  ""
}

sha256_commands <- list(
  c("sha256sum", "FILE"), c("shasum", "-a", "256", "FILE"), c("openssl", "dgst", "-sha256", "-r", "FILE"),
  c("certutil", "-hashfile", "FILE", "SHA256") # Windows
)

# Uploads the numbers of x in pieces and returns the dataset's name. A broken upload goes on where it stopped.
upload_dataset <- function(connection, x, sha256, chunk_bytes) {
  size <- 8 * length(x)
  upload_id <- new_uuid()
  first_attempt <- TRUE
  dataset <- with_patience(function() {
    offset <- if (first_attempt) 0 else committed_bytes(connection, upload_id)
    first_attempt <<- FALSE
    next_piece <- upload_pieces(x, upload_id, size, offset, chunk_bytes, sha256)
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
upload_pieces <- function(x, upload_id, size, offset, chunk_bytes, sha256 = "") {
  position <- offset / 8
  step <- max(chunk_bytes %/% 8, 1)
  first <- TRUE
  function() {
    if (!first && position >= length(x)) return(NULL)
    end <- min(position + step, length(x))
    data <- writeBin(as.double(if (end > position) x[(position + 1):end]), raw(), endian = "little")
    message <- if (first) {
      new_message("UploadDatasetRequest",
        upload_id = upload_id, sha256 = sha256, size_bytes = size, offset = offset, data = data
      )
    } else {
      new_message("UploadDatasetRequest", data = data)
    }
    first <<- FALSE
    position <<- end
    to_bytes(message)
  }
}
