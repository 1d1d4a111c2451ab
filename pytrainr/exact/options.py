"""The arguments of ``trainr`` that come with ``exact=True``: their defaults, their checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytrainr import arguments
from pytrainr.argument_errors import ArgumentValueError, Setting, wrong_value
from pytrainr.exact.layer_list import described, layers_from
from pytrainr.exact.layers.layer import Layer, needs_whole
from pytrainr.exact.losses import takes_labels
from pytrainr.exact.metrics import METRICS, check_metrics, metric_fields
from pytrainr.exact.shorthand import NETWORK_TYPES, SIGMOIDS
from pytrainr.exact.target_weights import check_class_weight
from pytrainr.exact.update_rules import RULES
from pytrainr.r_list import RList

__all__ = [
    "EXACT_DEFAULTS",
    "OF_THE_DATA",
    "SET_BY_EXACT_TRAINING",
    "SHORTHAND",
    "VALIDATED",
    "check_blank",
    "check_bptt",
    "check_exact_options",
    "complete_exact_fields",
    "exact_checks",
]

SHORTHAND: dict[str, Any] = {
    "hidden_activation": None,
    "peephole": False,
    "proj_size": 0,
    "bidirectional": False,
    "pyramid": 1,
    "attention": False,
    "output": None,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "init": "uniform",
    "forget_bias": None,
    "leak": 1.0,
    "spectral_radius": 0.9,
    "density": 0.1,
}
"""The arguments that are a shorthand for a list of layers."""

EXACT_DEFAULTS: dict[str, Any] = {
    **SHORTHAND,
    "layers": None,
    "ridge": 1e-6,
    "loss": None,
    "huber_width": 1.0,
    "blank": None,
    "clipping": None,
    "clip_norm": None,
    "bptt_steps": None,
    "l2": 0.0,
    "rho": 0.99,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "patience": None,
    "mask": None,
    "sample_weight": None,
    "class_weight": None,
    "metrics": None,
    "initial_state": None,
    "dtype": "float64",
}
"""Arguments of ``trainr`` that come with ``exact=True``, with their defaults (``validation`` is the trainer's own)."""

_FLAGS = ("peephole", "bidirectional", "attention")
_RATES = (
    "dropout",
    "recurrent_dropout",
    "l2",
    "rho",
    "beta1",
    "beta2",
    "epsilon",
    "leak",
    "spectral_radius",
    "density",
    "ridge",
)
_LIMITS = ("clipping", "clip_norm", "huber_width")
OF_THE_DATA = ("sample_weight", "initial_state")
"""Options as large as the data, which no model keeps."""
VALIDATED = ("validation_loss", "best_epoch", "best_validation_loss")
"""What validation adds to a model."""

SET_BY_EXACT_TRAINING = (
    *("updates_done", "groups_done", "dropout_seed", "output_time_dim", "weighted", "validated"),
    *VALIDATED,
    *metric_fields(list(METRICS)),
)


def exact_checks() -> dict[str, Callable[[Any, str], Any]]:
    """The checks of R's arguments that ``exact=True`` widens."""
    return {
        "network_type": lambda value, name: arguments.choice(value, name, tuple(NETWORK_TYPES)),
        "sigmoid": lambda value, name: arguments.choice(value, name, SIGMOIDS),
        "update_rule": lambda value, name: arguments.choice(value, name, tuple(RULES)),
    }


def check_exact_options(given: dict[str, Any]) -> None:
    """The options that are numbers or flags; those that are names, and what goes together, ``Options`` checks."""
    for name in _FLAGS:
        given[name] = arguments.flag(given[name], name)
    for name in _RATES:
        given[name] = arguments.rate(given[name], name)
    for name in _LIMITS:
        if given[name] is not None:
            given[name] = arguments.rate(given[name], name, zero=False)
    for name in ("bptt_steps", "patience", "pyramid"):
        if given[name] is not None:
            given[name] = arguments.positive_integer(given[name], name)
    given["class_weight"] = check_class_weight(given["class_weight"])
    given["metrics"] = check_metrics(given["metrics"])
    given["proj_size"] = arguments.natural(given["proj_size"], "proj_size")
    if given["blank"] is not None:
        given["blank"] = arguments.natural(given["blank"], "blank")
    if given["forget_bias"] is not None:
        given["forget_bias"] = arguments.number(given["forget_bias"], "forget_bias", "a number such as 1.0")
    for name in ("beta1", "beta2", "rho"):
        if not given[name] < 1.0:
            raise wrong_value(
                name,
                f"{{place}} is the share of a running mean that is kept: 0 <= {name} < 1, not {{value}}",
                value=given[name],
            )


def check_bptt(given: dict[str, Any], time_dim: int, layers: tuple[Layer, ...] | None) -> None:
    """``bptt_steps`` and what it excludes; at most the steps that there are."""
    if takes_labels(given.get("loss")):
        raise wrong_value(
            "bptt_steps",
            "{place} trains a sequence piece by piece, but {loss} needs the whole of it at once",
            loss=Setting("loss", given["loss"]),
        )
    for number, layer in enumerate(layers or ()):
        if name := layer.looks_ahead():
            raise wrong_value(
                "bptt_steps",
                f"{{place}} trains a sequence piece by piece, but layer {number + 1} ({name}) needs "
                "the whole of it at once",
            )
    if ahead := needs_whole(layers or ()):
        raise wrong_value(
            "bptt_steps", f"{{place}} trains a sequence piece by piece, but {ahead} needs the whole of it at once"
        )
    for name in ("bidirectional", "attention"):
        if given.get(name):
            raise wrong_value(
                "bptt_steps",
                "{place} trains a sequence piece by piece, but {option} needs the whole of it at once",
                option=Setting(name, True),
            )
    if given.get("pyramid", 1) > 1:
        raise wrong_value("bptt_steps", "{place} trains a sequence piece by piece, but pyramid joins its steps")
    given["bptt_steps"] = min(given["bptt_steps"], time_dim)


def check_blank(model: RList) -> None:
    """Raise ``ValueError`` where the blank of a loss over labels is no output."""
    if model.get("blank") is None:
        return
    if not takes_labels(model.loss):
        setting = Setting("loss", "ctc")
        raise wrong_value("blank", "{place} belongs to {loss}: the output that means 'no label'", loss=setting)
    if not model.blank < model.output_dim:
        raise wrong_value(
            "blank",
            f"{{place}} is the output that means 'no label', from 0 to {model.output_dim - 1}, for the last layer puts "
            f"out {model.output_dim}; it is {model.blank}",
        )


_MAY_BE_NONE = (
    *("clipping", "clip_norm", "bptt_steps", "patience", "forget_bias", "mask", "class_weight", "metrics"),
    "blank",
)
_COUNTED = ("output_time_dim", "updates_done", "groups_done", "dropout_seed")


def complete_exact_fields(fields: dict[str, Any]) -> None:
    """The fields of a model that comes from elsewhere, none missing: what may be None may be absent, as R has it.

    Raises ``ValueError`` that names the option.
    """
    listed = fields.get("layers") is not None
    if listed:
        fields["layers"] = described(layers_from(fields["layers"]))
        fields["hidden_dim"] = ()
    for name in (*EXACT_DEFAULTS, *_COUNTED):
        if name in ("hidden_activation", "layers", *OF_THE_DATA) or (listed and name in SHORTHAND):
            continue  # the first is the model's ``sigmoid``
        if fields.setdefault(name) is None and name not in _MAY_BE_NONE:
            raise _missing(name)
    if fields["mask"] is not None and not (isinstance(fields["mask"], str) and fields["mask"] == "nan"):
        raise wrong_value(
            "mask",
            "{place} should be {nan} or {none} in a model; which steps training left out matters no more",
            nan="nan",
            none=None,
        )


def _missing(name: str) -> ArgumentValueError:
    return wrong_value(
        name,
        "{place} is missing; a model of {exact} should have every field that trainr gives it",
        exact=Setting("exact", True),
    )
