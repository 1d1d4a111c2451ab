"""What comes back from a caller or a file is checked as at creation, before compiled code reads it.

Every way to a network leads through :func:`pytrainr.network.network_of`, and that through :func:`check_model`: a model
that was loaded, received, changed by an epoch function, retrained, predicted with, stepped. Compiled code trusts what
it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import wrong_value
from pytrainr.groups import number_of_groups
from pytrainr.memory import check_memory
from pytrainr.parameters import Layout
from pytrainr.r_arguments import R_CHECKS
from pytrainr.r_list import RList

__all__ = [
    "COUNTED",
    "FIXED",
    "OPTION_FIELDS",
    "check_error",
    "check_fixed",
    "check_groups",
    "check_model",
    "check_trainable",
    "check_training_fields",
]

Check = Callable[[Any, str], Any]

_DIMENSIONS = ("input_dim", "output_dim", "time_dim", "time_dim_input", "output_time_dim")
_NEEDED = (
    *("input_dim", "hidden_dim", "output_dim", "synapse_dim", "time_dim", "network_type", "seq_to_seq_unsync"),
    "update_rule",
)
_NEEDED_SHORTHAND = ("sigmoid", "use_bias")
_NEEDED_EXACT = ("output_time_dim", "mask", "loss", "huber_width", "dtype")
_EXACT_ONLY = ("output_time_dim", "groups_done")
"""What only training with ``exact=True`` gives a model."""
_NEEDED_EXACT_SHORTHAND = ("attention", "pyramid")
_NEEDED_TO_TRAIN = (
    "learningrate",
    "learningrate_decay",
    "momentum",
    "batch_size",
    "epoch_function",
    "loss_function",
    "numepochs",
)
_NEEDED_TO_TRAIN_EXACT = ("output", "loss", "rho", "beta1", "beta2", "epsilon", "l2", "updates_done", "groups_done")
COUNTERS = ("updates_done", "groups_done", "dropout_seed", "current_epoch", "best_epoch")
COUNTED = (*COUNTERS, "validation_loss", "best_validation_loss")
"""Fields in which training counts, and what belongs to them."""
_NAMES = ("output", "loss", "init", "dtype")
_SEVERAL = ("hidden_dim", "synapse_dim", "class_weight")
_LARGEST = 2**53
_NORMALISATION = (("input_center", "input_scale", "input_dim"), ("output_center", "output_scale", "output_dim"))

FIXED = (
    *("exact", "network_type", "input_dim", "hidden_dim", "output_dim", "synapse_dim", "time_dim", "time_dim_input"),
    *("output_time_dim", "seq_to_seq_unsync", "one_to_many", "peephole", "proj_size", "bidirectional", "pyramid"),
    *("attention", "layers", "mask", "dtype", "current_epoch", "updates_done", "groups_done", "dropout_seed"),
    *("validated", "validation_loss", "best_validation_loss", "best_epoch"),
    *("weighted", "class_weight", "metrics"),
)
"""Fields that say what the network is, or count what was done: nothing may change them while it is trained."""

OPTION_FIELDS = (
    *FIXED,
    *("learningrate_decay", "momentum", "numepochs", "sigmoid", "use_bias", "batch_size", "update_rule"),
    *(
        "epoch_function",
        "loss_function",
        "clipping",
        "clip_norm",
        "output",
        "loss",
        "huber_width",
        "blank",
        "bptt_steps",
    ),
    *("dropout", "recurrent_dropout", "l2", "rho", "beta1", "beta2", "epsilon", "patience", "init", "forget_bias"),
    *("leak", "spectral_radius", "density", "ridge"),
    *(name for fields in _NORMALISATION for name in fields[:2]),
)
"""Every field but weights and errors that a network or its training reads; the learning rate has its own check."""


def check_model(model: RList, layout_of: Callable[[RList], Layout]) -> None:
    """Check what ``model`` says of its network, and put each option as its check returns it (a whole number as int).

    Raises ``TypeError`` or ``ValueError`` that names the field, as ``trainr`` does where it refuses the argument.
    Weights are compared with the layout before anything is made in its size; a model that is only being made has none.
    """
    exact = arguments.flag(model.get("exact", False), "exact")
    listed = exact and model.get("layers") is not None
    if not exact and all(name in model for name in _EXACT_ONLY):
        raise wrong_value(
            "exact",
            "{place} is missing; the model's other fields are those of a training with true gradients, and R's "
            "arithmetic would compute something else with its weights",
        )
    _need(model, _NEEDED + (_NEEDED_EXACT if exact else ()))
    checks = _checks(exact)
    if listed:
        del checks["hidden_dim"], checks["network_type"]
    else:
        _need(model, _NEEDED_SHORTHAND + (_NEEDED_EXACT_SHORTHAND if exact else ()))
    for name in checks.keys() & model.keys():
        _put(model, name, checks[name](_single(model[name], name), name))
    if exact:
        _check_exact(model)
    elif model.get("clipping") is not None:
        _put(model, "clipping", arguments.rate(_single(model["clipping"], "clipping"), "clipping", zero=False))
    _check_dimensions(model)
    _check_normalisation(model)
    layout = layout_of(model)
    if any(block.field in model for block in layout):
        layout.check(model)


def check_training_fields(model: RList, samples: int) -> None:
    """Check what only training reads; ``model`` itself has been checked. Raises as :func:`check_model`."""
    check_trainable(model)
    check_groups(samples, model.batch_size)


def check_trainable(model: RList) -> None:
    """Check that a model has what training reads of it."""
    _need(model, _NEEDED_TO_TRAIN + (_NEEDED_TO_TRAIN_EXACT if model.exact else ()))
    if not callable(model.loss_function):
        raise TypeError(f"loss_function should be a function of the model that returns it, not {model.loss_function!r}")


def check_groups(samples: int, batch_size: float) -> None:
    """Raise ``ValueError`` where ``batch_size`` makes no group of so many samples, or more than memory can number."""
    groups = samples / batch_size if batch_size > samples / _LARGEST else math.inf
    if groups > _LARGEST:
        raise ValueError(f"batch_size should be the mean number of samples in a group, such as 1; it is {batch_size!r}")
    if number_of_groups(samples, batch_size) < 1:
        raise arguments.too_large_batch(samples, batch_size)
    check_memory(8.0 * groups, f"batch_size={batch_size!r} of {samples} samples")


def check_fixed(before: Mapping[str, Any], model: RList) -> None:
    """Raise ``ValueError`` where a field that may not change while a network is trained is not what it was."""
    for name in FIXED:
        if name not in before:
            if name in model:
                raise ValueError(f"model.{name} may not be set while the network is trained")
        elif name not in model or not _same(before[name], model[name]):
            now = model.get(name, "not there any more")
            raise ValueError(
                f"model.{name} may not change while the network is trained: it was {before[name]!r}, it is {now!r}"
            )


def check_error(error: Any, samples: int, epochs: int) -> np.ndarray:
    """The field ``error``, checked: (samples, epochs) of numbers."""
    if not isinstance(error, np.ndarray) or error.dtype.kind not in "fiub":
        raise TypeError(f"model.error should be an array of numbers, (samples, epochs), it is {error!r:.200}")
    if error.shape != (samples, epochs):
        raise ValueError(
            f"model.error should have the shape {(samples, epochs)} (samples, epochs), it has {error.shape}"
        )
    return error if error.dtype == np.float64 else np.asfortranarray(error, dtype=np.float64)


def _checks(exact: bool) -> dict[str, Check]:
    """The check of every field that is a single value or a few, as at creation."""
    checks: dict[str, Check] = {**R_CHECKS, **dict.fromkeys(_DIMENSIONS, arguments.positive_integer)}
    checks |= dict.fromkeys(COUNTERS, _counter)
    checks |= {"synapse_dim": arguments.hidden_dims, "one_to_many": arguments.flag}
    checks |= {"validated": arguments.flag, "weighted": arguments.flag}
    if exact:
        from pytrainr.exact.options import exact_checks

        checks |= exact_checks()
    return checks


def _check_exact(model: RList) -> None:
    from pytrainr.exact.options import EXACT_DEFAULTS, check_blank, check_bptt, check_exact_options

    layers = _checked_layers(model) if model.get("layers") is not None else None
    present = {name: _single(model[name], name) for name in EXACT_DEFAULTS if name in model and name != "layers"}
    for name in _NAMES:
        if not isinstance(present.get(name, ""), str):
            raise TypeError(f"{name} should be a name such as {EXACT_DEFAULTS[name]!r}, it is {present[name]!r}")
    mask = present.get("mask")
    if mask is not None and not (isinstance(mask, str) and mask == "nan"):
        raise ValueError(f"model.mask should be None or 'nan', it is {mask!r:.200}")
    given = {**EXACT_DEFAULTS, **present}
    check_exact_options(given)
    if given["bptt_steps"] is not None:
        check_bptt(given, model.time_dim, layers)
    for name in present:
        _put(model, name, given[name])
    check_blank(model)


def _checked_layers(model: RList) -> tuple[Any, ...]:
    """The layers of a network that is given as a list, which fit each other and what the model says of them."""
    from pytrainr.exact.layer_list import LayerList, layers_from

    if model.network_type != "layers" or tuple(model.hidden_dim) != ():
        raise ValueError("model.network_type should be 'layers' and hidden_dim empty where the model has layers")
    layers = layers_from(model["layers"])
    network = LayerList(layers, model.input_dim, model.time_dim, padded=model.get("mask") is not None)
    network.check()
    shapes = network.shapes()
    if shapes[-1] != (model.output_time_dim, model.output_dim):
        raise ValueError(
            f"model.layers put out {shapes[-1]} (steps, variables), the model says "
            f"{(model.output_time_dim, model.output_dim)}"
        )
    return layers


def _check_dimensions(model: RList) -> None:
    """Dimensions that follow from each other."""
    synapses = (model.input_dim, *model.hidden_dim, model.output_dim)
    if tuple(model.synapse_dim) != synapses:
        raise ValueError(
            f"model.synapse_dim should be input_dim, hidden_dim and output_dim together, {synapses}; it is "
            f"{tuple(model.synapse_dim)}"
        )
    if not model.get("seq_to_seq_unsync", False):
        return
    _need(model, ("time_dim_input",))
    if model.time_dim_input > model.time_dim:
        raise ValueError(
            f"model.time_dim_input should be at most time_dim, {model.time_dim}, it is {model.time_dim_input}"
        )


def _check_normalisation(model: RList) -> None:
    for *names, dimension in _NORMALISATION:
        given = [name for name in names if name in model]
        for name in given:
            value = np.asarray(model[name])
            if (
                value.dtype.kind not in "fiu"
                or value.ndim > 1
                or (value.ndim and value.size not in (1, model[dimension]))
            ):
                raise ValueError(
                    f"model.{name} should be {model[dimension]} numbers, one a variable; it is {value!r:.200}"
                )
        if given:
            _need(model, names)


def _need(model: RList, names: Any) -> None:
    for name in names:
        if name not in model:
            raise wrong_value(name, "{place} is missing; a model should have every field that trainr gives it")


def _counter(value: Any, name: str) -> int:
    number = arguments.rate(value, name)
    if number != int(number) or number > _LARGEST:
        raise ValueError(f"model.{name} should be a whole number from 0 to 2^53, it is {value!r}")
    return int(number)


def _single(value: Any, name: str) -> Any:
    """``value``, or the only entry of an array of one, but for what may be several."""
    if not isinstance(value, np.ndarray) or name in _SEVERAL:
        return value
    if value.size != 1 or value.dtype.kind not in "fiubU":
        raise TypeError(f"{name} should be a single value, it is an array of {value.dtype} of the shape {value.shape}")
    return value.item()


def _put(model: RList, name: str, value: Any) -> None:
    before = model[name]
    if before is not value and (type(before) is not type(value) or before != value):
        model[name] = value


def _same(before: Any, now: Any) -> bool:
    if before is now or type(before) is not type(now):
        return before is now
    return np.array_equal(before, now, equal_nan=True) if isinstance(now, np.ndarray) else bool(before == now)
