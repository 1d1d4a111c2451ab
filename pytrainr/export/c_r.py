"""A network in R's arithmetic as C: the same operations in the same order, so that the bits are ``predictr``'s."""

from __future__ import annotations

from pytrainr.export.c_text import array, part, scale_text
from pytrainr.export.of_model import scale_of
from pytrainr.network import kept_network
from pytrainr.r_list import RList

__all__ = ["r_network"]

_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
_SIGMOIDS = {"logistic": "logistic", "tanh": "hyperbolic_tangent", "Gompertz": "gompertz"}


def r_network(model: RList) -> tuple[dict[str, int | str], str]:
    """What the file defines, and the text that computes a step."""
    network, flat = kept_network(model)
    kind, dims, layout = model.network_type, [int(n) for n in model.synapse_dim], network.layout
    gates, cells = _GATES[kind], int(kind == "lstm")
    hidden = dims[1:-1]
    weights, table = [], []
    for number, units in enumerate(hidden):
        names = [f"{what}_{number}" for what in ("time", "recurrent", "bias")]
        for name, field in zip(names, ("time_synapse", "recurrent_synapse", "bias_synapse"), strict=True):
            block = layout.find(field, number)
            stored = flat[block.offset : block.offset + block.size]
            shape = (-1, gates * units) if block.rows else (gates, units)
            if block.rows or model.use_bias:
                weights.append(array(name, stored.reshape(shape)))
        bias = names[2] if model.use_bias else "0"
        table.append(f"    {{{dims[number]}, {units}, {names[0]}, {names[1]}, {bias}}},")
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
        "STATE": sum(hidden) * (1 + cells),
        "LAYERS": len(hidden),
        "WIDEST": max(*(gates * units for units in hidden), *dims),
        "SIGMOID": _SIGMOIDS[model.sigmoid] if kind == "rnn" else "logistic",
    }
    bias = "    add_bias(out, output_bias, OUTPUTS, row, total);\n" if model.use_bias else ""
    body = [
        *(part("common"), part("r"), *weights, part(f"r_{kind}")),
        "static const layer layers[LAYERS] = {\n" + "\n".join(table) + "\n};\n",
        *(scale_text(side, scale_of(model, side, dims[place])) for side, place in (("input", 0), ("output", -1))),
        _STEP.replace("CELLS", str(cells)).replace("BIAS", bias),
    ]
    return defined, "\n".join(body)


_STEP = """\
/* One step of sample number `row` of `total`; without x it reads zeros. */
static int run_step(double *state, const double *x, double *y, int row, int total)
{
    double given[WIDEST], out[OUTPUTS];
    const double *below = given;
    for (int k = 0; k < INPUTS && x; k++)
        if (!isfinite(x[k])) return 1;
    if (x)
        normalise(given, x);
    else
        for (int k = 0; k < INPUTS; k++) given[k] = 0;
    for (int l = 0; l < LAYERS; l++) {
        step_of(&layers[l], state, state + layers[l].units, below, row, total);
        below = state;
        state += (1 + CELLS) * layers[l].units;
    }
    product(out, below, output_time, layers[LAYERS - 1].units, OUTPUTS);
BIAS    SIGMOID(out, OUTPUTS);
    raw(y, out);
    return 0;
}
"""
