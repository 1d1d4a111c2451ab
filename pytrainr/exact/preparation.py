"""From the arguments of ``trainr(exact=True)`` to a model that can be trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import ArgumentValueError, Setting, wrong_value
from pytrainr.epoch_functions import message
from pytrainr.exact.activations import known_as
from pytrainr.exact.entries import check_finite, check_targets, check_tokens, with_mask
from pytrainr.exact.layer_list import LayerList, described, layers_from, named
from pytrainr.exact.layers.layer import Layer
from pytrainr.exact.layers.time_distributed import TimeDistributed
from pytrainr.exact.losses import LOSSES
from pytrainr.exact.metrics import METRICS, check_metrics, metric_fields
from pytrainr.exact.network import architecture_of
from pytrainr.exact.shorthand import NETWORK_TYPES, SENSIBLE_LOSS, SIGMOIDS, check_loss
from pytrainr.exact.target_weights import check_class_weight, target_weights, with_weights
from pytrainr.exact.update_rules import RULES
from pytrainr.groups import number_of_groups
from pytrainr.loss_functions import loss_L1
from pytrainr.memory import check_memory
from pytrainr.model import Model
from pytrainr.model_checks import check_groups

__all__ = [
    "EXACT_DEFAULTS",
    "SET_BY_EXACT_TRAINING",
    "check_bptt",
    "check_exact_fields",
    "check_exact_options",
    "new_exact_model",
    "retrained_exact_model",
]

_SHORTHAND: dict[str, Any] = {
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
    **_SHORTHAND,
    "layers": None,
    "ridge": 1e-6,
    "loss": None,
    "huber_width": 1.0,
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
_OF_THE_DATA = ("sample_weight", "initial_state")
"""Options as large as the data, which no model keeps."""
VALIDATED = ("validation_loss", "best_epoch", "best_validation_loss")
"""What validation adds to a model."""

SET_BY_EXACT_TRAINING = (
    *("updates_done", "groups_done", "dropout_seed", "output_time_dim", "weighted", "validated"),
    *VALIDATED,
    *metric_fields(list(METRICS)),
)


def new_exact_model(
    Y: Any, X: Any, fields: dict[str, Any], options: dict[str, Any]
) -> tuple[Model, np.ndarray, np.ndarray]:
    """A model ready for training, without weights yet, and X and Y as (samples, time, variables).

    ``fields`` are R's arguments, checked; ``options`` all others.
    """
    given = {**EXACT_DEFAULTS, **{name: options.pop(name) for name in EXACT_DEFAULTS if name in options}}
    X, Y = arguments.as_samples(X, "X"), arguments.as_samples(Y, "Y")
    check_exact_options(given)
    sample_weight, _ = (given.pop(name) for name in _OF_THE_DATA)
    layers = given.pop("layers")
    if layers is not None:
        _check_no_shorthand(fields, given)
        given = {name: value for name, value in given.items() if name not in _SHORTHAND}
        layers = layers_from(layers)
    else:
        del given["hidden_activation"]  # it is the model's ``sigmoid``
    mask = given["mask"]
    X, Y = with_mask(X, Y, mask)
    given["mask"] = None if mask is None else "nan"
    unsync = fields["seq_to_seq_unsync"]
    time_dim = X.shape[1] if layers is not None else _time_dim(X, Y, unsync, given)
    if given["bptt_steps"] is not None:
        check_bptt(given, time_dim, layers)
        if fields["loss_function"] is not loss_L1:
            raise wrong_value(
                "bptt_steps",
                "bptt_steps updates several times within a group, a loss_function of your own is called once: "
                "use one of them",
            )
    samples, batch_size = X.shape[0], fields["batch_size"]
    check_groups(samples, batch_size)
    check_memory(8.0 * samples * (fields["numepochs"] + 2), f"training {fields['numepochs']} epochs")
    hidden_dim = fields.pop("hidden_dim")
    if layers is not None:
        hidden_dim = ()
        fields = {name: value for name, value in fields.items() if name not in ("sigmoid", "use_bias")}
        given |= {"layers": described(layers)}
        fields["network_type"] = "layers"
    model = Model(
        {
            **options,
            **given,
            "exact": True,
            "output_time_dim": Y.shape[1],
            "updates_done": 0,
            "groups_done": 0,
            "dropout_seed": 0,
            "input_dim": X.shape[2],
            "hidden_dim": hidden_dim,
            "output_dim": Y.shape[2],
            "synapse_dim": (X.shape[2], *hidden_dim, Y.shape[2]),
            "time_dim": time_dim,
            **fields,
        }
    )
    if layers is not None:
        model.output = _output_of(layers[-1])
        loss = given["loss"] or SENSIBLE_LOSS.get(model.output, "squared")
        model.loss = check_loss(arguments.choice(loss, "loss", tuple(LOSSES)), model.output)
        arguments.choice(model.dtype, "dtype", ("float64", "float32"))
        network = architecture_of(model)
        network.check()
        _check_readout(model, network)
        _check_shape(network, Y)
        model.output_dim = network.output_dim
        model.synapse_dim = (X.shape[2], model.output_dim)
    else:
        model.one_to_many = bool(not unsync and not given["attention"] and X.shape[1] == 1 < Y.shape[1])
        if unsync:
            model.time_dim_input = X.shape[1]
        chosen = architecture_of(model)
        model.output, model.loss = chosen.output, chosen.loss
    _check_entries(X, Y, mask is not None, model)
    return model, X, _weighted(model, Y, sample_weight)


def _output_of(layer: Layer) -> str:
    """The activation of what the last layer puts out."""
    if isinstance(layer, TimeDistributed):
        return _output_of(layer.layer)
    activation = getattr(layer, "output_activation", None) or getattr(layer, "activation", None)
    return known_as(activation)


def _check_readout(model: Model, network: LayerList) -> None:
    """A readout fitted by ridge regression has its loss, and all samples alike."""
    if not network.fits_readout:
        if model.ridge != EXACT_DEFAULTS["ridge"]:
            raise wrong_value("ridge", "{place} belongs to the readout of an EchoState, which is not among the layers")
        return
    if model.loss != "squared":
        raise wrong_value(
            "loss", "{place}: after an EchoState the Dense is fitted by ridge regression: {loss}", loss=_SQUARED
        )


_SQUARED = Setting("loss", "squared")


def _weighted(model: Model, Y: np.ndarray, sample_weight: Any) -> np.ndarray:
    """Y with the weight of each target, where they have one."""
    weight = target_weights(Y, sample_weight, model.get("class_weight"), model.loss)
    model.weighted = weight is not None
    if weight is None:
        return Y
    if architecture_of(model).fits_readout:
        name = "sample_weight" if sample_weight is not None else "class_weight"
        raise wrong_value(name, "{place}: a readout fitted by ridge regression takes all targets alike")
    return with_weights(Y, weight)


_MAY_BE_NONE = ("clipping", "clip_norm", "bptt_steps", "patience", "forget_bias", "mask", "class_weight", "metrics")
_COUNTED = ("output_time_dim", "updates_done", "groups_done", "dropout_seed")


def check_exact_fields(fields: dict[str, Any]) -> None:
    """The options in the fields of a model that comes from elsewhere: complete, and given the types of training.

    What may be None may be absent, as R has it. Raises ``ValueError`` or ``TypeError`` that names the option.
    """
    given, layers = {}, fields.get("layers")
    for name in EXACT_DEFAULTS:
        if name in ("hidden_activation", "layers", *_OF_THE_DATA) or (layers is not None and name in _SHORTHAND):
            continue  # the first is the model's ``sigmoid``
        if fields.get(name) is None and name not in _MAY_BE_NONE:
            raise _missing(name)
        given[name] = fields.get(name)
    checked = {**_SHORTHAND, **given}
    check_exact_options(checked)
    given = {name: checked[name] for name in given}
    if layers is not None:
        fields["layers"] = described(layers_from(layers))
    if not (given["mask"] is None or (isinstance(given["mask"], str) and given["mask"] == "nan")):
        raise wrong_value(
            "mask",
            "{place} should be {nan} or {none} in a model; which steps training left out matters no more",
            nan="nan",
            none=None,
        )
    fields.update(given)
    for name in _COUNTED:
        if name not in fields:
            raise _missing(name)
        fields[name] = int(arguments.rate(fields[name], name))


def _missing(name: str) -> ArgumentValueError:
    return wrong_value(
        name,
        "{place} is missing; a model of {exact} should have every field that trainr gives it",
        exact=Setting("exact", True),
    )


def _check_no_shorthand(fields: dict[str, Any], given: dict[str, Any]) -> None:
    """The list says what the shorthand's arguments would."""
    from pytrainr.prepare import DEFAULTS

    ours = ("network_type", "hidden_dim", "sigmoid", "use_bias", "seq_to_seq_unsync")
    standard = {name: DEFAULTS[name] for name in ours} | {"hidden_dim": arguments.hidden_dims(10, "hidden_dim")}
    for name, value in {**standard, **_SHORTHAND}.items():
        if fields.get(name, given.get(name, value)) != value:
            raise wrong_value(name, "{place} is a shorthand for layers: give one of them, or say it in the layers")


def _check_shape(network: LayerList, Y: np.ndarray) -> None:
    """The last layer puts out what Y asks for."""
    steps, width = network.shapes()[-1]
    if LOSSES[network.loss].targets == "class":
        width = 1
    if (steps, width) != Y.shape[1:]:
        last = f"layer {len(network.layers)} ({named(network.layers)[-1]})"
        raise wrong_value(
            "Y",
            f"{{place}} has {Y.shape[1]} steps of {Y.shape[2]} variables, the last of the layers, {last}, puts out "
            f"{steps} of {width}" + (" class" if LOSSES[network.loss].targets == "class" else ""),
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
    for number, layer in enumerate(layers or ()):
        if name := layer.looks_ahead():
            raise wrong_value(
                "bptt_steps",
                f"{{place}} trains a sequence piece by piece, but layer {number + 1} ({name}) needs "
                "the whole of it at once",
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


def _check_entries(X: np.ndarray, Y: np.ndarray, masked: bool, model: Model) -> None:
    check_finite(X, "X", masked)
    check_finite(Y, "Y", masked)
    check_tokens(X, architecture_of(model).tokens)
    check_targets(Y, "Y", model.output, model.loss, model.output_dim)


def _time_dim(X: np.ndarray, Y: np.ndarray, unsync: bool, given: dict[str, Any]) -> int:
    """The network's time steps; raises where X and Y do not belong together."""
    if X.shape[0] != Y.shape[0]:
        arguments.check_shapes(X, Y, True)
    steps, output_steps = X.shape[1], Y.shape[1]
    if unsync:
        return steps + output_steps - 1
    if given["attention"] or output_steps == 1:
        return steps
    if steps == 1:
        return output_steps  # one-to-many: the input comes at the first step, zeros follow
    if given["pyramid"] == 1 and steps != output_steps:
        raise wrong_value(
            "X",
            f"the time dimension of X is different from the time dimension of Y: X has {steps} steps, Y has "
            f"{output_steps} (X is {{x}}, Y is {{y}}). With {{exact}} Y may have one step (many-to-one), X may have "
            "one (one-to-many); {unsync} begins the output where the input ends, {attention} leaves it free",
            x=X.shape,
            y=Y.shape,
            exact=Setting("exact", True),
            unsync=Setting("seq_to_seq_unsync", True),
            attention=Setting("attention", True),
        )
    return steps


def retrained_exact_model(
    model: Model, Y: Any, X: Any, options: dict[str, Any]
) -> tuple[Model, np.ndarray, np.ndarray]:
    """A copy of ``model``, ready for further training on X and Y; every other option is the model's own."""
    X, Y = arguments.as_samples(X, "X"), arguments.as_samples(Y, "Y")
    message("retraining, all options except X, Y and the model itself are ignored, error are reseted")
    mask = options.get("mask") if options.get("mask") is not None else model.mask
    X, Y = with_mask(X, Y, mask)
    given = {name: model.get(name, value) for name, value in EXACT_DEFAULTS.items()}
    listed = model.get("network_type") == "layers"
    time_dim = X.shape[1] if listed else _time_dim(X, Y, bool(model.seq_to_seq_unsync), given)
    arguments.check_dimensions(
        ("X", "variables", X, X.shape[2], model.input_dim),
        ("Y", "variables", Y, Y.shape[2], 1 if LOSSES[model.loss].targets == "class" else model.output_dim),
        ("X", "time steps", X, time_dim, model.time_dim),
        ("Y", "time steps", Y, Y.shape[1], model.output_time_dim),
    )
    _check_entries(X, Y, mask is not None, model)
    if number_of_groups(X.shape[0], model.batch_size) < 1:
        raise arguments.too_few_samples(X.shape[0], model.batch_size)
    retrained = model.copy()
    for name in (*VALIDATED, *metric_fields(model.get("metrics"))):  # of the earlier training
        retrained.pop(name)
    return retrained, X, _weighted(retrained, Y, options.get("sample_weight"))
