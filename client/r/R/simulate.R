#' Let a model generate
#'
#' For a model of \code{\link{trainr_series}} paths into the future: each step is a forecast plus an error drawn from
#' those that the model made on the validation part, fed back. For a model whose output is a \code{softmax} over the
#' symbols that it reads (one-hot, or tokens of an embedding) sequences of symbols: each is drawn from the output and
#' fed back.
#'
#' @param object A model.
#' @param nsim How many paths or sequences.
#' @param seed As for \code{\link[stats]{simulate}}: \code{NULL} goes on in the session's random stream.
#' @param h How many steps.
#' @param start For symbols: what the sequences begin with, numbers from 1. It is read, not returned.
#' @param temperature For symbols: below 1 the likely ones become likelier, above 1 less so.
#' @param ... Not used.
#' @param connection A connection of \code{\link{trainr_connect}} other than the session's.
#' @return A data frame as \code{\link[stats]{simulate}} gives it, with a column for each path (\code{h} rows) and the
#'   attribute \code{seed}; for a series of several targets a list of one for each, whose paths belong together. Symbols
#'   are numbers from 1.
#' @examples
#' \dontrun{
#' matplot(simulate(model, 100, seed = 1, h = 12), type = "l")
#' }
#' @importFrom stats simulate
#' @export
simulate.trainr_series <- function(object, nsim = 1, seed = NULL, h = NULL, ..., connection = NULL) {
  only_named("simulate", list(...))
  series <- attr(object, "series")
  if (length(series$target) != ncol(series$values)) {
    stop("some columns of this series are not forecast, so it cannot go on by itself", call. = FALSE)
  }
  nsim <- as_count(nsim, "nsim")
  h <- as_count(if (is.null(h)) max(series$tsp[3], 1) else h, "h")
  errors <- origin_errors(object, series$parts$validation, 1, connection)
  errors <- matrix(errors, dim(errors)[1])
  with_seed(seed, column_names(series), {
    drawn <- matrix(sample.int(nrow(errors), nsim * h, replace = TRUE), nsim) # those of one origin stay together
    origins <- rep(nrow(series$values), nsim)
    ahead_of(object, series$values, origins, h,
      connection = connection, shocks = function(step) errors[drawn[, step], , drop = FALSE]
    )
  })
}

#' @rdname simulate.trainr_series
#' @export
simulate.trainr <- function(object, nsim = 1, seed = NULL, h = 20, start = 1, temperature = 1, ..., connection = NULL) {
  only_named("simulate", list(...))
  symbols <- as.integer(object$output_dim)
  tokens <- object$input_dim == 1L && symbols > 1L
  if (symbols < 2L || !(tokens || object$input_dim == symbols)) {
    stop("simulate() is for models of trainr_series(), and for those whose output is a softmax over the symbols that ",
      "they read",
      call. = FALSE
    )
  }
  nsim <- as_count(nsim, "nsim")
  h <- as_count(h, "h")
  if (!is.numeric(start) || length(start) == 0L || !all(start %in% seq_len(symbols))) {
    stop("`start` should be symbols, 1 to ", symbols, call. = FALSE)
  }
  if (!is.numeric(temperature) || length(temperature) != 1L || is.na(temperature) || temperature <= 0) {
    stop("`temperature` should be a positive number", call. = FALSE)
  }
  step <- stepper(object, nsim, connection)
  read <- function(symbol) step(if (tokens) symbol - 1 else diag(symbols)[symbol, , drop = FALSE])
  with_seed(seed, "", {
    for (symbol in start) odds <- read(rep(symbol, nsim))
    drawn <- matrix(0, nsim, h)
    for (i in seq_len(h)) {
      drawn[, i] <- apply(matrix(odds, nsim)^(1 / temperature), 1, function(p) sample.int(symbols, 1, prob = p))
      if (i < h) odds <- read(drawn[, i])
    }
    drawn
  })
}

# An array (simulations, steps, targets) as simulate() returns it, with the random stream as stats::simulate has it.
with_seed <- function(seed, targets, array) {
  if (!exists(".Random.seed", envir = globalenv(), inherits = FALSE)) stats::runif(1)
  before <- get(".Random.seed", envir = globalenv())
  if (is.null(seed)) {
    state <- before
  } else {
    on.exit(assign(".Random.seed", before, envir = globalenv()))
    set.seed(seed)
    state <- structure(seed, kind = as.list(RNGkind()))
  }
  values <- array(array, c(dim(array)[1:2], length(targets)))
  paths <- lapply(seq_along(targets), function(target) {
    table <- as.data.frame(t(matrix(values[, , target], dim(values)[1])))
    structure(table, names = paste0("sim_", seq_along(table)))
  })
  structure(if (length(paths) == 1L) paths[[1]] else structure(paths, names = targets), seed = state)
}
