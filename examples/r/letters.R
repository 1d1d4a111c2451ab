# A network reads letters and says which comes next; then it goes on by itself.
library(rnnremote)

text <- strsplit(strrep("round and round the ragged rock ", 20), "")[[1]]
symbols <- sort(unique(text))
codes <- match(text, symbols)
one_hot <- function(codes) {
  flat <- diag(length(symbols))[as.vector(codes), ]
  array(flat, c(dim(codes), length(symbols)))
}
ends <- seq(25, length(text) - 1, by = 5)
seen <- outer(ends, -24:0, "+")
X <- one_hot(array(codes[seen], dim(seen)))
Y <- one_hot(array(codes[seen + 1], dim(seen)))

set.seed(1)
model <- trainr(Y, X,
  exact = TRUE, network_type = "gru", hidden_dim = 32, use_bias = TRUE, output = "softmax", update_rule = "adam",
  learningrate = 0.01, batch_size = 8, numepochs = 60, epoch_function = NULL
)
said <- simulate(model, 1, seed = 2, h = 60, start = match(strsplit("round and ", "")[[1]], symbols), temperature = 0.2)
written <- paste(symbols[said[[1]]], collapse = "")
cat("round and", written, "\n")
stopifnot(grepl("ragged rock", written))
