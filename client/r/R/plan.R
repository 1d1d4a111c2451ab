# What to train: the caller's arguments checked, as the list that becomes the model, and as the message for the server.
#   local: the model's list as far as the caller determines it
#   options: TrainingOptions
#   Y, X: arrays; model: the model to train further, if any

new_plan <- function(Y, X, given, extra, exact, keep_store, connection) {
  layer_attributes <- attributes_of_layers(Y, given$seq_to_seq_unsync)
  Y <- as_samples(Y, "Y")
  X <- as_samples(X, "X")
  functions <- as_functions(given$epoch_function)
  if (!is.null(given$epoch_function)) given$epoch_function <- functions
  check_extra(extra)
  exact <- as_flag(exact, "exact")
  if (exact && is.character(given$loss_function)) { # `loss` matches the argument's name in part, so it is one as well
    extra$loss <- given$loss_function
    given$loss_function <- loss_L1
  }
  # True gradients keep no states; predictr(hidden = TRUE) has them.
  keep_store <- as_flag(keep_store, "keep_store") && !exact
  if (identical(given$update_rule, "adagrad") && !exact) {
    message("adagrad update, loss function not used and momentum set to 0")
    given$momentum <- 0
  }
  if (anneals(functions) && !is.integer(given$learningrate_decay) && is.integer(given$learningrate)) {
    given$learningrate <- as.double(given$learningrate)
  }
  time_dim <- dim(X)[2] + if (isTRUE(as.logical(given$seq_to_seq_unsync))) dim(Y)[2] - 1L else 0L
  dimensions <- list(
    input_dim = dim(X)[3], hidden_dim = given$hidden_dim, output_dim = dim(Y)[3],
    synapse_dim = c(dim(X)[3], given$hidden_dim, dim(Y)[3]), time_dim = time_dim
  )
  local <- c(extra, dimensions, given)
  local <- local[c(names(extra), intersect(r_fields, names(local)[!vapply(local, is.null, NA)]))] # R has no field NULL
  if (keep_store) refuse_huge_store(local, dim(X)[1])
  options <- new_message("TrainingOptions",
    epoch_function = server_functions(functions),
    loss_function = loss_name(given$loss_function, unused = identical(given$update_rule, "adagrad") && !exact),
    keep_store = keep_store,
    exact = exact
  )
  set <- Filter(Negate(is.null), Map(wire_option, given[names(option_kinds)], option_kinds))
  for (name in names(set)) options[[name]] <- set[[name]]
  # What does not even have the right type for its field travels as it is, for the library to explain.
  extra <- c(extra, given[setdiff(names(option_kinds), names(set))])
  if (!is.null(extra[["layers"]])) options$layer <- known_layers(extra[["layers"]], connection)
  extra <- travelling(extra[names(extra) != "layers"])
  options$extra <- encode_fields(extra, exact, function(x) send_array(connection, x), stays_here)
  list(Y = Y, X = X, local = local, options = options, layer_attributes = layer_attributes)
}

# The layers as messages. A server of before would read over them, and train another network.
known_layers <- function(layers, connection) {
  messages <- layer_messages(layers)
  if (length(server_info(connection)$layers) == 0) {
    stop("`layers`: the server at ", connection$url, " is too old to know lists of layers; update it", call. = FALSE)
  }
  messages
}

# Options in the form in which they travel: a vector's names would not.
travelling <- function(extra) {
  if (!is.null(names(extra[["class_weight"]]))) extra$class_weight <- as.list(extra$class_weight)
  extra
}

# The options that have a field of their own in the message, and what goes into it.
option_kinds <- list(
  learningrate = "number", learningrate_decay = "number", momentum = "number", hidden_dim = "counts",
  network_type = "text", numepochs = "count", sigmoid = "text", use_bias = "flag", batch_size = "number",
  seq_to_seq_unsync = "flag", update_rule = "text"
)

# A value for a field of that kind; NULL where it is of another.
wire_option <- function(value, kind) {
  one <- length(value) == 1L && is.atomic(value) && !is.object(value) && !anyNA(value)
  whole <- is.numeric(value) && !is.object(value) && !anyNA(value) && all(abs(value) < 2^31 & value == round(value))
  switch(kind,
    number = if (one && is.numeric(value)) as.double(value),
    count = if (one && whole) as.double(value),
    counts = if (length(value) > 0L && whole) as.double(value),
    text = if (one && is.character(value)) value,
    flag = if (one && !is.na(as.logical(value))) as.logical(value) # as if () takes it
  )
}

as_flag <- function(x, name) {
  if (length(x) != 1L || !is.atomic(x) || is.na(as.logical(x))) {
    stop("`", name, "` should be TRUE or FALSE", call. = FALSE)
  }
  as.logical(x)
}

anneals <- function(functions) {
  any(vapply(functions, function(f) is_schedule(f) || identical(known_function(f), "epoch_annealing"), NA))
}

# The attributes that rnn's arrays of the output layer have from Y: Y * 0 keeps all of them.
attributes_of_layers <- function(Y, seq_to_seq_unsync) {
  if (is.array(Y) && length(dim(Y)) == 3L && !isTRUE(as.logical(seq_to_seq_unsync))) attributes(Y)
}

# What belongs to the data rather than to the model: all that a model to be trained further does not say itself.
options_of_data <- c("mask", "validation", "sample_weight", "initial_state")

retrain_plan <- function(Y, X, model, further, seq_to_seq_unsync, keep_store, connection) {
  Y <- as_samples(Y, "Y")
  X <- as_samples(X, "X")
  sent <- encode_computing(model, connection, c(training_sized, "error"))
  message("retraining, all options except X, Y and the model itself are ignored, error are reseted")
  local <- if (is.character(model)) model_fetch(model, connection = connection) else model
  functions <- as_functions(local[["epoch_function"]])
  if (!is.null(local[["epoch_function"]])) local[["epoch_function"]] <- functions
  loss_name(local[["loss_function"]], unused = identical(local[["update_rule"]], "adagrad") && !is_exact(local))
  keep_store <- as_flag(keep_store, "keep_store") && !is_exact(local)
  stored <- local[intersect(training_sized, names(local))]
  if (keep_store) refuse_huge_store(local, dim(X)[1]) else local[training_sized] <- NULL
  options <- new_message("TrainingOptions",
    seq_to_seq_unsync = as_flag(seq_to_seq_unsync, "seq_to_seq_unsync"), keep_store = keep_store,
    exact = is_exact(local)
  )
  further <- further[intersect(options_of_data, names(further))]
  if (is_exact(local)) options$extra <- encode_fields(further, TRUE, function(x) send_array(connection, x))
  list(Y = Y, X = X, local = local, options = options, model = sent, stored = stored)
}

# The Training of a plan, X and Y uploaded where they are large.
training_message <- function(plan, connection) {
  training <- new_message("Training",
    y = send_array(connection, plan$Y), x = send_array(connection, plan$X), options = plan$options
  )
  for (name in names(plan$model)) training[[name]] <- plan$model[[name]]
  training
}

# X or Y as (samples, time, variables).
as_samples <- function(x, name) {
  if (inherits(x, "rnnremote_dataset")) return(x)
  if (is.data.frame(x)) x <- as.matrix(x)
  if (!is.numeric(x) && !is.logical(x)) {
    stop("`", name, "` should be a numeric array of (samples, time, variables), it is of type ", typeof(x),
      call. = FALSE
    )
  }
  if (!length(dim(x)) %in% 2:3) {
    stop("`", name, "` should be an array of (samples, time, variables) or a matrix of (samples, time), it has ",
      if (is.null(dim(x))) "no dimensions" else paste(length(dim(x)), "dimensions"),
      "; one series of n steps is matrix(", name, ", nrow = 1)",
      call. = FALSE
    )
  }
  if (length(dim(x)) == 2) array(x, c(dim(x), 1L)) else x
}

as_functions <- function(functions) {
  if (is.null(functions)) functions <- list()
  if (is.function(functions)) functions <- list(functions)
  if (!all(vapply(functions, is.function, NA))) {
    stop("`epoch_function` should be a function or a list of functions", call. = FALSE)
  }
  functions
}

# An argument of one's own is kept with the model; what is nearly the name of one that there is would not be missed.
refuse_misspelt <- function(given, known) {
  letters_of <- function(text) vapply(strsplit(text, ""), function(letters) paste(sort(letters), collapse = ""), "")
  for (name in setdiff(given[nzchar(given)], known)) {
    changes <- if (nchar(name) > 4L) 2 else 1
    near <- known[utils::adist(name, known, ignore.case = TRUE) <= changes | letters_of(name) == letters_of(known)]
    if (length(near) > 0L) {
      stop("unknown argument `", name, "`: did you mean `", near[1], "`?", call. = FALSE)
    }
  }
}

# An extra argument with the name of a field would silently be overwritten.
check_extra <- function(extra) {
  if (length(extra) > 0 && (is.null(names(extra)) || !all(nzchar(names(extra))))) {
    stop("every argument beyond Y, X and model needs its name", call. = FALSE)
  }
  if ("epoch_model_function" %in% names(extra)) {
    stop("`epoch_model_function` is not used any more: use `epoch_function`, and let its functions return the model",
      call. = FALSE
    )
  }
  taken <- names(extra)[names(extra) %in% r_fields | are_trained(names(extra))]
  if (length(taken) > 0) stop("`", taken[1], "` is a field that training sets, it cannot be an argument", call. = FALSE)
}

loss_name <- function(f, unused = FALSE) {
  if (is.character(f)) return(f)
  if (is.null(f) || unused || identical(known_function(f), "loss_L1")) return("loss_L1")
  stop("`loss_function` is a function of your own, which cannot run on the server. Use loss_L1, or with exact = TRUE ",
    "the name of one of the server's losses; epoch_function may hold functions of your own.",
    call. = FALSE
  )
}

# Whether the training has to stop after each epoch, because some function runs only here.
needs_pauses <- function(functions) !all(vapply(functions, function(f) !is.null(known_function(f)), NA))

# What the server runs after each epoch by itself. At least one name, for none would mean R's default.
server_functions <- function(functions) {
  if (length(functions) == 0 || needs_pauses(functions)) return("epoch_print")
  vapply(functions, known_function, "")
}

# Stops where the arrays that keep_store = TRUE brings back would be too large.
refuse_huge_store <- function(local, samples) {
  if (!is.character(local$network_type) || !is.numeric(local$hidden_dim)) return(invisible()) # the server says so
  states <- switch(local$network_type, rnn = 1, gru = 4, lstm = 6, 1)
  numbers <- 2 * sum(local$hidden_dim) * states + 4 * local$output_dim
  bytes <- 8 * samples * local$time_dim * numbers
  limit <- getOption("rnnremote.keep_store_limit", 2^30)
  if (bytes > limit) {
    stop("the states of every layer for every sample (keep_store = TRUE) would take ", format_bytes(bytes),
      ", more than the limit of ", format_bytes(limit), ". Use keep_store = FALSE: predicting and further training do ",
      "not need them. Or raise the limit: options(rnnremote.keep_store_limit = <bytes>).",
      call. = FALSE
    )
  }
}

format_bytes <- function(bytes) format(structure(bytes, class = "object_size"), units = "auto", standard = "SI")
