# Models: R's list here, trainr.v1.Model on the wire.

# As large as the training data; in the list only with keep_store = TRUE.
training_sized <- c("store", "store_best", "last_layer_error", "last_layer_delta")

# Whether fields hold weights, or what update rules keep in the shape of the weights.
are_weights <- function(names) grepl("^(time|recurrent|bias)_synapse", names)

# Whether fields are set by training; all else in the list is the caller's own and stays as the caller gave it.
are_trained <- function(names) {
  are_weights(names) | names %in% c(
    training_sized, "learningrate", "time_dim_input", "error", "current_epoch",
    "updates_done", "groups_done", "validated" # exact = TRUE
  )
}

dimension_fields <- c("hidden_dim", "synapse_dim")
count_fields <- c("input_dim", "output_dim", "time_dim", "time_dim_input", "current_epoch", "numepochs")
flag_fields <- c("use_bias", "seq_to_seq_unsync")

sent_extra_bytes <- 65536 # larger values of the caller's own stay here: the server has no use for them

# One field of a model as an Option, in the form the server wants: weights are arrays even of length 1, dimensions are
# whole numbers whatever R's type.
encode_field <- function(value, name) {
  if (are_weights(name)) {
    tensors <- lapply(value, function(x) new_message("Value", tensor_value = encode_array(x)))
    value <- new_message("Value", list_value = new_message("ValueList", value = tensors))
  } else if (name %in% c(training_sized, "error")) {
    value <- new_message("Value", tensor_value = encode_array(value))
  } else if (name %in% dimension_fields) {
    value <- encode_value(as.list(as.integer(value)), name)
  } else {
    if (name %in% count_fields) value <- as.integer(value)
    if (name %in% flag_fields) value <- as.logical(value)
    value <- encode_value(value, name, function(f) {
      known <- known_function(f)
      if (is.null(known)) "callers_own_function" else known
    })
  }
  new_message("Option", name = name, value = value)
}

# A model as a message, without what is as large as its training data.
encode_model <- function(model) {
  if (!is.list(model) || is.null(model$time_synapse)) {
    stop("`model` should be what trainr() returned, or the name of a model on the server such as \"models/adder\"",
      call. = FALSE
    )
  }
  kept <- unclass(model)[setdiff(names(model), c(training_sized, "exact"))]
  kept <- kept[names(kept) %in% r_fields | are_trained(names(kept)) | vapply(kept, can_be_sent, NA)]
  new_message("Model",
    field = unname(Map(encode_field, kept, names(kept))),
    exact = isTRUE(model$exact),
    mean_error = attr(model, "error")
  )
}

r_fields <- c(
  "input_dim", "hidden_dim", "output_dim", "synapse_dim", "time_dim", "sigmoid", "network_type", "numepochs",
  "batch_size", "learningrate", "learningrate_decay", "momentum", "update_rule", "use_bias", "seq_to_seq_unsync",
  "epoch_function", "loss_function"
)

# Whether a value of the caller's own has a form on the wire, and is small.
can_be_sent <- function(value) {
  if (utils::object.size(value) > sent_extra_bytes) return(FALSE)
  is.null(value) || (!is.object(value) && (
    is.numeric(value) || is.logical(value) || is.character(value) ||
      (is.list(value) && (is.null(names(value)) || all(nzchar(names(value)))) && all(vapply(value, can_be_sent, NA)))
  ))
}

# The caller's list with what the server has trained put in: fields that it has already keep their place, new ones
# follow in the server's order, which is R's.
merge_trained <- function(local, received) {
  take <- names(received)[are_trained(names(received)) | !names(received) %in% names(local)]
  local[take] <- received[take]
  attr(local, "error") <- attr(received, "error")
  local
}

# A model that nobody here has arguments for: types as trainr() would have given them.
received_model <- function(received) {
  for (field in intersect(c(dimension_fields, "numepochs", "batch_size"), names(received))) {
    received[[field]] <- as.double(received[[field]])
  }
  if (!is.null(received$epoch_function) && !is.list(received$epoch_function)) {
    received$epoch_function <- list(received$epoch_function)
  }
  received
}
