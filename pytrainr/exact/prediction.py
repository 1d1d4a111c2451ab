"""``predictr`` for exact networks: whole sequences, or piece by piece from a returned state."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import Setting, wrong_value
from pytrainr.exact.entries import check_finite, check_tokens, with_mask
from pytrainr.exact.layer_list import named
from pytrainr.exact.layers.layer import Part, needs_whole
from pytrainr.exact.network import ExactNetwork
from pytrainr.memory import check_memory
from pytrainr.model import Model
from pytrainr.network import kept_network
from pytrainr.series.normalisation import normalised_input, raw_output

__all__ = ["check_stateful", "checked_input", "checked_states", "gates", "layer_states", "names_of", "predict_exact"]


def predict_exact(
    model: Model,
    X: Any,
    *,
    hidden: bool = False,
    real_output: bool = True,
    state: np.ndarray | None = None,
    return_state: bool = False,
    mask: Any = None,
) -> Any:
    """Predict with an exact network.

    Parameters
    ----------
    X
        (samples, time, input variables). The time dimension may differ from training's; with ``seq_to_seq_unsync`` and
        one-to-many it is the input's.
    hidden
        Return the states of every layer (and direction) instead, each (samples, time, units), for gru (…, 4) and lstm
        (…, 6), and the output last.
    real_output
        For one output variable return (samples, time).
    state, return_state
        ``return_state=True`` returns (prediction, state); ``state`` goes on from there: step by step gives what the
        whole sequence at once gives.
    mask
        For sequences of different length, as in training: ``"nan"`` or (samples, time). Steps without entry are NaN in
        the prediction.
    """
    samples, masked = _checked(model, X, mask)
    stateful = arguments.flag(return_state, "return_state") or state is not None
    kept, weights = kept_network(model)
    network = cast(ExactNetwork, kept)
    steps = _steps(model, samples)
    if stateful:
        check_stateful(model)
        if state is not None and (ahead := needs_whole(model.layers)):
            raise wrong_value("state", f"{{place}}: {ahead} needs the whole sequence, it cannot go on from a state")
        state = checked_states(network, state, samples.shape[0])
    record = None
    if hidden:
        shapes = network.store_shapes(steps)
        sizes = [math.prod(shape) for shape in shapes]
        check_memory(24.0 * samples.shape[0] * sum(sizes), f"predicting the states of {samples.shape[0]} samples")
        record = np.empty((samples.shape[0], sum(sizes[:-1])))
    prepare = _preparation(model, network, steps)
    output, _, after = network.forward(weights, samples, states=state, record=record, steps=steps, prepare=prepare)
    if masked and output.shape[1] == steps:
        output[np.isnan(_shifted(samples, steps)[:, :, 0])] = np.nan
    result: Any = raw_output(model, output)
    if real_output and model["output_dim"] == 1:
        result = result[:, :, 0]
    if record is not None:
        ends = np.cumsum([0, *sizes[:-1]])
        store = [record[:, a:b].reshape(-1, *shape) for a, b, shape in zip(ends, ends[1:], shapes, strict=False)]
        result = [*store, output]
    return (result, after) if return_state else result


def layer_states(model: Model, X: Any, mask: Any = None) -> dict[str, dict[str, np.ndarray]]:
    """``pytrainr.layer_states``; nothing where no layer has more to show than what it gives out."""
    return _looked_into(model, X, mask, lambda row: row.layer.shown(row.x.steps))


def gates(model: Model, X: Any, mask: Any = None) -> dict[str, dict[str, np.ndarray]]:
    """``pytrainr.gates``; nothing where no layer has any."""
    return _looked_into(model, X, mask, lambda row: row.layer.shown_gates())


def _looked_into(
    model: Model, X: Any, mask: Any, parts_of: Callable[[Any], dict[str, Part]]
) -> dict[str, dict[str, np.ndarray]]:
    """By the layer's name, what ``parts_of`` it says is to be shown over (samples, time); NaN without an entry."""
    kept, weights = kept_network(model)
    network = cast(ExactNetwork, kept)
    samples, _ = _checked(model, X, mask)
    steps = _steps(model, samples)
    prepare = _preparation(model, network, steps)

    def memory(place: int, entries: int, width: int) -> np.ndarray:
        at = place, entries, width
        return network.forward(weights, samples, steps=steps, prepare=prepare, shown=lambda _: at)[0]

    rows = [row for row in network.prediction_plan(steps).rows if parts_of(row)]
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, row in zip(names_of(rows), rows, strict=True):
        parts, whole, found[name] = parts_of(row), {}, {}
        absent = None if row.x.present is None else memory(row.x.present, row.x.steps, 1)[:, :, 0] == 0.0
        for array, before in {(array, before) for array, before, _, _ in parts.values()}:
            place, *entries, width = row.arrays[array]
            whole[array] = values = memory(place + before * width, entries[0] - before if entries else 1, width)
            if absent is not None and absent.shape == values.shape[:2]:
                values[absent] = np.nan
        for what, (array, _, first, shape) in parts.items():
            values = whole[array][:, :: -1 if row.x.turned else 1]
            columns = values[:, :, first:] if -1 in shape else values[:, :, first : first + math.prod(shape)]
            over = values.shape[:2] if len(row.arrays[array]) == 3 else values.shape[:1]
            found[name][what] = columns.reshape(*over, *shape)
    return found


def names_of(rows: Sequence[Any]) -> list[str]:
    """The names of rows' layers as in ``model.summary()``; those that read from the end are called "backward_…"."""
    ways = {turned: [row.layer for row in rows if bool(row.x.turned) == turned] for turned in (False, True)}
    named_ways = {turned: iter(named(layers)) for turned, layers in ways.items()}
    return [("backward_" if row.x.turned else "") + next(named_ways[bool(row.x.turned)]) for row in rows]


def _checked(model: Model, X: Any, mask: Any) -> tuple[np.ndarray, bool]:
    """X as (samples, time, variables), NaN where there is no entry; whether that may be."""
    samples = arguments.as_samples(X, "X")
    arguments.check_variables(samples, model["input_dim"])
    mask = model["mask"] if mask is None else mask
    if mask is not None and model.mask is None:
        raise wrong_value(
            "mask",
            "{place}: the model was trained on whole sequences; train with {mask} to predict with a mask",
            mask=Setting("mask", "nan"),
        )
    if mask is not None:
        samples, _ = with_mask(samples, None, mask)
    check_finite(samples, "X", mask is not None)
    return samples, mask is not None


def checked_input(model: Model, X: Any, mask: Any = None) -> np.ndarray:
    """X (samples, time, input) as the network takes it."""
    samples, _ = _checked(model, X, mask)
    network = cast(ExactNetwork, kept_network(model)[0])
    return np.asarray(_preparation(model, network, samples.shape[1])(samples), dtype=np.float64)


def _preparation(model: Model, network: ExactNetwork, steps: int) -> Callable[[np.ndarray], np.ndarray]:
    """What makes of some samples of X what the network takes: X itself may be larger than memory."""
    tokens = network.options.tokens

    def prepare(rows: np.ndarray) -> np.ndarray:
        rows = normalised_input(model, rows)
        check_tokens(rows, tokens)
        return _shifted(rows, steps)

    return prepare


def _steps(model: Model, samples: np.ndarray) -> int:
    """How many steps the network runs over X: more than X has where the output goes on after the input."""
    one_to_many = not model.get("attention") and model["time_dim"] > 1 and model.get("one_to_many", False)
    if not model["seq_to_seq_unsync"] and not one_to_many:
        return samples.shape[1]
    expected = model.time_dim_input if model.seq_to_seq_unsync else 1
    if samples.shape[1] != expected:
        raise wrong_value("X", f"{{place}} should have {expected} time steps as in training, it has {samples.shape[1]}")
    return int(model.time_dim)


def _shifted(samples: np.ndarray, steps: int) -> np.ndarray:
    """X with the zeros that follow it up to ``steps``."""
    if samples.shape[1] == steps:
        return samples
    padded = np.zeros((samples.shape[0], steps, samples.shape[2]))
    padded[:, : samples.shape[1]] = samples
    return padded


def check_stateful(model: Model, name: str = "state") -> None:
    """Raise ``ValueError`` where a network cannot begin in a state: it needs the whole sequence."""
    for option in ("bidirectional", "attention", "seq_to_seq_unsync"):
        if model.get(option):
            raise wrong_value(
                name,
                "{place}: a network with {option} needs the whole sequence, it cannot go on from a state",
                option=Setting(option, True),
            )
    for layer in model.layers:
        if ahead := layer.looks_ahead():
            raise wrong_value(name, f"{{place}}: {ahead} needs the whole sequence, it cannot go on from a state")
    if model.get("pyramid", 1) > 1:
        raise wrong_value(name, "{place}: a pyramid joins steps, it cannot go on from a state")


def checked_states(network: ExactNetwork, state: Any, samples: int, name: str = "state") -> np.ndarray:
    """States (samples, width) before the first step, 0 for None."""
    shape = (samples, network.state_width)
    if state is None:
        return np.zeros(shape)
    try:
        given = np.asarray(state)
    except ValueError:  # ragged
        given = np.empty(0)
    if given.shape != shape or given.dtype.kind not in "biuf" or not np.isfinite(given).all():
        raise wrong_value(
            name,
            "{place} should be what predictr({returned}) returned, finite numbers of the shape {needed}; it is {value}",
            returned=Setting("return_state", True),
            needed=shape,
            value=state,
        )
    return given.astype(np.float64)
