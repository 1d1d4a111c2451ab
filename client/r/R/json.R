# Just enough JSON to write down a cross-check.

# Named lists become objects, other lists and vectors arrays, arrays of numbers {"dim", "f8"} (see array_record).
to_json <- function(x) {
  if (is.null(x)) return("null")
  if (is.list(x) && !is.null(names(x))) {
    return(paste0("{", paste0(json_text(names(x)), ": ", vapply(x, to_json, ""), collapse = ", "), "}"))
  }
  if (is.list(x)) return(paste0("[", paste(vapply(x, to_json, ""), collapse = ", "), "]"))
  items <- if (is.character(x)) json_text(x) else if (is.logical(x)) tolower(as.character(x)) else json_number(x)
  if (length(x) == 1L) items else paste0("[", paste(items, collapse = ", "), "]")
}

json_text <- function(x) {
  x <- gsub("([\"\\\\])", "\\\\\\1", enc2utf8(x))
  for (code in 1:31) {
    x <- gsub(rawToChar(as.raw(code)), sprintf("\\\\u%04x", code), x, fixed = FALSE)
  }
  paste0("\"", x, "\"")
}

# 17 digits say every double exactly.
json_number <- function(x) trimws(formatC(as.double(x), digits = 17, width = 1, format = "g"))

# Numbers with their bits: dimensions, and base64 of little-endian doubles in R's order.
array_record <- function(x) {
  dim <- if (is.null(dim(x))) length(x) else dim(x)
  list(dim = dim, f8 = base64_encode(writeBin(as.double(x), raw(), endian = "little")))
}
