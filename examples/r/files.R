# A network for where there is neither R nor a server: as C, as ONNX, as a file for Python; and back.
library(rnnremote)

set.seed(1)
X <- array(runif(60 * 8 * 2), c(60, 8, 2))
Y <- (X[, , 1] + X[, , 2]) / 2
model <- trainr(Y, X,
  exact = TRUE, network_type = "gru", hidden_dim = 6, use_bias = TRUE, update_rule = "adam", learningrate = 0.02,
  batch_size = 10, numepochs = 20, epoch_function = NULL
)

model_export(model, "mean.trainr") # in Python: pytrainr.Model.load("mean.trainr")
back <- model_import("mean.trainr")
stopifnot(identical(predict(back, X), predict(model, X)))

model_export(model, "mean.onnx") # for ONNX Runtime and what else reads ONNX

model_export(model, "mean.c") # one file of C99 that needs no library
if (nzchar(Sys.which("cc"))) {
  system("cc -std=c99 -O2 -ffp-contract=off -DPYTRAINR_MAIN mean.c -lm -o mean")
  write.table(X[1, , ], "X.csv", sep = ",", row.names = FALSE, col.names = FALSE) # a step in each line
  said <- as.numeric(system("./mean < X.csv", intern = TRUE))
  print(rbind(R = predict(model, X[1, , , drop = FALSE])[1, ], C = said))
  stopifnot(all.equal(said, predict(model, X[1, , , drop = FALSE])[1, ], tolerance = 1e-6))
}
print(file.size(c("mean.trainr", "mean.onnx", "mean.c")))
