"""From arguments to a model that can be trained: every check, then R's list in R's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import Code, Value, wrong_type, wrong_value
from pytrainr.epoch_functions import message
from pytrainr.function_names import UnknownFunction
from pytrainr.groups import number_of_groups
from pytrainr.memory import check_memory
from pytrainr.model import Model
from pytrainr.model_checks import check_groups, check_model, check_trainable
from pytrainr.network import layout_of
from pytrainr.r_arguments import DEFAULTS, OURS, R_CHECKS, SET_BY_TRAINING
from pytrainr.r_list import TRAINING_SIZED
from pytrainr.series.normalisation import check_kept

__all__ = ["check_functions", "new_model", "retrained_model"]


@cache
def _note_gradient(network_type: str) -> None:
    """Said once a process: R says nothing."""
    message(f"note: R's {network_type} does not follow the gradient; exact=True does")


def new_model(Y: Any, X: Any, *, exact: bool = False, **options: Any) -> tuple[Model, np.ndarray, np.ndarray]:
    """A model ready for training, without weights yet, and X and Y as (samples, time, variables)."""
    if exact:
        return _new_exact_model(Y, X, options)
    X, Y = arguments.as_samples(X, "X"), arguments.as_samples(Y, "Y")
    given = {name: options.pop(name) for name in DEFAULTS if name in options}
    _check_extra(options)
    fields = _checked({**DEFAULTS, **given})
    if fields["network_type"] in ("gru", "lstm"):
        _note_gradient(fields["network_type"])
    if options.get("clipping") is not None:
        options["clipping"] = arguments.rate(options["clipping"], "clipping", zero=False)
    unsync = fields["seq_to_seq_unsync"]
    arguments.check_shapes(X, Y, unsync)
    time_dim = X.shape[1] + Y.shape[1] - 1 if unsync else X.shape[1]
    _check_size(X, Y, time_dim, fields)
    arguments.check_finite(X, "X")
    arguments.check_finite(Y, "Y")
    if fields["update_rule"] == "adagrad":
        message("adagrad update, loss function not used and momentum set to 0")
        fields["momentum"] = 0.0
    hidden_dim = fields.pop("hidden_dim")
    model = Model(
        {
            **options,
            "input_dim": X.shape[2],
            "hidden_dim": hidden_dim,
            "output_dim": Y.shape[2],
            "synapse_dim": (X.shape[2], *hidden_dim, Y.shape[2]),
            "time_dim": time_dim,
            **fields,
        }
    )
    if unsync:
        model.time_dim_input = X.shape[1]
    return model, X, Y


def _check_extra(options: Mapping[str, Any]) -> None:
    """The arguments beyond R's own, which R's arithmetic does not use but for ``clipping``."""
    if any(name != "clipping" for name in options):
        from pytrainr.exact.options import EXACT_DEFAULTS

        arguments.check_exact_only(options, {*EXACT_DEFAULTS, "validation"} - {"clipping"})
        arguments.check_extra(options, [*DEFAULTS, *OURS], SET_BY_TRAINING)


def _new_exact_model(Y: Any, X: Any, options: dict[str, Any]) -> tuple[Model, np.ndarray, np.ndarray]:
    from pytrainr.exact.options import EXACT_DEFAULTS, SET_BY_EXACT_TRAINING, exact_checks
    from pytrainr.exact.preparation import new_exact_model
    from pytrainr.exact.shorthand import SIGMOIDS

    known = [*DEFAULTS, *OURS, *EXACT_DEFAULTS, "validation"]
    arguments.check_extra(options, known, [*SET_BY_TRAINING, *SET_BY_EXACT_TRAINING])

    if options.get("hidden_activation") is not None:
        options["sigmoid"] = arguments.choice(options.pop("hidden_activation"), "hidden_activation", SIGMOIDS)
    given = {name: options.pop(name) for name in DEFAULTS if name in options}
    fields = _checked({**DEFAULTS, **given}, exact_checks())
    return new_exact_model(Y, X, fields, options)


def _checked(fields: dict[str, Any], wider: dict[str, Callable[[Any, str], Any]] | None = None) -> dict[str, Any]:
    """R's arguments, checked one by one; ``wider`` are checks that replace some."""
    check = {**R_CHECKS, **(wider or {})}
    if fields["learningrate"] is None:
        raise wrong_type(
            "learningrate", "{place} is missing: it should be a number such as 0.1 (how far each update goes)"
        )
    return {name: check[name](value, name) for name, value in fields.items()}


def _check_size(X: np.ndarray, Y: np.ndarray, time_dim: int, fields: dict[str, Any]) -> None:
    samples, batch_size = X.shape[0], fields["batch_size"]
    gates = {"rnn": 1, "gru": 5, "lstm": 7}[fields["network_type"]]
    numbers = samples * (fields["numepochs"] + 2.0)
    numbers += min(samples, 2.0 * batch_size) * time_dim * (sum(fields["hidden_dim"]) * (gates + 1) + X.shape[2])
    check_memory(8 * numbers, f"training on {samples} samples (X is {X.shape}, Y is {Y.shape})")
    check_groups(samples, batch_size)


def check_functions(model: Model) -> None:
    """Training on calls the model's functions: of none may only the name be known."""
    unused = model.get("update_rule") == "adagrad" and not model.exact
    for field in ("epoch_function",) if unused else ("epoch_function", "loss_function"):
        value = model.get(field)
        for function in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(function, UnknownFunction):
                name = function.__name__
                raise wrong_value(
                    "model",
                    f"{{place}} has the {field} {{function}}, of which only the name is known here: to train on, "
                    "give it when loading, {load}, or put a function in its place, {place_it}",
                    function=Value(name),
                    load=Code(f"Model.load(path, functions={{{name!r}: ...}})", "model <- model_fetch(name)"),
                    place_it=Code(f"model.{field} = ...", f"model${field} <- ..."),
                )


def retrained_model(
    model: Model, Y: Any, X: Any, *, keep_store: bool = False, **options: Any
) -> tuple[Model, np.ndarray, np.ndarray]:
    """A copy of ``model``, ready for further training on X and Y; as in R every other option is the model's own."""
    arguments.trained(model, "model")
    model = Model(dict(model.items()))  # whose options are put in the form that compiled code takes
    check_model(model, layout_of)
    check_trainable(model)
    check_kept(model, options)
    check_functions(model)
    if model.exact:
        from pytrainr.exact.options import EXACT_DEFAULTS
        from pytrainr.exact.preparation import retrained_exact_model

        arguments.check_extra(options, [*DEFAULTS, *OURS, *EXACT_DEFAULTS])
        return retrained_exact_model(model, Y, X, options)
    if options.get("exact"):
        raise wrong_value("exact", "{place}: the model was trained in R's arithmetic, and retraining goes on in it")
    _check_extra({name: value for name, value in options.items() if name not in (*DEFAULTS, *OURS)})
    X, Y = arguments.as_samples(X, "X"), arguments.as_samples(Y, "Y")
    unsync = arguments.flag(options.get("seq_to_seq_unsync", False), "seq_to_seq_unsync")
    if unsync != bool(model.seq_to_seq_unsync):
        raise wrong_value(
            "seq_to_seq_unsync",
            "{place} should be {needed} as in the first training, it is {given}: when retraining it has to be passed "
            "again, as in R",
            needed=bool(model.seq_to_seq_unsync),
            given=unsync,
        )
    arguments.check_shapes(X, Y, unsync)
    message("retraining, all options except X, Y and the model itself are ignored, error are reseted")
    time_dim = X.shape[1] + Y.shape[1] - 1 if unsync else X.shape[1]
    arguments.check_dimensions(
        ("X", "variables", X, X.shape[2], model.input_dim),
        ("Y", "variables", Y, Y.shape[2], model.output_dim),
        ("X", "time steps", X, time_dim, model.time_dim),
        ("X", "time steps", X, X.shape[1], model.time_dim_input if unsync else X.shape[1]),
    )
    arguments.check_finite(X, "X")
    arguments.check_finite(Y, "Y")
    if number_of_groups(X.shape[0], model.batch_size) < 1:
        raise arguments.too_few_samples(X.shape[0], model.batch_size)
    kept = {name: value for name, value in model.items() if keep_store or name not in TRAINING_SIZED}
    return Model(kept).copy(), X, Y
