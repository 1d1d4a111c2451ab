# The caller's random stream goes to the server and comes back as if the training had been done here.

# R's .Random.seed, made as R makes it where there is none yet.
random_state <- function() {
  kinds <- RNGkind()
  wanted <- list("Mersenne-Twister", "Inversion", c("Rejection", "Rounding"))
  for (i in seq_along(wanted)) {
    if (!kinds[i] %in% wanted[[i]]) {
      stop("the random number generator is set to \"", kinds[i], "\"; the server can go on with \"",
        wanted[[i]][1], "\" only. RNGkind(\"default\", \"default\", \"default\") sets R's own choice.", call. = FALSE
      )
    }
  }
  if (!exists(".Random.seed", globalenv(), inherits = FALSE)) set.seed(NULL)
  get(".Random.seed", globalenv(), inherits = FALSE)
}

set_random_state <- function(state) {
  if (length(state) > 0) assign(".Random.seed", as.integer(state), globalenv())
}

encode_random_state <- function() new_message("RandomState", value = random_state())
