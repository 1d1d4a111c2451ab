# Layers: a list of the kind, which is the name of the server's class, and of the options that the caller gave. The
# arguments are those of the server's layers, with their defaults.

#' Layers of a network
#'
#' With \code{exact = TRUE} a network may be given as the list of its layers, from the input up, with the names and
#' defaults of Keras: \code{trainr(Y, X, exact = TRUE, layers = list(gru(32), dense(1)), ...)}. It stands in the place
#' of \code{network_type}, \code{hidden_dim}, \code{sigmoid}, \code{use_bias} and the other arguments that are a
#' shorthand for such a list. \code{\link{predictr}}, \code{\link{train_async}}, stored models and further training
#' take such networks as any other.
#'
#' A sequence is (steps, variables). Recurrent layers give their last state only, unless \code{return_sequences} is
#' \code{TRUE}. Layers that do not fit each other are an error that names both, with their shapes.
#'
#' What else there is to say to a training, the loss, weights, metrics, data held out, stands in \code{?exact}.
#'
#' For \code{embedding}, X are tokens: a matrix (samples, steps) of whole numbers from 0 to \code{input_dim} - 1.
#'
#' @param units,filters How wide the output is. For \code{attention} and \code{attention_pooling}: of the layer that
#'   scores additively; \code{NULL} is the width of what comes in.
#' @param activation,output_activation \code{"linear"} (or \code{NULL}), \code{"sigmoid"}, \code{"tanh"}, \code{"relu"},
#'   \code{"softmax"}, \code{"Gompertz"}.
#' @param use_bias Whether there is a bias.
#' @param dropout,recurrent_dropout,rate Share of the inputs, or of the states, that is left out in training.
#' @param return_sequences Gives the state at every step instead of the last one.
#' @param learn_initial_state Whether the state before the first step is learnt; else it is 0.
#' @param reset_after \code{TRUE}: the reset gate acts after the product with the recurrent weights, as in Keras;
#'   \code{FALSE}: before, as in \code{rnn} and in lectures.
#' @param unit_forget_bias The bias of the forget gate begins at 1.
#' @param peephole Gates see the cell's content.
#' @param projection Width to which the state is projected; 0 is none.
#' @param outputs Width of the output that is fed back.
#' @param memory_slots,memory_width Of a neural Turing machine's memory: how many vectors of how many numbers.
#' @param read_heads,write_heads,shift_range How many heads read and write it, and how many slots one moves in a step.
#' @param controller What moves the heads: \code{"lstm"} or \code{"dense"}.
#' @param leak,spectral_radius,density Of the reservoir: how fast states follow, its largest eigenvalue, the share of
#'   weights that are not 0.
#' @param cell,layer A layer: for \code{decoder}, \code{adaptive_computation} and \code{bidirectional} a recurrent one,
#'   for \code{time_distributed} one of single steps.
#' @param attention How a decoder looks at the sequence: \code{"additive"}, \code{"dot"}, or \code{NULL}: it reads the
#'   last step.
#' @param feed What a decoder reads beside: \code{"own"}, what it has put out at the step before; \code{"teacher"}, in
#'   training the target instead; \code{"nothing"}.
#' @param output,embedding Layers of a decoder: the \code{dense} that it puts out its states through, and, where that
#'   gives tokens, the \code{embedding} of the one that is fed back.
#' @param layers A list of layers.
#' @param steps Number of steps that come out.
#' @param max_steps,ponder_cost How many steps the cell may take over an entry, and what each adds to the loss.
#' @param input_dim,output_dim Number of tokens, and numbers for each.
#' @param mask_zero Token 0 means that there is no entry.
#' @param epsilon Added to the variance.
#' @param center,scale Whether there is an offset, and a factor, for each variable.
#' @param kernel_size,strides,dilation_rate Steps under the kernel, between two of its places, and between what it sees.
#'   For pooling, \code{strides = NULL} is the \code{pool_size}.
#' @param padding \code{"valid"}, \code{"same"}, and for \code{conv_1d} \code{"causal"}.
#' @param pool_size,size Steps that become one.
#' @param n How often a single step is repeated.
#' @param merge_mode \code{"concat"} or \code{"sum"} of both directions.
#' @param dilations The \code{dilation_rate} of each level.
#' @param score_mode \code{"dot"} or \code{"additive"}.
#' @param use_scale Whether scores have a factor that is learnt.
#' @param use_causal_mask Whether a step sees only those before it.
#' @param num_heads,key_dim,value_dim Number of heads, width of each one's keys and values; \code{NULL}: as the keys.
#' @param max_wavelength Of the slowest sine.
#' @param sequence_length Most steps of a sequence.
#' @param x A layer.
#' @param ... Not used.
#' @return A layer, to be put into a list. \code{tcn} returns several as one: a residual stack of causal convolutions.
#' @examples
#' layers <- list(
#'   conv_1d(32, 5, activation = "relu"), max_pooling_1d(3), gru(32, dropout = 0.1), dense(1)
#' )
#' layers
#' bidirectional(lstm(64, return_sequences = TRUE))
#' \dontrun{
#' model <- trainr(Y, X,
#'   exact = TRUE, layers = layers, learningrate = 0.001, update_rule = "adam", batch_size = 32,
#'   numepochs = 20, validation = 0.2, metrics = "mae", epoch_function = cosine_schedule(20)
#' )
#' summary(model)
#' model$validation_mae
#' }
#' @seealso \code{\link{exact}}, \code{\link{trainr}}, \code{\link{summary.trainr}}
#' @name layers
NULL

#' @rdname layers
#' @export
simple_rnn <- function(units, use_bias = TRUE, dropout = 0, recurrent_dropout = 0, return_sequences = FALSE,
                       learn_initial_state = FALSE, activation = "tanh") new_layer("SimpleRNN")

#' @rdname layers
#' @export
jordan <- function(units, use_bias = TRUE, dropout = 0, recurrent_dropout = 0, return_sequences = FALSE,
                   learn_initial_state = FALSE, outputs = 1, activation = "tanh",
                   output_activation = "logistic") new_layer("Jordan")

#' @rdname layers
#' @export
gru <- function(units, use_bias = TRUE, dropout = 0, recurrent_dropout = 0, return_sequences = FALSE,
                learn_initial_state = FALSE, reset_after = TRUE) new_layer("GRU")

#' @rdname layers
#' @export
lstm <- function(units, use_bias = TRUE, dropout = 0, recurrent_dropout = 0, return_sequences = FALSE,
                 learn_initial_state = FALSE, unit_forget_bias = TRUE, peephole = FALSE,
                 projection = 0) new_layer("LSTM")

#' @rdname layers
#' @export
ntm <- function(units, use_bias = TRUE, dropout = 0, recurrent_dropout = 0, return_sequences = FALSE,
                learn_initial_state = FALSE, memory_slots = 128, memory_width = 20, read_heads = 1, write_heads = 1,
                shift_range = 1, controller = "lstm") new_layer("NTM")

#' @rdname layers
#' @export
echo_state <- function(units, use_bias = TRUE, dropout = 0, recurrent_dropout = 0, return_sequences = FALSE,
                       learn_initial_state = FALSE, leak = 1, spectral_radius = 0.9,
                       density = 0.1) new_layer("EchoState")

#' @rdname layers
#' @export
decoder <- function(cell, steps, attention = "additive", feed = "nothing", output = NULL,
                    embedding = NULL) new_layer("Decoder")

#' @rdname layers
#' @export
embedding <- function(input_dim, output_dim, mask_zero = FALSE) new_layer("Embedding")

#' @rdname layers
#' @export
dense <- function(units, activation = NULL, use_bias = TRUE) new_layer("Dense")

#' @rdname layers
#' @export
activation <- function(activation) new_layer("Activation")

#' @rdname layers
#' @export
dropout <- function(rate) new_layer("Dropout")

#' @rdname layers
#' @export
spatial_dropout_1d <- function(rate) new_layer("SpatialDropout1D")

#' @rdname layers
#' @export
layer_normalization <- function(epsilon = 0.001, center = TRUE, scale = TRUE) new_layer("LayerNormalization")

#' @rdname layers
#' @export
conv_1d <- function(filters, kernel_size, strides = 1, padding = "valid", dilation_rate = 1, activation = NULL,
                    use_bias = TRUE) new_layer("Conv1D")

#' @rdname layers
#' @export
max_pooling_1d <- function(pool_size = 2, strides = NULL, padding = "valid") new_layer("MaxPooling1D")

#' @rdname layers
#' @export
average_pooling_1d <- function(pool_size = 2, strides = NULL, padding = "valid") new_layer("AveragePooling1D")

#' @rdname layers
#' @export
global_max_pooling_1d <- function() new_layer("GlobalMaxPooling1D")

#' @rdname layers
#' @export
global_average_pooling_1d <- function() new_layer("GlobalAveragePooling1D")

#' @rdname layers
#' @export
last_steps <- function(steps = 1) new_layer("LastSteps")

#' @rdname layers
#' @export
pyramid <- function(size) new_layer("Pyramid")

#' @rdname layers
#' @export
flatten <- function() new_layer("Flatten")

#' @rdname layers
#' @export
repeat_vector <- function(n) new_layer("RepeatVector")

#' @rdname layers
#' @export
bidirectional <- function(layer, merge_mode = "concat") new_layer("Bidirectional")

#' @rdname layers
#' @export
time_distributed <- function(layer) new_layer("TimeDistributed")

#' @rdname layers
#' @export
adaptive_computation <- function(cell, max_steps = 10, ponder_cost = 0.01) new_layer("AdaptiveComputation")

#' @rdname layers
#' @export
residual <- function(layer) new_layer("Residual")

#' @rdname layers
#' @export
sequential <- function(layers) new_layer("Sequential")

#' @rdname layers
#' @export
attention <- function(score_mode = "dot", units = NULL, use_scale = FALSE,
                      use_causal_mask = FALSE) new_layer("Attention")

#' @rdname layers
#' @export
multi_head_attention <- function(num_heads, key_dim, value_dim = NULL, use_bias = TRUE,
                                 use_causal_mask = FALSE) new_layer("MultiHeadAttention")

#' @rdname layers
#' @export
attention_pooling <- function(score_mode = "additive", units = NULL) new_layer("AttentionPooling")

#' @rdname layers
#' @export
positional_encoding <- function(max_wavelength = 10000) new_layer("PositionalEncoding")

#' @rdname layers
#' @export
position_embedding <- function(sequence_length) new_layer("PositionEmbedding")

#' @rdname layers
#' @export
tcn <- function(filters = 64, kernel_size = 3, dilations = c(1, 2, 4, 8, 16, 32), dropout = 0, activation = "relu",
                return_sequences = FALSE) {
  level <- function(dilation) {
    conv <- conv_1d(filters, kernel_size, padding = "causal", dilation_rate = dilation, activation = activation)
    once <- c(list(conv), if (dropout > 0) list(spatial_dropout_1d(dropout)))
    list(residual(sequential(c(once, once))), new_layer("Activation", list(activation = activation)))
  }
  levels <- do.call(c, lapply(dilations, level))
  sequential(c(levels, if (!as_flag(return_sequences, "return_sequences")) list(last_steps())))
}

# The layer of that kind with the arguments, other than the defaults, that the function which calls this one was given.
new_layer <- function(kind, options = given_arguments(sys.function(-1), parent.frame(), kind)) {
  for (name in intersect(names(options), c("cell", "layer"))) {
    if (!is_layer(options[[name]])) stop_no_layer(paste0("`", name, "` of ", constructor(kind), "()"), options[[name]])
  }
  if ("layers" %in% names(options)) check_layers(options$layers, paste0("`layers` of ", constructor(kind), "()"))
  structure(c(list(kind = kind), options), class = "rnnremote_layer")
}

given_arguments <- function(f, environment, kind) {
  names <- as.character(names(formals(f)))
  given <- !vapply(names, function(name) eval(call("missing", as.name(name)), environment), NA)
  needed <- vapply(formals(f), function(default) is.symbol(default) && !nzchar(as.character(default)), NA)
  if (any(needed & !given)) stop(constructor(kind), "() needs `", names[needed & !given][1], "`", call. = FALSE)
  options <- mget(names[given], environment)
  usual <- vapply(names(options), function(name) {
    !needed[[name]] && isTRUE(all.equal(options[[name]], formals(f)[[name]]))
  }, NA)
  options[!usual]
}

# The functions of this package that make layers, by the kinds that they make.
find_layer_functions <- function(home) {
  made_by <- function(name) {
    body <- body(get(name, home))
    if (is.call(body) && identical(body[[1]], quote(new_layer))) body[[2]] else ""
  }
  names <- Filter(function(name) is.function(get(name, home)), ls(home))
  kinds <- vapply(names, made_by, "")
  structure(names(kinds), names = kinds)[nzchar(kinds)]
}

# What a layer of that kind is called in R; its kind where a newer server knows it and this package does not.
constructor <- function(kind) {
  if (kind %in% names(layer_functions)) layer_functions[[kind]] else kind
}

is_layer <- function(x) is.list(x) && is.character(x[["kind"]]) && length(x[["kind"]]) == 1L

stop_no_layer <- function(where, x) {
  what <- if (is.function(x)) "a function: is it called, as in dense(1)?" else paste("of class", class(x)[1])
  stop(where, " should be a layer such as gru(32), it is ", what, call. = FALSE)
}

check_layers <- function(layers, where = "`layers`") {
  if (is_layer(layers) || !is.list(layers) || length(layers) == 0L || "kind" %in% names(layers)) {
    stop(where, " should be a list of layers such as list(gru(32), dense(1))", call. = FALSE)
  }
  for (i in seq_along(layers)) {
    if (!is_layer(layers[[i]])) stop_no_layer(paste0("number ", i, " of ", where), layers[[i]])
  }
}

# A list of layers as messages.
layer_messages <- function(layers) {
  check_layers(layers)
  unname(lapply(layers, layer_message))
}

layer_message <- function(layer) {
  options <- unclass(layer)[names(layer) != "kind"]
  option <- function(value, name) new_message("Option", name = name, value = layer_option(value, name))
  new_message("Layer", kind = layer$kind, option = unname(Map(option, options, names(options))))
}

layer_option <- function(value, name) {
  if (is_layer(value)) return(new_message("Value", layer_value = layer_message(value)))
  if (length(value) == 1L && !is.list(value)) return(encode_value(value, name))
  if (is.null(value)) return(encode_value(value, name))
  new_message("Value", list_value = new_message("ValueList", value = lapply(as.list(value), layer_option, name = name)))
}

# The layers of a model from the server, for print() and for the next training.
as_layers <- function(value) {
  if (!is.list(value)) return(value)
  value <- lapply(value, as_layers)
  if (is_layer(value)) structure(value, class = "rnnremote_layer") else value
}

# What the server calls a layer of that kind: its weights are the field "<name>_weights", of further ones
# "<name>_1_weights".
layer_name <- function(kind) tolower(gsub("([a-z0-9])([A-Z][a-z])|([a-z])([A-Z])", "\\1\\3_\\2\\4", kind))

weights_of_layers <- function(names) {
  grepl(weights_pattern, names)
}

#' @rdname layers
#' @export
format.rnnremote_layer <- function(x, ...) {
  options <- unclass(x)[names(x) != "kind"]
  first <- names(formals(layer_function(x$kind)))
  said <- vapply(names(options), function(name) {
    value <- option_text(options[[name]])
    if (length(first) > 0 && identical(name, first[1])) value else paste(name, "=", value)
  }, "")
  paste0(constructor(x$kind), "(", paste(said, collapse = ", "), ")")
}

layer_function <- function(kind) {
  if (kind %in% names(layer_functions)) get(constructor(kind), environment(new_layer))
}

option_text <- function(value) {
  if (is_layer(value)) return(format(structure(value, class = "rnnremote_layer")))
  if (is.list(value)) return(paste0("list(", paste(vapply(value, option_text, ""), collapse = ", "), ")"))
  deparse(if (is.integer(value)) as.double(value) else value)
}

#' @rdname layers
#' @export
print.rnnremote_layer <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

# Found once, when the package is built: models are looked at after every epoch.
layer_functions <- find_layer_functions(environment())
weights_pattern <- paste0("^(", paste(layer_name(names(layer_functions)), collapse = "|"), ")(_[0-9]+)?_weights(_|$)")
