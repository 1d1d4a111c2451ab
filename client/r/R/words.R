# What is wrong with an argument, in R's words: the server sends the message in parts (trainr.v1.ArgumentError).

argument_message <- function(error) paste(vapply(error$part, part_text, ""), collapse = "")

part_text <- function(part) {
  if (part$has("place")) return(place_text(part$place))
  if (part$has("value")) return(value_text(part$value))
  if (part$has("setting")) return(paste(part$setting$name, "=", value_text(part$setting$value)))
  if (part$has("code")) return(part$code$r)
  part$text
}

# An argument or a field of the model, or an entry of it, counted from 1.
place_text <- function(place) {
  text <- sub("^model[.]", "model$", place$name)
  if (length(place$index) > 0) text <- paste0(text, "[", paste(place$index + 1, collapse = ", "), "]")
  if (nzchar(place$of)) paste(text, "of", place$of) else text
}

# A value as R code has it.
value_text <- function(value) {
  if (value$has("null_value")) return("NULL")
  if (value$has("bool_value")) return(if (value$bool_value) "TRUE" else "FALSE")
  if (value$has("string_value")) return(encodeString(value$string_value, quote = "\""))
  if (value$has("int64_value")) return(format(value$int64_value, scientific = FALSE))
  if (value$has("double_value")) return(format(value$double_value, digits = 15))
  if (value$has("list_value")) return(vector_text(vapply(value$list_value$value, value_text, "")))
  if (value$has("tensor_value")) return(vector_text(format(decode_array(value$tensor_value))))
  "a list"
}

# A message that came without parts, with what it says in Python's words in R's.
in_r_words <- function(text) {
  text <- gsub("\\bTrue\\b", "TRUE", gsub("\\bFalse\\b", "FALSE", gsub("\\bNone\\b", "NULL", text)))
  text <- gsub("\\b([a-z_]+)=([0-9.]+)\\b", "\\1 = \\2", text)
  text <- gsub("\\((-?[0-9]+),\\)", "\\1", text)
  text <- gsub("(^|[ :])(\\((-?[0-9]+, )+-?[0-9]+\\))", "\\1c\\2", text)
  entries <- gregexpr("model[.][a-z_]+\\[[0-9]+\\]", text)
  regmatches(text, entries) <- lapply(regmatches(text, entries), function(found) {
    number <- as.numeric(sub(".*\\[([0-9]+)\\]", "\\1", found))
    sprintf("model$%s[[%.0f]]", sub("model[.]([a-z_]+).*", "\\1", found), number + 1)
  })
  gsub("\\bmodel[.]([a-z_]+)", "model$\\1", text)
}

vector_text <- function(texts) {
  if (length(texts) == 1L) texts else paste0("c(", paste(trimws(texts), collapse = ", "), ")")
}
