#' Models that the server keeps
#'
#' @param name A model's name: \code{"models/adder"} for its newest version, \code{"models/adder@@3"} or
#'   \code{"models/adder@@prod"} for a version or an alias. For \code{model_list} it lists the versions of that model;
#'   empty, the newest version of every model.
#' @param model A model of \code{\link{trainr}} or of \code{rnn::trainr}.
#' @param model_id It is stored as the next version of \code{"models/<model_id>"}.
#' @param alias A name such as \code{"prod"} that is to point at this version.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return \code{model_fetch}: the model. \code{model_store} and \code{model_alias}: the stored model's name.
#'   \code{model_list}: a data frame. \code{model_delete}: the number of versions deleted.
#' @export
model_fetch <- function(name, connection = NULL) {
  received_model(export_model(use_connection(connection), name))
}

# The fields of a stored model.
export_model <- function(connection, name) {
  request <- to_bytes(new_message("ExportModelRequest", name = name))
  with_patience(function() {
    join <- model_joiner(function_named)
    fields <- NULL
    grpc_call(connection, "ModelService/ExportModel", request, function(message) {
      fields <<- join(from_bytes("ModelPart", message))
    }, stream = TRUE)
    if (is.null(fields)) stop_status(14L, paste("the connection ended before all of", name, "had come"))
    fields
  })
}

#' @rdname model_fetch
#' @export
model_store <- function(model, model_id = "", connection = NULL) {
  connection <- use_connection(connection)
  part <- new_message("ModelPart", model = encode_model(model), last = TRUE)
  request <- new_message("ImportModelRequest", model_id = model_id, request_id = new_uuid(), part = part)
  with_patience(function() unary_call(connection, "ModelService/ImportModel", request, "StoredModel"))$name
}

#' @rdname model_fetch
#' @export
model_alias <- function(name, alias, connection = NULL) {
  request <- new_message("SetModelAliasRequest", name = name, alias = alias)
  unary_call(use_connection(connection), "ModelService/SetModelAlias", request, "StoredModel")$name
}

#' @rdname model_fetch
#' @export
model_list <- function(name = "", connection = NULL) {
  connection <- use_connection(connection)
  models <- all_pages(connection, "ModelService/ListModels", "ListModels", "models", parent = name)
  rows <- lapply(models, function(model) data.frame(
    name = model$name, alias = paste(model$alias, collapse = ", "), network_type = model$network_type,
    numepochs = model$numepochs, final_error = model$final_error,
    created = as.POSIXct(model$create_time, origin = "1970-01-01")
  ))
  do.call(rbind, rows)
}

#' @rdname model_fetch
#' @export
model_delete <- function(name, connection = NULL) {
  request <- new_message("DeleteModelRequest", name = name)
  unary_call(use_connection(connection), "ModelService/DeleteModel", request, "DeleteModelResponse")$deleted
}

# Every item of a list that comes in pages.
all_pages <- function(connection, method, name, field, ...) {
  items <- list()
  token <- ""
  repeat {
    request <- new_message(paste0(name, "Request"), page_size = 1000L, page_token = token, ...)
    page <- unary_call(connection, method, request, paste0(name, "Response"))
    items <- c(items, page[[field]])
    token <- page$next_page_token
    if (!nzchar(token)) return(items)
  }
}
