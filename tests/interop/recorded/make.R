# Made model.rds and the files beside it, with the R package rnnremote and a server: Rscript make.R, in this folder.
library(rnnremote)
set.seed(1)
X <- array(runif(5 * 4 * 2), c(5, 4, 2))
Y <- array(runif(20), c(5, 4, 1))
# A function with functions inside, compiled, like those that R keeps in a model.
own <- compiler::cmpfun(function(model) {
  scaled <- lapply(model$time_synapse, function(w) sapply(w, function(x) if (x > 0) x * 1 else x))
  for (i in seq_along(scaled)) {
    model$seen <- c(model$seen, sum(scaled[[i]]) > 0, local({
      f <- function(y) y
      f(i)
    }))
  }
  model
})
m <- suppressMessages(trainr(Y, X,
  learningrate = 0.1, learningrate_decay = 0.9, hidden_dim = c(2, 3), network_type = "rnn", numepochs = 2,
  use_bias = TRUE, epoch_function = c(epoch_print, epoch_annealing), note = "ein Satz \u00fcber R",
  table = list(a = 1:3, b = "x"), nothing = NULL
))
m$epoch_function <- lapply(m$epoch_function, compiler::cmpfun)
m$epoch_function[[3]] <- own
m$loss_function <- compiler::cmpfun(m$loss_function)
saveRDS(m, "model.rds")
saveRDS(m, "model_xz.rds", version = 2, compress = "xz")
writeBin(as.vector(X), "X.f8")
writeBin(as.vector(predictr(m, X)), "predicted.f8")
save(m, file = "saved.RData")
