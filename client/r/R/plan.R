# What to train: the caller's arguments checked, as the list that becomes the model, and as the message for the server.
#   local: the model's list as far as the caller determines it
#   options: TrainingOptions
#   Y, X: arrays; model: the model to train further, if any

new_plan <- function(Y, X, given, extra, exact, keep_store) {
  Y <- as_samples(Y, "Y")
  X <- as_samples(X, "X")
  given$epoch_function <- as_functions(given$epoch_function)
  check_extra(extra)
  keep_store <- keep_store && !exact # true gradients keep no states; predictr(hidden = TRUE) has them
  if (identical(given$update_rule, "adagrad") && !exact) {
    message("adagrad update, loss function not used and momentum set to 0")
    given$momentum <- 0
  }
  time_dim <- dim(X)[2] + if (isTRUE(as.logical(given$seq_to_seq_unsync))) dim(Y)[2] - 1L else 0L
  dimensions <- list(
    input_dim = dim(X)[3], hidden_dim = given$hidden_dim, output_dim = dim(Y)[3],
    synapse_dim = c(dim(X)[3], given$hidden_dim, dim(Y)[3]), time_dim = time_dim
  )
  local <- c(extra, dimensions, given)[c(names(extra), r_fields)]
  if (keep_store) refuse_huge_store(local, dim(X)[1])
  sent <- extra[vapply(extra, can_be_sent, NA)]
  options <- new_message("TrainingOptions",
    learningrate = given$learningrate,
    learningrate_decay = given$learningrate_decay,
    momentum = given$momentum,
    hidden_dim = given$hidden_dim,
    network_type = given$network_type,
    numepochs = given$numepochs,
    sigmoid = given$sigmoid,
    use_bias = as.logical(given$use_bias),
    batch_size = given$batch_size,
    seq_to_seq_unsync = as.logical(given$seq_to_seq_unsync),
    update_rule = given$update_rule,
    epoch_function = server_functions(given$epoch_function),
    loss_function = loss_name(given$loss_function),
    keep_store = keep_store,
    exact = exact,
    extra = encode_options(sent)
  )
  list(Y = Y, X = X, local = local, options = options)
}

retrain_plan <- function(Y, X, model, seq_to_seq_unsync, keep_store, connection) {
  Y <- as_samples(Y, "Y")
  X <- as_samples(X, "X")
  message("retraining, all options except X, Y and the model itself are ignored, error are reseted")
  local <- if (is.character(model)) model_fetch(model, connection = connection) else model
  local$epoch_function <- as_functions(local$epoch_function)
  loss_name(local$loss_function)
  keep_store <- keep_store && !isTRUE(local$exact)
  if (keep_store) refuse_huge_store(local, dim(X)[1]) else local[training_sized] <- NULL
  options <- new_message("TrainingOptions",
    seq_to_seq_unsync = as.logical(seq_to_seq_unsync), keep_store = keep_store, exact = isTRUE(local$exact)
  )
  list(Y = Y, X = X, local = local, options = options, model = model)
}

# The Training of a plan, X and Y uploaded where they are large.
training_message <- function(plan, connection) {
  training <- new_message("Training",
    y = send_array(connection, plan$Y), x = send_array(connection, plan$X), options = plan$options
  )
  if (is.character(plan$model)) {
    training$stored_model <- plan$model
  } else if (!is.null(plan$model)) {
    training$model <- encode_model(plan$model)
  }
  training
}

# X or Y as (samples, time, variables).
as_samples <- function(x, name) {
  if (is.data.frame(x)) x <- as.matrix(x)
  if (!is.numeric(x) && !is.logical(x)) {
    stop("`", name, "` should be a numeric array of (samples, time, variables), it is of type ", typeof(x), call. = FALSE)
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

# An extra argument with the name of a field would silently be overwritten.
check_extra <- function(extra) {
  if (length(extra) > 0 && (is.null(names(extra)) || !all(nzchar(names(extra))))) {
    stop("every argument beyond Y, X and model needs its name", call. = FALSE)
  }
  taken <- names(extra)[names(extra) %in% r_fields | are_trained(names(extra))]
  if (length(taken) > 0) stop("`", taken[1], "` is a field that training sets, it cannot be an argument", call. = FALSE)
}

loss_name <- function(f) {
  if (is.character(f)) return(f)
  if (is.null(f) || identical(known_function(f), "loss_L1")) return("loss_L1")
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
