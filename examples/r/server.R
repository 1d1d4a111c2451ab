# A server on this machine, for this session: found, or installed if you agree; its jobs and models stay for the next.
library(rnnremote)

data_dir <- file.path(tempdir(), "a try") # without it: a directory of your own, the same each time
server <- trainr_server(data_dir)
print(server)

X <- matrix(runif(200), 20)
model <- trainr(X, X, learningrate = 0.1, numepochs = 3)
model_store(model, "copy")
trainr_server_stop()

trainr_server(data_dir)
print(model_list())
stopifnot(identical(predictr("models/copy", X), predict(model, X)))
trainr_server_stop()
