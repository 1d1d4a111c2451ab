# Every run that R's own package recorded, through the server: not one bit differs, nor does the random stream.

for (name in golden_names) {
  run <- golden(name)
  if (!is.null(run$r_error)) next
  test_that(paste(name, "equals R to the bit"), {
    set.seed(run$seed)
    suppressMessages({
      model <- do.call(trainr, golden_arguments(run))
      if (run$retrain) {
        unsync <- isTRUE(run$args$seq_to_seq_unsync)
        model <- trainr(golden_array(run$Y), golden_array(run$X), model = model, seq_to_seq_unsync = unsync)
      }
    })
    expect_same(runif(3), run$rng_after, "the random stream afterwards")
    for (field in c("time_synapse", "recurrent_synapse", "bias_synapse")) {
      expect_same_list(model[[field]], run$final[[field]], field)
      expect_same_list(model[[paste0(field, "_update")]], run[[paste0(field, "_update")]], paste0(field, "_update"))
    }
    for (field in c("error", "learningrate", "last_layer_error", "last_layer_delta")) {
      expect_same(model[[field]], run[[field]], field)
    }
    expect_same(attr(model, "error"), run$mean_error, "the attribute error")
    expect_same_list(model$store, run$store, "store")
    expect_identical(!is.null(model$store_best), run$has_store_best)
    expect_same(predictr(model, golden_array(run$X)), run$predict, "predict")
    expect_same(predictr(model, golden_array(run$X2)), run$predict2, "predict2")
    hidden <- predictr(model, golden_array(run$X2), hidden = TRUE, real_output = FALSE)
    expect_same_list(hidden, run$predict2_hidden, "predict2_hidden")
  })
}

test_that("there are golden runs", expect_gt(length(golden_names), 60))

# Layers of unequal size stop in R's gru and lstm; here they train.
for (name in c("layers_unequal_gru", "layers_unequal_lstm")) {
  test_that(paste(name, "trains"), {
    model <- suppressMessages(do.call(trainr, golden_arguments(golden(name))))
    expect_true(all(is.finite(model$error)))
  })
}

stops <- list(
  time_mismatch = c("rnnremote_invalid_argument", "time dimension of X is different"),
  batch_larger_than_data = c("rnnremote_invalid_argument", "batch_size"),
  sigmoid_tanh = c("rnnremote_error", "NaN"),
  sigmoid_tanh_bias = c("rnnremote_error", "NaN")
)
for (name in names(stops)) {
  test_that(paste(name, "stops with a clear message, as R stops"), {
    expect_error(
      suppressMessages(do.call(trainr, golden_arguments(golden(name)))), stops[[name]][2], class = stops[[name]][1]
    )
  })
}
