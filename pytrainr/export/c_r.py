"""A network in R's arithmetic as C: the same operations in the same order, so that the bits are ``predictr``'s."""

from __future__ import annotations

from pytrainr.export.c_text import array, part, scale_text
from pytrainr.export.of_model import scale_of
from pytrainr.network import kept_network
from pytrainr.r_list import RList

__all__ = ["r_network"]

_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
_SIGMOIDS = {"logistic": "LOGISTIC", "tanh": "TANH", "Gompertz": "GOMPERTZ"}


def r_network(model: RList) -> tuple[dict[str, int | str], str]:
    """What the file defines, and the text that computes a step."""
    network, flat = kept_network(model)
    kind, dims, layout = model.network_type, [int(n) for n in model.synapse_dim], network.layout
    gates, cells = _GATES[kind], int(kind == "lstm")
    hidden = dims[1:-1]
    weights, calls, place = [], [], 0
    for number, units in enumerate(hidden):
        names = [f"{what}_{number}" for what in ("time", "recurrent", "bias")]
        for name, field in zip(names, ("time_synapse", "recurrent_synapse", "bias_synapse"), strict=True):
            block = layout.find(field, number)
            stored = flat[block.offset : block.offset + block.size]
            shape = (-1, gates * units) if block.rows else (gates, units)
            if block.rows or model.use_bias:
                weights.append(array(name, stored.reshape(shape)))
        bias = names[2] if model.use_bias else "0"
        layer = f"&(const layer){{{dims[number]}, {units}, {names[0]}, {names[1]}, {bias}}}"
        below = f"state + {place - (1 + cells) * hidden[number - 1]}" if number else "given"
        calls.append(f"    step_of({layer}, state + {place}, state + {place + units}, {below}, row, total);\n")
        place += (1 + cells) * units
    for name, field in (("time", "time_synapse"), ("bias", "bias_synapse")):
        if name == "time" or model.use_bias:
            weights.append(array(f"output_{name}", layout.find(field, len(hidden)).view(flat)))
    unsync = bool(model.seq_to_seq_unsync)
    steps = int(model.time_dim_input) if unsync else 0
    defined: dict[str, int | str] = {
        "INPUTS": dims[0],
        "OUTPUTS": dims[-1],
        "STEPS": steps,
        "RUN_STEPS": int(model.time_dim) if unsync else 0,
        "OUTPUT_STEPS": int(model.time_dim) - steps + 1 if unsync else 0,
        "STATE": place,
        "LAST_UNITS": hidden[-1],
        "WIDEST": max(*(gates * units for units in hidden), *dims),
        "SIGMOID": _SIGMOIDS[model.sigmoid] if kind == "rnn" else "LOGISTIC",
        "R_ARITHMETIC": 1,
        "EXP": "exp",
        "TANH_": "tanh",
    }
    calls.append(f"    product(out, state + {place - (1 + cells) * hidden[-1]}, output_time, LAST_UNITS, OUTPUTS);\n")
    if model.use_bias:
        calls.append("    add_bias(out, output_bias, OUTPUTS, row, total);\n")
    body = [
        *map(part, ("common", "exponential_64", "exponential", "activation", "r_product", "r")),
        *(*weights, part(f"r_{kind}")),
        *(scale_text(side, scale_of(model, side, dims[place])) for side, place in (("input", 0), ("output", -1))),
        _STEP.replace("CALLS", "".join(calls)),
    ]
    return defined, "\n".join(body)


_STEP = """\
/* One step of sample number `row` of `total`; without x it reads zeros. */
static int run_step(double *state, const double *x, double *y, int row, int total)
{
    double given[WIDEST], out[OUTPUTS];
    for (int k = 0; k < INPUTS && x; k++)
        if (!isfinite(x[k])) return 1;
    if (x)
        normalise(given, x);
    else
        for (int k = 0; k < INPUTS; k++) given[k] = 0;
CALLS    activate(out, OUTPUTS, SIGMOID);
    raw(y, out);
    return 0;
}
"""
