"""An exact network as C: one call for each row of its plan, on the places that the plan has given out.

A layer that is added brings a C function in ``c_parts`` and a line in ``CALLS``; containers are rows already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pytrainr.exact.cells.lstm import LSTM
from pytrainr.exact.cells.ntm import NTM
from pytrainr.exact.plan import Row
from pytrainr.export.c_text import array, identifier, part, scale_text
from pytrainr.export.of_model import NotExportableError, check_used, scale_of
from pytrainr.network import kept_network
from pytrainr.r_list import RList
from pytrainr.stepper import check_steps

__all__ = ["exact_network"]


class _Row:
    """A row as C names its parts."""

    def __init__(self, row: Row, weights: dict[int, str]) -> None:
        self.row, self._weights = row, weights
        self.x, self.y, self.options = row.x, row.y, row.options
        self.used: set[str] = set()

    def at(self, name: str) -> str:
        """A pointer to an array in the workspace, 0 where the row has none."""
        return f"m + {self.row.arrays[name][0]}" if name in self.row.arrays else "0"

    def weight(self, name: str) -> str:
        """A weight array, 0 where the row has none."""
        self.used.add(name)
        return self._weights[self.row.weights[name][0]] if name in self.row.weights else "0"

    def call(self, function: str, *given: Any) -> str:
        """A call; texts are arrays of the workspace, numbers are themselves."""
        return f"    {function}({', '.join(map(str, given))});\n"

    def fields(self, numbers: tuple[str, ...], weights: tuple[str, ...], arrays: tuple[str, ...]) -> dict[str, Any]:
        """Options that are whole numbers, weights and arrays, those of its input and output among them, by name."""
        return {
            **{name: int(self.options[name]) for name in numbers},
            **{name: self.weight(name) for name in weights},
            **{name: self.at(name) for name in arrays},
        }


def _struct(kind: str, fields: dict[str, Any]) -> str:
    """A pointer to a struct with these fields, for functions that take all as one."""
    given = ", ".join(f".{name} = {value}" for name, value in fields.items())
    return f"&(const {kind}){{{given}}}"


def _dense(r: _Row) -> str:
    sizes = r.x.steps, r.x.width, r.y.width
    activation = int(r.options["activation"])
    return r.call("dense", r.at("x"), r.at("y"), *sizes, r.weight("kernel"), r.weight("bias"), activation)


def _activation(r: _Row) -> str:
    return r.call("activation_layer", r.at("x"), r.at("y"), r.x.steps, r.x.width, int(r.options["activation"]))


def _layer_normalization(r: _Row) -> str:
    scale = r.options["epsilon"], r.weight("gamma"), r.weight("beta")
    return r.call("layer_normalization", r.at("x"), r.at("y"), r.x.steps, r.x.width, *scale)


def _embedding(r: _Row) -> str:
    return r.call("embedding", r.at("x"), r.at("y"), r.at("y_present"), r.x.steps, r.y.width, r.weight("embeddings"))


_WEIGHTS = ("kernel", "recurrent_kernel", "bias", "recurrent_bias", "peephole", "projection", "projection_bias")


def _cell(r: _Row, layer: Any) -> str:
    """The struct of a recurrent layer, or of the cell that another layer drives."""
    fields: dict[str, Any] = {
        **{"steps": r.x.steps, "width": r.x.width, "units": layer.units, "outputs": layer.outputs},
        **{"gates": len(layer.gates), "cells": r.row.arrays["cell"][2]},
        **{name: int(r.options[name]) for name in ("activation",) if name in r.options},
    }
    if "output" in r.options:
        fields["output_activation"] = int(r.options["output"])
    if "leak" in r.options:
        fields["leak"] = r.options["leak"]
    fields |= {name: r.weight(name) for name in _WEIGHTS if name in r.row.weights}
    fields |= {name: r.at(name) for name in ("x", "hidden", "cell", "present")}
    if not fields["cells"]:
        del fields["cell"]
    if isinstance(layer, NTM):
        weights = ("head_kernel", "head_bias", "initial_memory", "initial_weighting")
        numbers = ("slots", "width", "reads", "writes", "shifts", "lstm")
        fields["own"] = _struct("struct turing", r.fields(numbers, weights, ()))
    return _struct("recurrent", fields)


def _recurrent(function: str) -> Callable[[_Row], str]:
    return lambda r: r.call("drive", _cell(r, r.row.layer), function)


def _decoder(function: str) -> Callable[[_Row], str]:
    def call(r: _Row) -> str:
        layer: Any = r.row.layer
        (_, steps, width), (_, _, outputs) = r.row.arrays["encoder"], r.row.arrays.get("output", (0, 0, 0))
        weights = ("query", "key", "score", "output_kernel", "output_bias", "embeddings")
        arrays = ("encoder", "encoder_present", "keys", "share", "output", "fed")
        fields = {
            **{"steps": steps, "width": width, "units": layer.cell.units, "outputs": outputs},
            **{"output_activation": int(r.options["activation_of_output"])},
            **r.fields(("attention",), weights, arrays),
        }
        return r.call("decode", _struct("decoder", fields), _cell(r, layer.cell), function)

    return call


def _adaptive_computation(function: str) -> Callable[[_Row], str]:
    def call(r: _Row) -> str:
        layer: Any = r.row.layer
        arrays = ("outer", "outer_present", "result")
        fields = {
            "steps": r.row.arrays["outer"][1],
            **r.fields(("most",), ("halting_kernel", "halting_bias"), arrays),
        }
        return r.call("adapt", _struct("adaptive_computation", fields), _cell(r, layer.cell), function)

    return call


def _conv1d(r: _Row) -> str:
    fields: dict[str, Any] = {
        **{"steps": r.x.steps, "count": r.y.steps, "width": r.x.width, "filters": r.y.width},
        **{"taps": r.row.weights["kernel"][1] // r.x.width},
        **r.fields(("strides", "dilation", "before", "activation"), ("kernel", "bias"), ("x", "y", "past", "after")),
    }
    return r.call("conv1d", _struct("conv1d_layer", fields)) + _presence(r)


def _presence(r: _Row) -> str:
    if r.options["strides"] == 1 or "y_present" not in r.row.arrays:
        return ""
    given = r.y.steps, int(r.options["strides"]), int(r.options["entry"])
    return r.call("pass_presence", r.at("present"), r.at("y_present"), *given)


def _pooling(mean: int) -> Callable[[_Row], str]:
    def call(r: _Row) -> str:
        sizes = r.x.steps, r.y.steps, r.x.width
        windows = (int(r.options[name]) for name in ("span", "strides", "before"))
        return r.call("pooling", r.at("x"), r.at("y"), r.at("present"), *sizes, *windows, mean) + _presence(r)

    return call


def _pyramid(r: _Row) -> str:
    arrays = (r.at(name) for name in ("x", "y", "present", "y_present"))
    return r.call("pyramid", *arrays, r.x.steps, r.x.width, int(r.options["size"]))


def _reverse(r: _Row) -> str:
    return r.call("reverse", *(r.at(name) for name in ("x", "y", "present", "y_present")), r.x.steps, r.x.width)


def _attention(r: _Row) -> str:
    arrays = ("x", "y", "present", "queries", "keys", "share")
    fields = {
        **{"steps": r.x.steps, "width": r.x.width, "units": r.row.arrays["keys"][2]},
        **r.fields(("causal",), ("scale", "query", "key", "score"), arrays),
    }
    return r.call("attention", _struct("attention_layer", fields))


def _attention_pooling(r: _Row) -> str:
    fields = {
        **{"steps": r.x.steps, "width": r.x.width, "units": r.row.arrays["keys"][2]},
        **r.fields((), ("key", "bias", "score"), ("x", "y", "present", "keys", "share")),
    }
    return r.call("attention_pooling", _struct("attention_pooling_layer", fields))


def _multi_head_attention(r: _Row) -> str:
    kernels = ("query", "key", "value", "output")
    weights = (*kernels, *(f"{name}_bias" for name in kernels))
    arrays = ("x", "y", "present", "queries", "keys", "values", "seen", "share")
    fields = {
        **{"steps": r.x.steps, "width": r.x.width, "scale": r.options["scale"]},
        **{f"width_of_{name}": r.row.arrays[name][2] for name in ("keys", "values")},
        **r.fields(("heads", "causal"), weights, arrays),
    }
    return r.call("multi_head_attention", _struct("multi_head_attention_layer", fields))


def _positional_encoding(r: _Row) -> str:
    return r.call(
        "positional_encoding", *map(r.at, ("x", "y", "position")), r.x.steps, r.x.width, r.options["max_wavelength"]
    )


def _position_embedding(r: _Row) -> str:
    return r.call("add", r.at("x"), r.weight("embeddings"), r.at("y"), r.y.steps * r.y.width)


def _join(r: _Row) -> str:
    left, right = r.row.arrays["a"][2], r.row.arrays["b"][2]
    return r.call("join", r.at("a"), r.at("b"), r.at("y"), r.y.steps, left, right)


_LOOK, _CELL = ("activation", "dense", "look"), ("activation", "recurrent")

_CELLS = {
    **{"SimpleRNN": "simple_rnn", "Jordan": "jordan", "GRU": "gru", "GRU.reset_after": "gru_reset_after"},
    **{"LSTM": "lstm", "EchoState": "echo_state", "NTM": "ntm"},
}
"""The C function of each cell, for layers and what drives a cell."""

CALLS: dict[str, tuple[tuple[str, ...], Callable[[_Row], str]]] = {
    "Dense": (("activation", "dense"), _dense),
    "Activation": (("activation", "activation_layer"), _activation),
    "LayerNormalization": (("layer_normalization",), _layer_normalization),
    "Embedding": (("embedding",), _embedding),
    **{kind: ((*_CELL, function), _recurrent(function)) for kind, function in _CELLS.items()},
    **{
        f"Decoder.{kind}": ((*_CELL, *_LOOK, "decoder", function), _decoder(function))
        for kind, function in _CELLS.items()
    },
    **{
        f"AdaptiveComputation.{kind}": ((*_CELL, "adaptive_computation", function), _adaptive_computation(function))
        for kind, function in _CELLS.items()
    },
    "Conv1D": (("activation", "windows", "conv1d"), _conv1d),
    "MaxPooling1D": (("windows", "pooling"), _pooling(0)),
    "AveragePooling1D": (("windows", "pooling"), _pooling(1)),
    "Pyramid": (("pyramid",), _pyramid),
    "RepeatVector": (("repeat_vector",), lambda r: r.call("repeat_vector", r.at("x"), r.at("y"), r.y.steps, r.y.width)),
    "Attention": ((*_LOOK, "attention"), _attention),
    "AttentionPooling": ((*_LOOK, "attention_pooling"), _attention_pooling),
    "MultiHeadAttention": ((*_LOOK, "multi_head_attention"), _multi_head_attention),
    "PositionalEncoding": (("positional_encoding",), _positional_encoding),
    "PositionEmbedding": (("add",), _position_embedding),
    "Reverse": (("reverse",), _reverse),
    "Join": (("join",), _join),
    "Add": (("add",), lambda r: r.call("add", r.at("a"), r.at("b"), r.at("y"), r.y.steps * r.y.width)),
    "Blank": (("blank",), lambda r: r.call("blank", r.at("x"), r.at("y"), r.at("present"), r.x.steps, r.x.width)),
}
"""For each kind of row the parts that it needs, and its call."""

_ANY_STEPS = 3  # some number of steps that is not 1

_SILENT = ("LastSteps", "Fork")
"""Rows that compute nothing: what they give lies there already."""


def exact_network(model: RList) -> tuple[dict[str, int | str], str]:
    """What the file defines, and the text that runs the network."""
    network: Any
    network, flat = kept_network(model)  # type: ignore[assignment]
    options = network.options
    streams = _streams(model, network)
    steps = 1 if streams else int(model.time_dim)
    plan = network.prediction_plan(steps)
    ends, rows = plan.program.ends, plan.rows[:-1]  # without the loss
    weights, names = _weights(rows, options.places, flat.astype(network.dtype))
    single = network.dtype == np.float32
    parts = dict.fromkeys(("common", "product", f"exponential_{32 if single else 64}", "exponential"))
    calls, begin = [], ""
    for row in rows:
        kind = row.kernels.name
        if kind in _SILENT:
            continue
        if kind not in CALLS:
            known = ", ".join(dict.fromkeys(name.split(".")[0] for name in CALLS))
            raise NotExportableError(f"{kind} has no form in C yet; there are {known}")
        needed, call = CALLS[kind]
        parts |= dict.fromkeys(needed)
        named = _Row(row, names)
        calls.append(call(named))
        begin += _begun(named)
        check_used(type(row.layer).__name__, row.weights.keys() - named.used, "C")
    given = 1 if model.get("one_to_many") and model.time_dim > 1 else model.get("time_dim_input", model.time_dim)
    defined: dict[str, int | str] = {
        "INPUTS": options.input_dim,
        "OUTPUTS": plan.output.width,
        "STEPS": 0 if streams else int(given),
        "RUN_STEPS": steps,
        "OUTPUT_STEPS": plan.output.steps,
        "LAST_ONLY": int(streams and network.prediction_plan(_ANY_STEPS).output.steps == 1),
        "STATE": plan.size,
        "WIDEST": _widest(rows),
        "R_ARITHMETIC": 0,
        "TOKENS": options.tokens or 0,
        "MASKED": int(options.padded),
        "INPUT": ends.input,
        "PRESENT": ends.present,
        "OUTPUT": ends.output,
        "OUTPUT_PRESENT": ends.output_present,
    }
    for name in ("EXP", "TANH_", "SQRT", "LOG", "LOG1P"):
        defined[name] = name.lower().strip("_") + ("f" if single else "")
    states = plan.program.states.tolist()
    clear = "".join(f"    memset(m + {before}, 0, sizeof(real) * {n});\n" for before, _, n in states)
    keep = "".join(f"    memcpy(m + {before}, m + {after}, sizeof(real) * {n});\n" for before, after, n in states)
    body = [
        f"typedef {'float' if single else 'double'} real;\n",
        *map(part, parts),
        *weights,
        scale_text("input", scale_of(model, "input", options.input_dim)),
        scale_text("output", scale_of(model, "output", plan.output.width)),
        _RUN.replace("CLEAR", clear + begin).replace("CALLS", "".join(calls)).replace("KEEP", keep if streams else ""),
    ]
    return defined, "\n".join(body)


def _begun(r: _Row) -> str:
    """The state that a recurrent layer has learnt to begin with."""
    pairs = (("initial_state", "hidden"), ("initial_cell", "cell"))
    return "".join(
        f"    memcpy({r.at(array)}, {r.weight(weight)}, sizeof {r.weight(weight)});\n"
        for weight, array in pairs
        if weight in r.row.weights
    )


def _streams(model: RList, network: Any) -> bool:
    """Whether the network goes step by step, and a step is what ``predictr`` gives for the sequence so far."""
    try:
        check_steps(model)
    except ValueError:
        return False
    try:
        rows = network.prediction_plan(_ANY_STEPS).rows[:-1]  # without the loss
    except ValueError:  # takes no other number of steps
        return False
    shorter = next((k for k, row in enumerate(rows) if row.y.steps != row.x.steps), len(rows))
    if shorter < len(rows) and rows[shorter].y.steps != 1:
        return False
    return all(row.layer.pointwise for row in rows[shorter + 1 :])


def _weights(rows: list[Row], places: dict[Any, int], flat: np.ndarray) -> tuple[list[str], dict[int, str]]:
    """The arrays of the weights, and their names by their places."""
    names = {
        place: identifier("_".join(["layer", *(str(p + 1) if type(p) is int else str(p) for p in path), name]))
        for (path, name), place in places.items()
    }
    shapes = {place: shape for row in rows for place, *shape in row.weights.values()}
    texts = [
        array(names[place], flat[place : place + int(np.prod(shape))].reshape(shape), "real")
        for place, shape in shapes.items()
    ]
    return texts, names


def _widest(rows: list[Row]) -> int:
    """The most numbers of a vector that a C function keeps."""
    widths = [1, *(max(row.x.width, row.y.width) for row in rows)]
    for row in rows:
        widths += [shape[-1] for shape in row.weights.values()]
        if isinstance(row.layer, LSTM):
            widths.append(row.layer.units)
    return max(widths)


_RUN = """\
/* Bring one step of raw numbers to m; 1 where the network does not take them. */
static int read_step(real *m, const double *x, int t)
{
    double given[INPUTS];
    int absent = 0;
    normalise(given, x);
    for (int k = 0; k < INPUTS; k++) {
        if (MASKED && isnan(given[k]))
            absent = 1;
        else if (!isfinite(given[k]))
            return 1;
        else if (TOKENS && !(given[k] >= 0 && given[k] < TOKENS && given[k] == floor(given[k])))
            return 1;
    }
    for (int k = 0; k < INPUTS; k++) m[INPUT + t * INPUTS + k] = absent ? 0 : (real)given[k];
    if (PRESENT >= 0) m[PRESENT + t] = !absent;
    return 0;
}

static void clear(real *m)
{
    (void)m;
CLEAR}

static void run(real *m)
{
CALLSKEEP}

/* The raw output of step t; NaN where there is no entry. */
static void write_step(double *y, const real *m, int t)
{
    raw(y, m + OUTPUT + t * OUTPUTS);
    if (OUTPUT_PRESENT >= 0 && m[OUTPUT_PRESENT + t] == 0)
        for (int k = 0; k < OUTPUTS; k++) y[k] = NAN;
}
"""
