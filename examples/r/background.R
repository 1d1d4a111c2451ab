# A training that goes on when R is closed; a model with a name, versions and an alias.
library(rnnremote)

set.seed(1)
X <- array(runif(100 * 10 * 2), c(100, 10, 2))
Y <- X[, , 1]
inputs <- dataset_send(X) # sent once
jobs <- lapply(
  1:2, function(i) train_async(Y, inputs, learningrate = 0.1 * i, numepochs = 20, model_id = "example-copy")
)
print(jobs[[1]])
for (job in jobs) suppressMessages(job_wait(job))
print(summary(jobs[[2]]))
print(job_list(state = "succeeded")[1:2, c("name", "state", "mean_error", "model")])

model_alias(job_status(jobs[[1]])$model, "prod")
print(model_list("models/example-copy")[c("name", "alias", "final_error")])
predicted <- predictr("models/example-copy@prod", X[1:3, , ])
stopifnot(identical(dim(predicted), c(3L, 10L)), model_delete("models/example-copy") == 2)
