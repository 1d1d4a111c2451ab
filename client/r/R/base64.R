# Base64, which R itself does not have.

base64_alphabet <- c(LETTERS, letters, 0:9, "+", "/")

base64_encode <- function(bytes) {
  missing <- (3L - length(bytes) %% 3L) %% 3L
  triple <- matrix(c(as.integer(bytes), rep(0L, missing)), nrow = 3L)
  number <- triple[1L, ] * 65536L + triple[2L, ] * 256L + triple[3L, ]
  digits <- rbind(number %/% 262144L, number %/% 4096L, number %/% 64L, number) %% 64L
  text <- base64_alphabet[digits + 1L]
  if (missing > 0) text[length(text) + 1L - seq_len(missing)] <- "="
  paste(text, collapse = "")
}

# Accepts text with and without the "=" at the end.
base64_decode <- function(text) {
  digits <- match(strsplit(gsub("[^A-Za-z0-9+/]", "", text), "")[[1]], base64_alphabet) - 1L
  quadruple <- matrix(c(digits, rep(0L, -length(digits) %% 4L)), nrow = 4L)
  number <- quadruple[1L, ] * 262144L + quadruple[2L, ] * 4096L + quadruple[3L, ] * 64L + quadruple[4L, ]
  bytes <- rbind(number %/% 65536L, number %/% 256L, number) %% 256L
  as.raw(bytes)[seq_len((length(digits) * 6L) %/% 8L)]
}
