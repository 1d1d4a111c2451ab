# Models: R's list here, trainr.v1.Model on the wire. The server gives every field the type that training gives it, so a
# list travels as it is; what the network computes, its arithmetic and every option, is in the list.

# As large as the training data; in the list only with keep_store = TRUE.
training_sized <- c("store", "store_best", "last_layer_error", "last_layer_delta")

# Whether fields hold weights, or what update rules keep in the shape of the weights.
are_weights <- function(names) {
  grepl("^(reverse_)?(time|recurrent|bias|peephole|projection)_synapse|^attention_(query|key|score)", names) |
    weights_of_layers(names)
}

# Whether fields are set by training in the arithmetic of rnn.
are_trained <- function(names) {
  are_weights(names) | names %in% c(training_sized, "learningrate", "time_dim_input", "error", "current_epoch")
}

dimension_fields <- c("hidden_dim", "synapse_dim")

r_fields <- c(
  "input_dim", "hidden_dim", "output_dim", "synapse_dim", "time_dim", "sigmoid", "network_type", "numepochs",
  "batch_size", "learningrate", "learningrate_decay", "momentum", "update_rule", "use_bias", "seq_to_seq_unsync",
  "epoch_function", "loss_function"
)

# Fields beyond R's own on which the arithmetic of rnn depends here.
r_extras <- c("clipping", "input_center", "input_scale", "output_center", "output_scale")

# Larger values of the caller's own stay here: for the arithmetic of rnn the server has no use for them.
small_bytes <- 65536

is_exact <- function(model) isTRUE(as.logical(model[["exact"]]))

# Fields as Options, those of the caller's own that need not travel as texts that stand for them.
encode_fields <- function(fields, whole, array = encode_array, other = stand_in) {
  needed <- whole | names(fields) %in% c(r_fields, r_extras) | are_trained(names(fields)) |
    vapply(fields, function(value) utils::object.size(value) <= small_bytes, NA)
  unname(Map(
    function(value, name, needed) {
      encoded <- if (needed) encode_value(value, name, array, other) else stays_here(name, value)
      new_message("Option", name = name, value = encoded)
    },
    fields, names(fields), needed
  ))
}

# A function of the caller's own keeps its place in the model, as a name.
stand_in <- function(field, x, what) {
  if (is.function(x)) new_message("Value", function_value = "callers_own_function") else stays_here(field, x)
}

# A model as a message, without the fields `without`. `whole`: with all that has a form on the wire, the caller's own
# included. `array` makes Tensors.
encode_model <- function(model, without = training_sized, whole = is_exact(model), array = encode_array) {
  if (!is.list(model) || (is.null(model[["time_synapse"]]) && is.null(model[["layers"]]))) {
    stop("`model` should be what trainr() returned, or the name of a model on the server such as \"models/adder\"",
      call. = FALSE
    )
  }
  fields <- unclass(model)[setdiff(names(model), without)]
  new_message("Model",
    field = encode_fields(fields, whole, array), exact = is_exact(model), mean_error = attr(model, "error")
  )
}

# A model to compute with: the caller's list as a message, large arrays uploaded; or the name of one at the server.
encode_computing <- function(model, connection, without = training_sized) {
  if (is.character(model)) return(list(stored_model = as_model_name(model, "model")))
  list(model = encode_model(model, without, array = function(x) send_array(connection, x)))
}

# Whether a field is still what the caller gave, though its R type or its attributes did not travel.
unchanged <- function(local, received) {
  if (is.character(received) && length(received) == 1L && startsWith(received, stays_here_mark)) return(TRUE)
  if (is.function(local)) return(is.function(received))
  if (is.list(local)) {
    # Lists whose items are single values of one type come back as vectors.
    return(length(local) == length(received) && (is.list(received) || is.atomic(received)) &&
      all(as.logical(unlist(Map(unchanged, local, received)))))
  }
  if (is.character(local) || is.character(received)) return(identical(as.vector(local), unlist(received)))
  if (is.null(local) || is.null(received)) return(length(local) == length(received))
  if (!is.atomic(local) || !is.atomic(received) || length(local) != length(received)) return(FALSE)
  local <- as.vector(local)
  all((is.na(local) & is.na(received)) | (!is.na(local) & !is.na(received) & local == received))
}

# The caller's list with what the server has put in: fields that it has already keep their place, new ones follow in the
# server's order, which is R's. What has not changed stays as the caller gave it, in R's types and with attributes; so
# do functions. With `first`, arguments that do not become fields (validation) go.
merge_trained <- function(local, received, first = FALSE) {
  if (first) local[setdiff(names(local), c(names(received), training_sized, function_fields))] <- NULL
  names <- setdiff(names(received), function_fields)
  kept <- names %in% names(local) & !are_weights(names) & !names %in% c(training_sized, "error", "layers")
  kept[kept] <- vapply(names[kept], function(name) unchanged(local[[name]], received[[name]]), NA)
  local[names[!kept]] <- received[names[!kept]]
  attr(local, "error") <- attr(received, "error")
  local
}

function_fields <- c("epoch_function", "loss_function")

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
