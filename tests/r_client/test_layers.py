"""Issue 12.6, R: lists of layers from R are the networks of Python to the bit; every layer of the registry is there."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pytrainr
from pytrainr import RRandom
from pytrainr.exact.layer_list import described, snake_case
from pytrainr.layers import (
    GRU,
    LAYERS,
    LSTM,
    NTM,
    TCN,
    Activation,
    AdaptiveComputation,
    Attention,
    AttentionPooling,
    AveragePooling1D,
    Bidirectional,
    Conv1D,
    Decoder,
    Dense,
    Dropout,
    EchoState,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    Jordan,
    LastSteps,
    LayerNormalization,
    MaxPooling1D,
    MultiHeadAttention,
    PositionalEncoding,
    PositionEmbedding,
    Pyramid,
    RepeatVector,
    Residual,
    Sequential,
    SimpleRNN,
    SpatialDropout1D,
    TimeDistributed,
)
from tests.r_client.r import R, what_is_missing

HERE = [] if what_is_missing() else ["here"]
here = pytest.mark.parametrize("r_is", HERE)

CASES: dict[str, tuple[str, list[Any]]] = {
    "recurrent": (
        "list(bidirectional(gru(4, return_sequences = TRUE, dropout = 0.2)), layer_normalization(), "
        "time_distributed(dense(1)))",
        [Bidirectional(GRU(4, return_sequences=True, dropout=0.2)), LayerNormalization(), TimeDistributed(Dense(1))],
    ),
    "convolution": (
        'list(conv_1d(4, 3, padding = "same", activation = "relu"), '
        "residual(sequential(list(dense(4), dropout(0.1)))), max_pooling_1d(1), dense(1))",
        [
            Conv1D(4, 3, padding="same", activation="relu"),
            Residual(Sequential((Dense(4), Dropout(0.1)))),
            MaxPooling1D(1),
            Dense(1),
        ],
    ),
    "attention": (
        "list(multi_head_attention(2, 3), dense(1))",
        [MultiHeadAttention(2, 3), Dense(1)],
    ),
    "tcn": (
        "list(tcn(3, 2, dilations = c(1, 2), dropout = 0.1, return_sequences = TRUE), dense(1))",
        [TCN(3, 2, dilations=(1, 2), dropout=0.1, return_sequences=True), Dense(1)],
    ),
}


def _numbers(path: Path, *shape: int) -> np.ndarray:
    return np.fromfile(path).reshape(shape, order="F")


@here
def test_networks_of_r_are_those_of_python(r_is: str, r: R, tmp_path: Path) -> None:
    """12.6: the same layers, seed and data: the same predictions and metrics to the bit; the list comes back."""
    X = np.random.default_rng(0).random((10, 6, 2))
    Y = X.mean(axis=2, keepdims=True)
    weight = np.linspace(0.5, 2.0, 10)
    X.ravel(order="F").tofile(tmp_path / "X")
    Y.ravel(order="F").tofile(tmp_path / "Y")
    cases = ", ".join(f"{name} = {code}" for name, (code, _) in CASES.items())
    r.run(
        f"""
        library(rnnremote); setwd("{tmp_path}")
        X <- array(readBin("X", "double", 120), c(10, 6, 2)); Y <- array(readBin("Y", "double", 60), c(10, 6, 1))
        cases <- list({cases})
        for (name in names(cases)) {{
          set.seed(3)
          model <- trainr(Y, X, exact = TRUE, layers = cases[[name]], learningrate = 0.05, update_rule = "adam",
            numepochs = 3, validation = 0.3, metrics = c("mae", "rmse"), sample_weight = seq(0.5, 2, length.out = 10))
          stopifnot(identical(format_all(model$layers), format_all(cases[[name]])))
          writeBin(c(predictr(model, X)), paste0(name, ".predicted"))
          writeBin(c(model$training_mae, model$validation_mae, model$validation_rmse), paste0(name, ".metrics"))
        }}""".replace("format_all(", "lapply(FUN = format, "),
        seconds=400,
    )
    for name, (_, layers) in CASES.items():
        model = pytrainr.trainr(
            Y,
            X,
            exact=True,
            layers=layers,
            learningrate=0.05,
            update_rule="adam",
            numepochs=3,
            validation=0.3,
            metrics=["mae", "rmse"],
            sample_weight=weight,
            rng=RRandom(3),
        )
        assert np.array_equal(_numbers(tmp_path / f"{name}.predicted", 10, 6), pytrainr.predictr(model, X)), name
        metrics = np.concatenate([model.training_mae, model.validation_mae, model.validation_rmse])
        assert np.array_equal(np.fromfile(tmp_path / f"{name}.metrics"), metrics), name


@here
def test_tokens_and_classes_from_r(r_is: str, r: R, tmp_path: Path) -> None:
    """12.6: whole numbers as X and Y, class_weight by the class's name, further training by name and as a list."""
    tokens = np.random.default_rng(0).integers(0, 9, (12, 5))
    r.run(
        f"""
        library(rnnremote); setwd("{tmp_path}")
        X <- matrix(c({", ".join(map(str, tokens.ravel(order="F")))}), 12); storage.mode(X) <- "integer"
        Y <- X[, 1, drop = FALSE] %% 3L
        set.seed(3)
        model <- trainr(Y, X, exact = TRUE, layers = list(embedding(9, 4), gru(4, return_sequences = TRUE),
          global_max_pooling_1d(), dense(3, activation = "softmax")), loss = "sparse_categorical_crossentropy",
          learningrate = 0.05, numepochs = 2, class_weight = c("1" = 2.5), metrics = "accuracy", validation = 0.25)
        writeBin(c(predictr(model, X)), "predicted")
        writeBin(c(model$training_accuracy, model$validation_accuracy), "accuracy")
        stored <- model_store(model, "tokens-from-r")
        stopifnot(identical(predictr(stored, X), predictr(model, X)))
        further <- lapply(list(model, stored, model_fetch(stored)), function(m) {{
          set.seed(4); predictr(trainr(Y, X, m, sample_weight = 1:12), X)
        }})
        stopifnot(identical(further[[1]], further[[2]]), identical(further[[1]], further[[3]]))
        writeBin(c(further[[1]]), "further")
        """,
        seconds=400,
    )
    Y = tokens[:, :1] % 3
    layers = [Embedding(9, 4), GRU(4, return_sequences=True), GlobalMaxPooling1D(), Dense(3, activation="softmax")]
    model = pytrainr.trainr(
        Y,
        tokens,
        exact=True,
        layers=layers,
        loss="sparse_categorical_crossentropy",
        learningrate=0.05,
        numepochs=2,
        class_weight={1: 2.5},
        metrics="accuracy",
        validation=0.25,
        rng=RRandom(3),
    )
    assert np.array_equal(_numbers(tmp_path / "predicted", 12, 1, 3), pytrainr.predictr(model, tokens))
    accuracy = np.concatenate([model.training_accuracy, model.validation_accuracy])
    assert np.array_equal(np.fromfile(tmp_path / "accuracy"), accuracy)
    further = pytrainr.trainr(Y, tokens, model, rng=RRandom(4), sample_weight=np.arange(1.0, 13.0))
    assert np.array_equal(_numbers(tmp_path / "further", 12, 1, 3), pytrainr.predictr(further, tokens))


@here
def test_every_layer_of_the_registry_has_a_function_in_r(r_is: str, r: R, tmp_path: Path) -> None:
    """12.6: with the same arguments in the same order, the same defaults, and a name after its class's."""
    registry = {
        kind: {
            field.name: ["required"] if field.default is MISSING else ["default", field.default]
            for field in fields(layer)
        }
        for kind, layer in LAYERS.items()
    }
    (tmp_path / "registry.json").write_text(json.dumps(registry))
    names = {kind: snake_case(kind.replace("1D", "_1D")) for kind in LAYERS}
    printed = r.run(
        f"""
        library(rnnremote)
        registry <- jsonlite::fromJSON("{tmp_path / "registry.json"}", simplifyVector = FALSE)
        functions <- rnnremote:::layer_functions
        for (kind in names(registry)) {{
          name <- if (kind %in% names(functions)) functions[[kind]] else {{ cat("missing", kind, "\\n"); next }}
          if (!name %in% getNamespaceExports("rnnremote")) cat("not exported", name, "\\n")
          given <- formals(get(name)); wanted <- registry[[kind]]
          if (!identical(as.character(names(given)), as.character(names(wanted)))) cat("arguments of", kind, "\\n")
          for (argument in names(wanted)) {{
            same <- if (wanted[[argument]][[1]] == "required") identical(given[[argument]], quote(expr = ))
              else isTRUE(all.equal(given[[argument]], wanted[[argument]][[2]], tolerance = 0))
            if (!same) cat("default of", kind, argument, "\\n")
          }}
          cat("named", kind, name, rnnremote:::layer_name(kind), "\\n")
        }}
        cat("too many:", setdiff(names(functions), names(registry)), "\\n")
        """
    )
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    expected = [f"named {kind} {name} {snake_case(kind)}" for kind, name in names.items()]
    assert lines == [*expected, "too many:"]


@here
def test_layers_in_r_speak_r(r_is: str, r: R) -> None:
    """12.6: completion knows the arguments, layers print as code, and what is wrong is said in R's words."""
    printed = r.run(
        """
        library(rnnremote)
        X <- array(runif(60), c(10, 3, 2)); Y <- X[, , 1]
        try_it <- function(code) cat(tryCatch({code; "no error"}, error = conditionMessage), "\\n")
        train <- function(layers, ...) trainr(Y, X, exact = TRUE, layers = layers, learningrate = 0.1, ...)
        print(bidirectional(gru(4, return_sequences = TRUE)))
        print(list(sequential(list(dense(units = 2L), flatten())), activation("tanh")))
        print(sapply(c(8, 16), gru, reset_after = FALSE, simplify = FALSE)[[2]])
        cat(utils::capture.output(args(lstm))[1], "\\n")
        try_it(gru())
        try_it(train(gru(3)))
        try_it(train(c(gru(3), dense(1))))
        try_it(train(list(gru(3), dense)))
        try_it(train(list(bidirectional(3))))
        try_it(train(list(dense(1), dense(0))))
        try_it(train(list(gru(3, use_bias = "yes"))))
        try_it(train(list(gru(3.5))))
        try_it(train(list(gru(3), dense(1))))
        try_it(train(list(dense(1)), hidden_dim = 5))
        try_it(train(list(gru(3, return_sequences = TRUE), dense(1)), sample_weight = 1:3))
        try_it(train(list(dense(1)), class_weight = "balanced"))
        try_it(train(list(dense(1)), metrics = "f1"))
        try_it(trainr(Y, X, layers = list(dense(1)), learningrate = 0.1))
        """
    )
    said = [line.strip() for line in printed.splitlines() if line.strip()]
    print(printed)
    expected = [
        "bidirectional(gru(4, return_sequences = TRUE))",
        "[[1]]",
        "sequential(list(dense(2), flatten()))",
        "[[2]]",
        'activation("tanh")',
        "gru(16, reset_after = FALSE)",
        "function (units, use_bias = TRUE, dropout = 0, recurrent_dropout = 0,",
        "gru() needs `units`",
        "`layers` should be a list of layers such as list(gru(32), dense(1))",
        "`layers` should be a list of layers such as list(gru(32), dense(1))",
        "number 2 of `layers` should be a layer such as gru(32), it is a function: is it called, as in dense(1)?",
        "`layer` of bidirectional() should be a layer such as gru(32), it is of class numeric",
        "layers, layer 2: Dense: units should be 1 or more, not 0",
        'layers, layer 1: GRU: use_bias should be TRUE or FALSE, it is "yes"',
        "layers, layer 1: GRU: units should be a whole number, it is 3.5",
    ]
    assert said[: len(expected)] == expected
    rest = " | ".join(said[len(expected) :])
    for word in ("Y has 3 steps", "hidden_dim", "sample_weight", "class_weight", "metrics", "exact = TRUE"):
        assert word in rest, rest
    for word in ("True", "False", "None", "no error"):
        assert word not in rest


SHAPES: list[tuple[str, list[Any]]] = [
    ("simple_rnn(3)", [SimpleRNN(3)]),
    ("jordan(3, outputs = 2, return_sequences = TRUE)", [Jordan(3, outputs=2, return_sequences=True)]),
    ("lstm(3, projection = 2, return_sequences = TRUE)", [LSTM(3, projection=2, return_sequences=True)]),
    ("ntm(3, memory_slots = 4, memory_width = 2)", [NTM(3, memory_slots=4, memory_width=2)]),
    ("echo_state(5, return_sequences = TRUE), dense(2)", [EchoState(5, return_sequences=True), Dense(2)]),
    ("decoder(gru(4), steps = 3)", [Decoder(GRU(4), 3)]),
    ("decoder(lstm(4), steps = 3, output = dense(2))", [Decoder(LSTM(4), 3, output=Dense(2))]),
    ("adaptive_computation(gru(4, return_sequences = TRUE))", [AdaptiveComputation(GRU(4, return_sequences=True))]),
    ('bidirectional(gru(4), merge_mode = "sum"), repeat_vector(5)', [Bidirectional(GRU(4), "sum"), RepeatVector(5)]),
    ("bidirectional(lstm(4, return_sequences = TRUE))", [Bidirectional(LSTM(4, return_sequences=True))]),
    ("conv_1d(5, 3, strides = 2), conv_1d(4, 2, dilation_rate = 2)", [Conv1D(5, 3, 2), Conv1D(4, 2, dilation_rate=2)]),
    (
        'conv_1d(5, 3, 2, "same"), max_pooling_1d(), average_pooling_1d(2, 1), average_pooling_1d(3, padding = "same")',
        [Conv1D(5, 3, 2, "same"), MaxPooling1D(), AveragePooling1D(2, 1), AveragePooling1D(3, padding="same")],
    ),
    ("global_max_pooling_1d(), activation('tanh')", [GlobalMaxPooling1D(), Activation("tanh")]),
    ("last_steps(3), global_average_pooling_1d()", [LastSteps(3), GlobalAveragePooling1D()]),
    ("last_steps(30), flatten(), dense(3), dropout(0.1)", [LastSteps(30), Flatten(), Dense(3), Dropout(0.1)]),
    (
        "pyramid(3), layer_normalization(), spatial_dropout_1d(0.1)",
        [Pyramid(3), LayerNormalization(), SpatialDropout1D(0.1)],
    ),
    ("time_distributed(dense(7)), residual(dense(7))", [TimeDistributed(Dense(7)), Residual(Dense(7))]),
    ("attention(), attention_pooling()", [Attention(), AttentionPooling()]),
    (
        "multi_head_attention(2, 3), positional_encoding(), position_embedding(20)",
        [MultiHeadAttention(2, 3), PositionalEncoding(), PositionEmbedding(20)],
    ),
    ("tcn(4, dilations = c(1, 2))", [TCN(4, dilations=(1, 2))]),
]


@here
def test_shapes_in_r_are_those_of_the_server(r_is: str, r: R) -> None:
    """15.3: summary() has Keras's output shapes; every layer is in one of these cases."""
    said = {kind for _, layers in SHAPES for kind in re.findall(r"'kind': '(\w+)'", str(described(layers)))}
    assert set(LAYERS) - said == {"Embedding"}  # it reads tokens: below
    codes = ", ".join(f"list({code})" for code, _ in SHAPES)
    printed = r.run(
        f"""
        library(rnnremote)
        for (layers in list({codes})) cat(c(t(rnnremote:::output_shapes(layers, c(11, 3)))), "\n")
        cat(c(t(rnnremote:::output_shapes(list(embedding(9, 4), gru(2)), c(11, 1)))), "\n")
        """
    )
    expected = [shapes_of(layers, 11, 3) for _, layers in SHAPES] + [shapes_of([Embedding(9, 4), GRU(2)], 11, 1)]
    assert [list(map(int, line.split())) for line in printed.splitlines() if line.strip()] == expected


def shapes_of(layers: list[Any], steps: int, width: int) -> list[int]:
    """What the library says comes out of each layer of a list."""
    shapes: list[int] = []
    for layer in layers:
        steps, width = layer.output_shape(steps, width)
        shapes += (steps, width)
    return shapes


@here
def test_the_table_of_a_trained_list(r_is: str, r: R) -> None:
    """15.3: the table that R prints is that of ``Model.summary``, line by line."""
    code = """
        library(rnnremote); X <- array(runif(240), c(10, 8, 3))
        model <- suppressMessages(trainr(X[, 1, 1, drop = FALSE], X, exact = TRUE, learningrate = 0.1, layers = list(
          conv_1d(4, 3, activation = "relu"), max_pooling_1d(), bidirectional(gru(5)), dense(1))))
        cat(gsub("-+", "", capture.output(summary(model))), sep = "\n")"""
    printed = r.run(code, seconds=500)
    X = np.random.default_rng(0).random((4, 8, 3))
    layers = [Conv1D(4, 3, activation="relu"), MaxPooling1D(), Bidirectional(GRU(5)), Dense(1)]
    options: dict[str, Any] = {"learningrate": 0.1, "epoch_function": (), "rng": RRandom(1)}
    model = pytrainr.trainr(X[:, :1, :1], X, exact=True, layers=layers, **options)
    for line in model.summary().splitlines()[2:]:
        if "─" not in line:
            assert line.split() in [other.split() for other in printed.splitlines()], line


def test_descriptions_are_plain() -> None:
    """What R reads of a model's layers is lists, texts and numbers."""
    assert described(Bidirectional(GRU(4))) == {"kind": "Bidirectional", "layer": {"kind": "GRU", "units": 4}}
