#' Training with true gradients
#'
#' \code{trainr(..., exact = TRUE)} is the same call with the mathematics right: the same arrays, the same random
#' stream, for rnn, gru and lstm the same initial weights, but true back-propagation through time. The gru and the lstm
#' of \code{rnn} do not follow the gradient; these do. Y with one step is many-to-one, X with one step one-to-many.
#'
#' The arguments of \code{\link{trainr}} go on to count, \code{network_type}, \code{hidden_dim}, \code{use_bias},
#' \code{batch_size} and others; further ones are given by name. A name that is nearly one of these is an error that
#' says which was meant; other names are yours, and kept with the model. Defaults come first.
#'
#' @section The network:
#' \describe{
#'   \item{\code{layers}}{a list of \code{\link{layers}}, in the place of the arguments of this section.}
#'   \item{\code{network_type}}{\code{"rnn"}, \code{"jordan"}, \code{"gru"}, \code{"lstm"}, or \code{"esn"}, an echo
#'     state network, whose readout is fitted by ridge regression (\code{leak = 1}, \code{spectral_radius = 0.9},
#'     \code{density = 0.1}, \code{ridge = 1e-6}).}
#'   \item{\code{sigmoid}}{for rnn and jordan: \code{"logistic"}, \code{"tanh"}, \code{"Gompertz"}, \code{"relu"}.}
#'   \item{\code{output}}{activation of the output: \code{"logistic"}, \code{"linear"}, \code{"tanh"},
#'     \code{"softmax"}.}
#'   \item{\code{bidirectional}, \code{pyramid}}{\code{TRUE}: both directions side by side; upper layers read so many
#'     steps joined into one.}
#'   \item{\code{attention}}{\code{TRUE}: a decoder of as many steps as Y looks over all steps of the encoder.}
#'   \item{\code{peephole}, \code{proj_size}}{for lstm: gates see the cell; the state is projected to so many numbers.}
#'   \item{\code{init}, \code{forget_bias}}{initial weights, \code{"uniform"} (those of \code{rnn}), \code{"glorot"},
#'     \code{"orthogonal"}; the bias of lstm's forget gates.}
#' }
#' @section What is learnt from:
#' \describe{
#'   \item{\code{loss}}{\code{"squared"}, \code{"absolute"}, \code{"huber"} (\code{huber_width = 1}),
#'     \code{"binary_crossentropy"}, \code{"categorical_crossentropy"} (the default of a softmax); with a list of layers
#'     also \code{"sparse_categorical_crossentropy"}, where Y (samples, steps) are classes, whole numbers from 0, and
#'     the last layer is a softmax with a unit for each, and \code{"ctc"} (\code{blank = 0}).}
#'   \item{\code{sample_weight}}{weights of the samples, a vector or a matrix (samples, steps of Y), which multiply the
#'     loss.}
#'   \item{\code{class_weight}}{weights of the classes, a vector, or one with names such as \code{c("1" = 5)}.}
#'   \item{\code{mask}}{for sequences of different length: \code{"nan"}, steps that are \code{NaN} have no entry; or a
#'     matrix (samples, steps) that is 0 there.}
#'   \item{\code{initial_state}}{the states before the first step, a matrix (samples, width), as
#'     \code{predictr(..., return_state = TRUE)} returns them.}
#' }
#' @section How:
#' \describe{
#'   \item{\code{update_rule}}{\code{"sgd"} (with the momentum of \code{rnn}), \code{"momentum"} (the usual one),
#'     \code{"rmsprop"} (\code{rho}, \code{epsilon}), \code{"adam"} (\code{beta1}, \code{beta2}, \code{epsilon}),
#'     \code{"adagrad"}.}
#'   \item{\code{epoch_function}}{schedules of the learning rate: \code{\link{cosine_schedule}} and others.}
#'   \item{\code{clipping}, \code{clip_norm}}{gradients are clipped by value, or by their global norm.}
#'   \item{\code{bptt_steps}}{truncated back-propagation: an update every so many steps, the state carried over.}
#'   \item{\code{dropout}, \code{recurrent_dropout}}{the share of the inputs of each layer, and of the states, that is
#'     left out in training.}
#'   \item{\code{l2}}{weight decay, half of which times the squared weights is added to the loss; biases are left out.}
#'   \item{\code{dtype}}{\code{"float64"} or \code{"float32"}.}
#' }
#' @section How it is judged:
#' \describe{
#'   \item{\code{validation}}{the share of the samples, the last ones, that is held out, or \code{list(X, Y)}: the loss
#'     by epoch is \code{model$validation_loss}.}
#'   \item{\code{patience}}{ends the training after so many epochs without a smaller loss of what is held out; the best
#'     weights come back.}
#'   \item{\code{metrics}}{\code{"accuracy"}, \code{"mae"}, \code{"mse"}, \code{"rmse"}: after each epoch, in
#'     \code{model$training_accuracy} and \code{model$validation_accuracy} and so on.}
#' }
#' @section Seeds:
#' All that is random, initial weights, groups, dropout, comes from R's own stream: \code{set.seed(1)} before the call
#' makes it reproducible, and \code{\link{trainr_many}} takes \code{seeds}.
#' @examples
#' \dontrun{
#' set.seed(1)
#' X <- array(runif(200 * 12), c(200, 12, 1))
#' Y <- t(apply(X[, , 1], 1, function(x) cumsum(x) / seq_along(x)))
#' model <- trainr(Y, X,
#'   exact = TRUE, network_type = "gru", hidden_dim = 8, use_bias = TRUE, output = "linear",
#'   update_rule = "adam", learningrate = 0.01, batch_size = 10, numepochs = 200,
#'   validation = 0.25, patience = 10, metrics = "mae"
#' )
#' summary(model)
#' plot(model)
#' }
#' @seealso \code{\link{trainr}}, \code{\link{layers}}
#' @name exact
NULL
