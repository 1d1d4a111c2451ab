# The caller's random stream goes to the server and comes back as if the training had been done here.

# R's .Random.seed, made as R makes it where there is none yet.
random_state <- function() {
  if (RNGkind()[1] == "user-supplied") {
    stop("the random number generator is \"user-supplied\", which lives in this R alone; ",
      "the server has all others of R: RNGkind(\"default\") sets R's own choice.",
      call. = FALSE
    )
  }
  if (!exists(".Random.seed", globalenv(), inherits = FALSE)) set.seed(NULL)
  get(".Random.seed", globalenv(), inherits = FALSE)
}

set_random_state <- function(state) {
  if (length(state) > 0) assign(".Random.seed", as.integer(state), globalenv())
}

encode_random_state <- function() new_message("RandomState", value = random_state())
