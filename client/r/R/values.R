# Between R's values and the wire's.

element_types <- list(
  list(mode = "double", size = 8L), # also what is not said
  list(mode = "double", size = 4L),
  list(mode = "integer", size = 4L),
  list(mode = "int64", size = 8L),
  list(mode = "uint8", size = 1L),
  list(mode = "bool", size = 1L)
)
column_major <- 1L

# A numeric or logical array as a Tensor. Missing values travel as NaN, for doubles are the only type that has them.
encode_array <- function(x) {
  if (is.logical(x) || (is.integer(x) && anyNA(x))) storage.mode(x) <- "double"
  new_message("Tensor",
    dim = if (is.null(dim(x))) length(x) else dim(x),
    element_type = if (is.integer(x)) 3L else 1L,
    element_order = column_major,
    data = writeBin(as.vector(x), raw(), endian = "little")
  )
}

# The array of a Tensor; `data` replaces the tensor's own bytes. One dimension means a vector, as everywhere in R.
decode_array <- function(tensor, data = tensor$data) {
  type <- element_types[[max(tensor$element_type, 1L)]]
  dim <- tensor$dim
  if (length(data) != prod(dim) * type$size) {
    stop_status(15L, paste0("an array has ", length(data), " bytes where its dimensions say ", prod(dim) * type$size))
  }
  count <- prod(dim)
  x <- switch(type$mode,
    int64 = decode_int64(data),
    uint8 = as.integer(data),
    bool = as.logical(data),
    readBin(data, type$mode, count, size = type$size, endian = "little")
  )
  if (length(dim) < 2) return(x)
  if (tensor$element_order == column_major) array(x, dim) else aperm(array(x, rev(dim)))
}

# Whole numbers of 64 bits as doubles, exact up to 2^53.
decode_int64 <- function(data) {
  halves <- matrix(readBin(data, "integer", length(data) / 4, endian = "little"), nrow = 2L)
  halves[2L, ] * 4294967296 + halves[1L, ] %% 4294967296
}

# Any R value as a Value. `array` makes Tensors; `other(field, x, what)` gives the Value for what has no form on the
# wire.
encode_value <- function(x, field, array = encode_array, other = stop_value) {
  if (is.null(x)) return(new_message("Value", null_value = new_message("Null")))
  if (is.function(x)) {
    name <- known_function(x)
    if (is.null(name)) return(other(field, x, "is a function of your own, and functions cannot be sent to the server"))
    return(new_message("Value", function_value = name))
  }
  if (inherits(x, "trainr")) x <- unclass(x)
  if (inherits(x, "rnnremote_layer")) x <- unclass(x)
  if (is.factor(x) || is.object(x)) return(other(field, x, paste0("is of class ", class(x)[1])))
  single <- length(x) == 1L && is.null(dim(x)) && is.null(names(x))
  if (is.character(x)) {
    if (single) return(new_message("Value", string_value = enc2utf8(x)))
    x <- as.list(x)
  }
  if (is.list(x)) return(encode_list(x, field, array, other))
  if (!is.numeric(x) && !is.logical(x)) return(other(field, x, paste0("is of type ", typeof(x))))
  if (!single || (is.na(x) && !is.double(x))) return(new_message("Value", tensor_value = array(x)))
  if (is.logical(x)) return(new_message("Value", bool_value = x))
  if (is.integer(x)) return(new_message("Value", int64_value = x))
  new_message("Value", double_value = x)
}

stop_value <- function(field, x, what) {
  stop("`", field, "` ", what, "; numbers, texts, logicals, arrays and lists of these can be sent to a server.",
    call. = FALSE
  )
}

# For values of the caller's own that have no form on the wire, or need not travel: a text in their place, so that the
# server knows that there is such a field. What it means stays here, see unchanged().
stays_here <- function(field, x, what = NULL) {
  new_message("Value", string_value = paste0(stays_here_mark, class(x)[1], ">"))
}
stays_here_mark <- "<kept in R: "

encode_list <- function(x, field, array, other) {
  if (is.null(names(x)) || !all(nzchar(names(x))) || anyDuplicated(names(x))) {
    values <- lapply(unname(x), encode_value, field = field, array = array, other = other)
    return(new_message("Value", list_value = new_message("ValueList", value = values)))
  }
  options <- new_message("OptionList", option = encode_options(x, array, other))
  new_message("Value", option_list_value = options)
}

# A named list as Options, in its order.
encode_options <- function(x, array = encode_array, other = stop_value) {
  option <- function(value, name) {
    new_message("Option", name = name, value = encode_value(value, name, array, other))
  }
  unname(Map(option, x, names(x)))
}

# The R value of a Value. `array` makes R arrays of Tensors, `make_function` functions of names.
decode_value <- function(value, array = decode_array, make_function = identity) {
  if (value$has("double_value")) return(value$double_value)
  if (value$has("list_value")) return(decode_list(value$list_value$value, array, make_function))
  if (value$has("tensor_value")) return(array(value$tensor_value))
  if (value$has("int64_value")) {
    number <- value$int64_value
    return(if (abs(number) <= .Machine$integer.max) as.integer(number) else number)
  }
  if (value$has("bool_value")) return(value$bool_value)
  if (value$has("string_value")) return(value$string_value)
  if (value$has("function_value")) return(make_function(value$function_value))
  if (value$has("option_list_value")) return(decode_options(value$option_list_value$option, array, make_function))
  NULL
}

# Single values of one type become a vector, all else a list.
decode_list <- function(values, array, make_function) {
  items <- lapply(values, decode_value, array, make_function)
  single <- vapply(values, function(value) !value$has("tensor_value") && !value$has("option_list_value"), NA)
  atomic <- vapply(items, function(item) is.atomic(item) && length(item) == 1L, NA)
  alike <- length(unique(vapply(items, typeof, ""))) == 1L
  if (alike && all(single, atomic)) unlist(items) else items
}

# Options as a named list, in their order.
decode_options <- function(options, array = decode_array, make_function = identity) {
  result <- list()
  for (option in options) result[option$name] <- list(decode_value(option$value, array, make_function))
  result
}

# Puts a streamed model together: add(part) for each ModelPart; it returns the list of fields after the last part, NULL
# before. Tensors whose bytes come later are filled in the order in which they appear.
model_joiner <- function(make_function = identity) {
  model <- NULL
  pieces <- list()
  function(part) {
    if (part$has("model")) model <<- part$model
    if (part$has("chunk")) {
      index <- as.character(part$chunk$tensor)
      pieces[[index]][[length(pieces[[index]]) + 1L]] <<- part$chunk$data
    }
    if (!part$last) return(NULL)
    deferred <- -1
    array <- function(tensor) {
      if (!tensor$deferred) return(decode_array(tensor))
      deferred <<- deferred + 1
      data <- do.call(c, pieces[[as.character(deferred)]])
      pieces[[as.character(deferred)]] <<- raw() # the joined bytes are enough
      decode_array(tensor, data)
    }
    fields <- decode_options(model$field, array, make_function)
    if (!is.null(fields[["layers"]])) fields[c("layers", "hidden_dim")] <- list(as_layers(fields$layers), double())
    structure(fields, error = model$mean_error)
  }
}
