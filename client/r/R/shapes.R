# What comes out of the layers of a list, for Keras's table: (steps, variables), as pytrainr/exact/layers has it.

# A row for each layer of what comes out for so many steps and variables.
output_shapes <- function(layers, shape) {
  shapes <- Reduce(function(shape, layer) output_shape(layer, shape), layers, shape, accumulate = TRUE)
  matrix(unlist(shapes[-1]), ncol = 2, byrow = TRUE)
}

# NA where this package does not know the layer.
output_shape <- function(layer, shape) {
  steps <- shape[1]
  width <- shape[2]
  option <- function(name) layer_default(layer, name)
  last <- function(width) c(if (option("return_sequences")) steps else 1, width)
  windows <- function(span, strides) {
    if (option("padding") == "valid") (steps - span) %/% strides + 1 else ceiling(steps / strides)
  }
  switch(layer$kind,
    SimpleRNN = , GRU = , EchoState = last(option("units")),
    NTM = last(option("units") + option("read_heads") * option("memory_width")),
    LSTM = last(if (option("projection") > 0) option("projection") else option("units")),
    Jordan = last(option("outputs")),
    Decoder = c(option("steps"), if (is.null(option("output"))) recurrent_width(layer$cell) else layer$output$units),
    AdaptiveComputation = output_shape(layer$cell, shape),
    Bidirectional = output_shape(layer$layer, shape) * c(1, if (option("merge_mode") == "concat") 2 else 1),
    Embedding = c(steps, option("output_dim")),
    Dense = c(steps, option("units")),
    Conv1D = {
      span <- option("dilation_rate") * (option("kernel_size") - 1) + 1
      c(windows(span, option("strides")), option("filters"))
    },
    MaxPooling1D = , AveragePooling1D = {
      strides <- if (is.null(option("strides"))) option("pool_size") else option("strides")
      c(windows(option("pool_size"), strides), width)
    },
    GlobalMaxPooling1D = , GlobalAveragePooling1D = , AttentionPooling = c(1, width),
    LastSteps = c(min(option("steps"), steps), width),
    Pyramid = c(ceiling(steps / option("size")), width * option("size")),
    Flatten = c(1, steps * width),
    RepeatVector = c(option("n"), width),
    TimeDistributed = output_shape(layer$layer, shape),
    Residual = c(steps, output_shape(layer$layer, shape)[2]),
    Sequential = Reduce(function(shape, layer) output_shape(layer, shape), layer$layers, shape),
    Activation = , Dropout = , SpatialDropout1D = , LayerNormalization = , Attention = ,
    MultiHeadAttention = , PositionalEncoding = , PositionEmbedding = shape,
    c(NA, NA)
  )
}

recurrent_width <- function(cell) output_shape(cell, c(1, 1))[2]

# An option of a layer, or its default where the layer does not say it.
layer_default <- function(layer, name) {
  if (name %in% names(layer)) layer[[name]] else eval(formals(layer_function(layer$kind))[[name]])
}
