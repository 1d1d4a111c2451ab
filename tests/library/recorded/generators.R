# Writes generators.json: what R itself draws from each of its generators. Run in this folder: Rscript generators.R
hex <- function(x) vapply(x, function(number) paste(rev(writeBin(number, raw(), endian = "little")), collapse = ""), "")
kinds <- c(
  "Wichmann-Hill", "Marsaglia-Multicarry", "Super-Duper", "Mersenne-Twister", "Knuth-TAOCP", "Knuth-TAOCP-2002",
  "L'Ecuyer-CMRG"
)
cases <- list()
for (kind in kinds) for (sampling in c("Rejection", "Rounding")) {
  suppressWarnings(RNGkind(kind, "Inversion", sampling))
  set.seed(7)
  before <- .Random.seed
  case <- list(kind = kind, sample_kind = sampling, before = before)
  case$runif <- hex(runif(1100))[c(1:40, 1000:1100)]
  case$rnorm <- hex(rnorm(5))
  case$sample <- list(sample(1000, 12, TRUE), sample(70000, 5, TRUE), sample(20))
  case$after <- .Random.seed
  cases <- c(cases, list(case))
}
jsonlite::write_json(cases, "generators.json", auto_unbox = TRUE)
