#' Integers and binary numbers
#'
#' @param integer Vector of whole numbers, at least 0.
#' @param length Number of bits.
#' @param binary Matrix with one row of bits per number, least significant bit first; entries are rounded, so that
#'   predictions can be given as they are.
#' @return \code{int2bin}: a matrix with one row per number and \code{length} columns of bits, least significant first.
#'   With \code{length = 1} it is, as in \code{rnn}, one row with one column per number. \code{bin2int}: the integers.
#' @examples
#' int2bin(0:5, length = 4)
#' bin2int(int2bin(77))
#' @export
int2bin <- function(integer, length = 8) {
  bits <- vapply(integer, function(number) as.numeric(intToBits(number))[seq_len(length)], numeric(length))
  t(bits)
}

#' @rdname int2bin
#' @export
bin2int <- function(binary) {
  powers <- 2^(seq_len(ncol(binary)) - 1)
  as.integer(apply(round(binary), 1, function(bits) sum(bits * powers)))
}
