#' Integers and binary numbers
#'
#' @param integer Vector of whole numbers; negative ones need all 32 bits.
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
  t(sapply(integer, function(number) as.numeric(intToBits(number))[seq_len(length)]))
}

#' @rdname int2bin
#' @export
bin2int <- function(binary) {
  missing <- max(32L - ncol(binary), 0L)
  apply(round(binary), 1, function(bits) packBits(as.raw(c(bits, numeric(missing)))[1:32], "integer"))
}
