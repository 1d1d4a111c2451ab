"""From options to the tables that compiled code reads: the layout of the weights and the places in the workspace."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytrainr.exact.activations import ACTIVATIONS
from pytrainr.exact.attention import ATTENTION
from pytrainr.exact.cells import CELLS, echo_state, jordan
from pytrainr.exact.group import LEVEL, READOUT, Plan, Wiring
from pytrainr.exact.losses import LOSSES
from pytrainr.exact.options import Options
from pytrainr.exact.outputs import OUTPUTS
from pytrainr.exact.shapes import LAYER
from pytrainr.parameters import Block, Layout

__all__ = ["layout_of", "plan_of"]

SIDES = ("", "reverse_")
"""The fields of a layer's second direction begin with ``reverse_``."""


def layout_of(options: Options) -> Layout:
    """All weights: R's fields first, then those that R's networks lack."""
    gates, several = len(CELLS[options.network_type].GATES), len(CELLS[options.network_type].GATES) > 1
    per_gate = gates if several else 0
    blocks = []
    for side in SIDES[: options.directions]:
        for level in range(options.depth):
            hidden, inputs, outputs = options.hidden_dim[level], options.inputs_of(level), options.outputs_of(level)
            blocks += [
                Block(f"{side}time_synapse", level, inputs, hidden, per_gate),
                Block(f"{side}recurrent_synapse", level, outputs, hidden, per_gate),
                Block(f"{side}bias_synapse", level, 0, hidden, per_gate),
            ]
            if options.peephole:
                blocks.append(Block(f"{side}peephole_synapse", level, 3, hidden))
            if options.proj_size:
                blocks.append(Block(f"{side}projection_synapse", level, hidden, options.proj_size))
    top = options.depth
    if options.attention:
        hidden, outputs = options.hidden_dim[-1], options.outputs_of(top - 1)
        encoder = options.inputs_of(top)
        blocks += [
            Block("time_synapse", top, encoder, hidden, per_gate),
            Block("recurrent_synapse", top, outputs, hidden, per_gate),
            Block("bias_synapse", top, 0, hidden, per_gate),
            Block("attention_query", 0, outputs, hidden),
            Block("attention_key", 0, encoder, hidden),
            Block("attention_score", 0, 0, hidden),
        ]
        if options.peephole:
            blocks.append(Block("peephole_synapse", top, 3, hidden))
        if options.proj_size:
            blocks.append(Block("projection_synapse", top, hidden, options.proj_size))
        top += 1
    blocks += [
        Block("time_synapse", top, options.top_width, options.output_dim),
        Block("bias_synapse", top, 0, options.output_dim),
    ]
    return Layout(blocks)


class _Places:
    """Hands out places in the workspace, in numbers per sample."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, size: int) -> int:
        place = self.size
        self.size += -(-size // 8) * 8
        return place


def _cell_of(options: Options) -> Any:
    module, activation = CELLS[options.network_type], ACTIVATIONS.index(options.hidden_activation)
    if module is jordan:
        return jordan.Cell(activation, OUTPUTS.index(str(options.output)), options.use_bias)
    if module is echo_state:
        return echo_state.Cell(activation, float(options.leak))
    return module.Cell(activation)


def plan_of(options: Options, layout: Layout, *, training: bool = True) -> tuple[Plan, int]:
    """The tables, and the size of the workspace per sample."""
    places = _Places()
    dropout = options.dropout if training else 0.0
    recurrent_dropout = options.recurrent_dropout if training else 0.0
    directions, depth = options.directions, options.depth
    layers = np.zeros(depth * directions + options.attention, LAYER)
    levels = np.zeros(depth + 1 + options.attention, LEVEL)
    readout, attention = np.zeros(1, READOUT), np.zeros(1, ATTENTION)

    levels[0]["width"] = options.input_dim
    levels[0]["sequence"] = places.take(options.steps * options.input_dim)
    for level in range(depth):
        steps = options.steps_of(level)
        levels[level]["present"] = places.take(steps)
        plain = directions == 1 and not dropout and (level == 0 or options.pyramid == 1)
        for side in range(directions):
            layer = layers[level * directions + side]
            _place_layer(layer, options, layout, level, SIDES[side], steps, places, bool(recurrent_dropout))
            if plain:
                layer["x"], layer["downstream"] = levels[level]["sequence"], levels[level]["gradient"]
            else:
                layer["x"] = places.take(steps * layer["inputs"])
                layer["downstream"] = places.take(steps * layer["inputs"])
        _place_level(levels[level + 1], layers[level * directions], directions, steps, places)
    if options.attention:
        decoder = layers[-1]
        steps = options.output_steps
        _place_layer(decoder, options, layout, depth, "", steps, places, bool(recurrent_dropout))
        decoder["x"], decoder["downstream"] = (places.take(steps * decoder["inputs"]) for _ in range(2))
        _place_level(levels[depth + 1], decoder, 1, steps, places)
        _place_attention(attention[0], options, layout, places)
    _place_readout(readout[0], options, layout, levels[-1], places, bool(dropout))
    wiring = Wiring(
        directions,
        options.pyramid,
        options.attention,
        options.feeds_back,
        options.use_bias,
        options.padded,
        dropout,
        recurrent_dropout,
    )
    table = attention if options.attention else None
    return Plan(_cell_of(options), layers, levels, readout, table, wiring), places.size


def _place_layer(
    layer: Any,
    options: Options,
    layout: Layout,
    level: int,
    side: str,
    steps: int,
    places: _Places,
    recurrent_dropout: bool,
) -> None:
    """Sizes, weights and workspace of one direction of one layer."""
    module = CELLS[options.network_type]
    is_decoder = level == options.depth
    below = level - is_decoder
    hidden, outputs, gates = options.hidden_dim[below], options.outputs_of(below), len(module.GATES)
    layer["inputs"], layer["hidden"], layer["outputs"] = options.inputs_of(level), hidden, outputs
    layer["gates"] = gates
    for name, width in module.widths(hidden, outputs).items():
        layer[name] = width
    for name in ("time", "recurrent", "bias"):
        layer[name] = layout.find(f"{side}{name}_synapse", level).offset
    if options.peephole:
        layer["peepholes"], layer["peephole"] = 3, layout.find(f"{side}peephole_synapse", level).offset
    if options.proj_size:
        layer["projected"], layer["projection"] = hidden, layout.find(f"{side}projection_synapse", level).offset
    elif options.feeds_back and level == options.depth - 1:
        layer["projected"], layer["output_biases"] = hidden, outputs
        layer["projection"] = layout.find("time_synapse", options.depth).offset
        layer["projection_bias"] = layout.find("bias_synapse", options.depth).offset
    sizes = {
        "gate": steps * gates * hidden,
        "delta": steps * gates * hidden,
        "state": (steps + 1) * outputs,
        "cell": (steps + 1) * layer["cells"],
        "memory": steps * layer["memories"],
        "gate_delta": steps * layer["gate_deltas"],
        "memory_delta": steps * layer["memory_deltas"],
        "upstream": steps * outputs,
        "product": gates * hidden,
        "carried": outputs,
        "direct": outputs,
        "carried_cell": layer["cells"],
        "held": outputs,
        "held_cell": layer["cells"],
        "input_mask": layer["inputs"],
        "recurrent_mask": outputs,
    }
    for name, size in sizes.items():
        layer[name] = places.take(int(size))
    layer["context"] = places.take((steps + 1) * outputs) if recurrent_dropout else layer["state"]


def _place_level(level: Any, layer: Any, directions: int, steps: int, places: _Places) -> None:
    """The sequence above a layer: its own states where it has one direction, else both side by side."""
    width = int(layer["outputs"])
    level["width"] = width * directions
    if directions == 1:
        level["sequence"], level["gradient"] = layer["state"] + width, layer["upstream"]
    else:
        level["sequence"], level["gradient"] = (places.take(steps * width * directions) for _ in range(2))


def _place_attention(attention: Any, options: Options, layout: Layout, places: _Places) -> None:
    units, encoder_steps, steps = options.hidden_dim[-1], options.steps_of(options.depth - 1), options.output_steps
    attention["units"] = units
    attention["encoder_width"] = options.inputs_of(options.depth)
    attention["decoder_width"] = options.outputs_of(options.depth - 1)
    for name in ("query", "key", "score"):
        attention[name] = layout.find(f"attention_{name}", 0).offset
    for name in ("keys", "d_keys"):
        attention[name] = places.take(encoder_steps * units)
    for name in ("queries", "d_queries"):
        attention[name] = places.take(steps * units)
    attention["share"] = places.take(steps * encoder_steps)


def _place_readout(readout: Any, options: Options, layout: Layout, top: Any, places: _Places, dropout: bool) -> None:
    last, steps = options.depth + options.attention, options.top_steps
    loss = LOSSES[str(options.loss)]
    readout["inputs"], readout["outputs"] = int(top["width"]), options.output_dim
    readout["activation"] = OUTPUTS.index(str(options.output))
    readout["loss"] = list(LOSSES).index(str(options.loss))
    readout["canonical"] = options.output == loss.CANONICAL
    readout["width"] = options.huber_width
    readout["time"] = layout.find("time_synapse", last).offset
    readout["bias"] = layout.find("bias_synapse", last).offset
    readout["steps"] = options.output_steps
    readout["mask"] = places.take(int(top["width"]))
    readout["x"], readout["downstream"] = int(top["sequence"]), int(top["gradient"])
    if dropout:
        readout["x"], readout["downstream"] = (places.take(steps * int(top["width"])) for _ in range(2))
    for name in ("y", "target", "delta"):
        readout[name] = places.take(steps * options.output_dim)
