"""From the arguments of ``trainr(exact=True)`` to a model that can be trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import Setting, wrong_value
from pytrainr.epoch_functions import message
from pytrainr.exact.activations import known_as
from pytrainr.exact.entries import check_entries, with_mask
from pytrainr.exact.layer_list import LayerList, described, layers_from, named
from pytrainr.exact.layers.layer import Layer
from pytrainr.exact.layers.time_distributed import TimeDistributed
from pytrainr.exact.losses import LOSSES, takes_labels, target_variables
from pytrainr.exact.metrics import metric_fields
from pytrainr.exact.network import architecture_of
from pytrainr.exact.options import (
    EXACT_DEFAULTS,
    OF_THE_DATA,
    SHORTHAND,
    VALIDATED,
    check_blank,
    check_bptt,
    check_exact_options,
)
from pytrainr.exact.shorthand import SENSIBLE_LOSS, check_loss, check_needs_no_layers
from pytrainr.exact.target_weights import target_weights, with_weights
from pytrainr.groups import number_of_groups
from pytrainr.loss_functions import loss_L1
from pytrainr.memory import check_memory
from pytrainr.model import Model
from pytrainr.model_checks import check_groups
from pytrainr.r_arguments import DEFAULTS

__all__ = ["new_exact_model", "retrained_exact_model"]


def new_exact_model(
    Y: Any, X: Any, fields: dict[str, Any], options: dict[str, Any]
) -> tuple[Model, np.ndarray, np.ndarray]:
    """A model ready for training, without weights yet, and X and Y as (samples, time, variables).

    ``fields`` are R's arguments, checked; ``options`` all others.
    """
    given = {**EXACT_DEFAULTS, **{name: options.pop(name) for name in EXACT_DEFAULTS if name in options}}
    X, Y = arguments.as_samples(X, "X"), arguments.as_samples(Y, "Y")
    check_exact_options(given)
    sample_weight, _ = (given.pop(name) for name in OF_THE_DATA)
    layers = given.pop("layers")
    if layers is not None:
        _check_no_shorthand(fields, given)
        given = {name: value for name, value in given.items() if name not in SHORTHAND}
        layers = layers_from(layers)
    else:
        del given["hidden_activation"]  # it is the model's ``sigmoid``
        check_needs_no_layers(given["loss"])
    mask = given["mask"]
    X, Y = with_mask(X, Y, mask, given["loss"])
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
        if not network.layout.size:
            raise wrong_value("layers", "{place} should have weights to train, as Dense has; these have none")
        _check_readout(model, network)
        model.output_dim = network.output_dim
        check_blank(model)
        _check_shape(network, Y)
        if takes_labels(model.loss):
            model.output_time_dim = network.output_steps
        model.synapse_dim = (X.shape[2], model.output_dim)
    else:
        model.one_to_many = bool(not unsync and not given["attention"] and X.shape[1] == 1 < Y.shape[1])
        if unsync:
            model.time_dim_input = X.shape[1]
        chosen = architecture_of(model)
        model.output, model.loss = chosen.output, chosen.loss
    check_entries(X, Y, model, architecture_of(model).tokens)
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


def _check_no_shorthand(fields: dict[str, Any], given: dict[str, Any]) -> None:
    """The list says what the shorthand's arguments would."""
    ours = ("network_type", "hidden_dim", "sigmoid", "use_bias", "seq_to_seq_unsync")
    standard = {name: DEFAULTS[name] for name in ours} | {"hidden_dim": arguments.hidden_dims(10, "hidden_dim")}
    for name, value in {**standard, **SHORTHAND}.items():
        if fields.get(name, given.get(name, value)) != value:
            raise wrong_value(name, "{place} is a shorthand for layers: give one of them, or say it in the layers")


def _check_shape(network: LayerList, Y: np.ndarray) -> None:
    """The last layer puts out what Y asks for."""
    steps, width = network.shapes()[-1]
    width = target_variables(network.loss, width)
    if takes_labels(network.loss):
        steps = Y.shape[1]
    if (steps, width) != Y.shape[1:]:
        last = f"layer {len(network.layers)} ({named(network.layers)[-1]})"
        raise wrong_value(
            "Y",
            f"{{place}} has {Y.shape[1]} steps of {Y.shape[2]} variables, the last of the layers, {last}, puts out "
            f"{steps} of {width}" + (" class" if LOSSES[network.loss].targets == "class" else ""),
        )


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
    X, Y = with_mask(X, Y, mask, model.loss)
    given = {name: model.get(name, value) for name, value in EXACT_DEFAULTS.items()}
    listed = model.get("network_type") == "layers"
    time_dim = X.shape[1] if listed else _time_dim(X, Y, bool(model.seq_to_seq_unsync), given)
    arguments.check_dimensions(
        ("X", "variables", X, X.shape[2], model.input_dim),
        ("Y", "variables", Y, Y.shape[2], target_variables(model.loss, model.output_dim)),
        ("X", "time steps", X, time_dim, model.time_dim),
        ("Y", "time steps", Y, Y.shape[1], Y.shape[1] if takes_labels(model.loss) else model.output_time_dim),
    )
    check_entries(X, Y, model, architecture_of(model).tokens)
    if number_of_groups(X.shape[0], model.batch_size) < 1:
        raise arguments.too_few_samples(X.shape[0], model.batch_size)
    retrained = model.copy()
    for name in (*VALIDATED, *metric_fields(model.get("metrics"))):  # of the earlier training
        retrained.pop(name)
    return retrained, X, _weighted(retrained, Y, options.get("sample_weight"))
