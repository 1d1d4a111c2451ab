#' Models that the server keeps
#'
#' @param name A model's name: \code{"models/adder"} for its newest version, \code{"models/adder@@3"} or
#'   \code{"models/adder@@prod"} for a version or an alias. For \code{model_list} it lists the versions of that model;
#'   empty, the newest version of each.
#' @param model A model of \code{\link{trainr}} or of \code{rnn::trainr}.
#' @param model_id It is stored as the next version of \code{"models/<model_id>"}.
#' @param alias A name such as \code{"prod"} that is to point at this version.
#' @param remove Takes the alias away instead.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return \code{model_fetch}: the model. \code{model_store} and \code{model_alias}: the stored model's name.
#'   \code{model_list}: a data frame, newest first. \code{model_delete}: the number of versions deleted.
#' @examples
#' \dontrun{
#' model_store(model, "adder") # "models/adder@@1"
#' model_alias("models/adder", "prod")
#' model_list(pattern = "adder")
#' predictr("models/adder@@prod", X)
#' model <- model_fetch("models/adder@@prod")
#' model_delete("models/adder@@1")
#' }
#' @export
model_fetch <- function(name, connection = NULL) {
  name <- as_model_name(name)
  as_trained(received_model(stored_fields(use_connection(connection), name)))
}

# The name of a model at the server; what is none is said here, where the argument is known.
as_model_name <- function(name, argument = "name") {
  name <- as_text(name, argument)
  if (startsWith(name, "models/")) return(name)
  stop("`", argument, "` is \"", name, "\": a model at the server has a name such as \"models/adder\", ",
    "\"models/adder@3\" or \"models/adder@prod\"",
    call. = FALSE
  )
}

as_text <- function(x, name) {
  if (is.character(x) && length(x) == 1L && !is.na(x)) return(x)
  stop("`", name, "` should be one text", call. = FALSE)
}

as_since <- function(since) {
  time <- tryCatch(as.POSIXct(since), error = function(error) NA)
  if (length(time) == 1L && !is.na(time)) return(time)
  stop("`since` should be a time, such as Sys.time() - 3600, Sys.Date() or \"2024-01-31\"", call. = FALSE)
}

# The fields of a stored model.
stored_fields <- function(connection, name) {
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
  model_id <- as_text(model_id, "model_id")
  part <- new_message("ModelPart", model = encode_model(model), last = TRUE)
  request <- new_message("ImportModelRequest", model_id = model_id, request_id = new_uuid(), part = part)
  with_patience(function() unary_call(connection, "ModelService/ImportModel", request, "StoredModel"))$name
}

#' @rdname model_fetch
#' @export
model_alias <- function(name, alias, remove = FALSE, connection = NULL) {
  request <- new_message("SetModelAliasRequest",
    name = as_model_name(name), alias = as_text(alias, "alias"), remove = as_flag(remove, "remove")
  )
  unary_call(use_connection(connection), "ModelService/SetModelAlias", request, "StoredModel")$name
}

#' @rdname model_fetch
#' @param named \code{TRUE}: models that somebody has given a name (\code{model_id}, \code{model_store}) or an alias.
#'   \code{FALSE}: those that single trainings left behind, which go by themselves some day. \code{NA}: all.
#' @param pattern A regular expression that the name or an alias matches.
#' @param network_type \code{"rnn"}, \code{"gru"} or others: only networks of these types.
#' @param since A time (\code{POSIXct}, \code{Date}): only models stored since then.
#' @export
model_list <- function(name = "", named = TRUE, pattern = NULL, network_type = NULL, since = NULL, connection = NULL) {
  connection <- use_connection(connection)
  name <- if (identical(name, "")) "" else as_model_name(name)
  since <- if (!is.null(since)) as_since(since)
  models <- all_pages(connection, "ModelService/ListModels", "ListModels", "models", parent = name)
  rows <- as_rows(models, function(model) {
    data.frame(
      name = model$name, alias = paste(model$alias, collapse = ", "), network_type = model$network_type,
      exact = model$exact, numepochs = model$numepochs, final_error = model$final_error,
      created = as_time(model$create_time), expires = as_time(model$expire_time)
    )
  })
  rows <- rows[order(rows$created, decreasing = TRUE), ]
  keep <- rep(TRUE, nrow(rows))
  if (!is.null(pattern)) keep <- grepl(pattern, rows$name) | grepl(pattern, rows$alias)
  if (!is.null(network_type)) keep <- keep & rows$network_type %in% network_type
  if (!is.null(since)) keep <- keep & rows$created >= since
  if (!nzchar(name) && !is.na(named)) {
    has_name <- is.na(rows$expires) | nzchar(rows$alias)
    others <- sum(keep & has_name != named)
    if (named && others > 0) message(others, " more of single trainings: model_list(named = FALSE)")
    keep <- keep & has_name == named
  }
  rows <- rows[keep, ]
  rownames(rows) <- NULL
  rows
}

# A data frame with a row for each item; without items one of the same columns.
as_rows <- function(items, row) {
  if (length(items) > 0) return(do.call(rbind, lapply(items, row)))
  row(list(
    name = "", alias = "", network_type = "", exact = FALSE, numepochs = 0, final_error = 0, create_time = 0,
    expire_time = 0, start_time = 0, end_time = 0, progress = 0, error_message = "", error_reason = "", state = 1L,
    epoch = 0, mean_error = 0, model = "", priority = 0L
  ))[0, ]
}

#' @rdname model_fetch
#' @export
model_delete <- function(name, connection = NULL) {
  request <- new_message("DeleteModelRequest", name = as_model_name(name))
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
