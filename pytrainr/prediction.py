"""``predictr``: R's call, in Python."""

from __future__ import annotations

import math
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from pytrainr import arguments
from pytrainr.argument_errors import Setting, wrong_value
from pytrainr.memory import check_memory
from pytrainr.model import Model
from pytrainr.network import kept_network
from pytrainr.series.normalisation import normalised_input, raw_output
from pytrainr.threads import in_threads, thread_count

__all__ = ["gates", "gradient_norms", "layer_states", "predict_rows", "predictr"]

_EXACT_OPTIONS = ("state", "return_state", "mask")
_R_GATES = {"rnn": (), "gru": ("update", "reset", "candidate"), "lstm": ("forget", "input", "candidate", "output")}
"""What the last entries of R's ``store`` are."""
_CHUNK_NUMBERS = 4e6  # inputs and states of one chunk, at most
_SHARED_FROM = 4e6  # multiplications from which the samples are shared among threads


@overload
def predictr(
    model: Model, X: ArrayLike, hidden: Literal[False] = False, real_output: bool = True, **extra: Any
) -> np.ndarray: ...
@overload
def predictr(
    model: Model, X: ArrayLike, hidden: Literal[True], real_output: bool = True, **extra: Any
) -> list[np.ndarray]: ...
@overload
def predictr(
    model: Model, X: ArrayLike, hidden: bool, real_output: bool = True, **extra: Any
) -> np.ndarray | list[np.ndarray]: ...
def predictr(
    model: Model, X: ArrayLike, hidden: bool = False, real_output: bool = True, **extra: Any
) -> np.ndarray | list[np.ndarray]:
    """Predict, as R's ``rnn::predictr`` 1.9.1 does, to the same bits.

    Parameters
    ----------
    model
        What ``trainr`` returned.
    X
        (samples, time, input variables); 2-D is one variable. A model that keeps its normalisation
        (``pytrainr.series.Normalisation``) takes and returns raw numbers. With ``use_bias`` R's recycled bias makes a
        sample's prediction depend on the samples predicted with it.
    hidden
        Return the states of every layer instead: a list with, per hidden layer, (samples, time, hidden) for rnn,
        (samples, time, hidden, 4) = h, z, r, candidate for gru, (samples, time, hidden, 6) = h, cell, f, i, candidate,
        o for lstm; last the output (samples, time, output).
    real_output
        For a network of one output variable return (samples, time); for one trained with ``seq_to_seq_unsync`` go on
        after the input's end and return the last steps, as many as Y had, whatever the length of X, as R does. False
        returns (samples, time, output) of the input's steps.

    Returns
    -------
    array or list of arrays

    Raises
    ------
    TypeError, ValueError
        For an argument that cannot be what it should; the message names it.
    """
    arguments.trained(model, "model")
    hidden, real_output = arguments.flag(hidden, "hidden"), arguments.flag(real_output, "real_output")
    if model.kept_network is None:
        kept_network(model)  # which checks the model: what follows reads its fields
    if extra:
        _check_extra(model, extra)
    if model.exact:
        from pytrainr.exact.prediction import predict_exact

        more = {name: extra[name] for name in _EXACT_OPTIONS if name in extra}
        return predict_exact(model, X, hidden=hidden, real_output=real_output, **more)
    samples, steps = _input(model, X, real_output)
    output, store = _forward(model, samples, steps, hidden, 0, samples.shape[0])
    if hidden:
        return [*store, output]
    output = raw_output(model, output)
    if not real_output:
        return output
    output = output[:, steps - _output_steps(model, steps) :]
    return output[:, :, 0] if model["output_dim"] == 1 else output


def layer_states(model: Model, X: ArrayLike, mask: Any = None) -> dict[str, dict[str, np.ndarray]]:
    """What happens inside the layers of an exact network that have more to show than what they give out.

    Parameters
    ----------
    model
        What ``trainr(exact=True, layers=…)`` returned.
    X, mask
        As for ``predictr``.

    Returns
    -------
    dict of dicts
        By the layer's name as in ``model.summary()`` arrays that begin with (samples, time): of an ``NTM`` "memory"
        (…, slots, width) after each step, "read_weightings" and "write_weightings" (…, heads, slots); of an
        ``AdaptiveComputation`` "ponder_steps" (samples, time). How much each step looks at each other, "attention", of
        a ``Decoder`` (samples, its steps, time), ``Attention`` (samples, time, time), ``MultiHeadAttention`` (samples,
        heads, time, time) and ``AttentionPooling`` (samples, time): shares of 1, 0 for a step without an entry.

    Raises
    ------
    TypeError, ValueError
        Where no layer has more to show, and as ``predictr`` does.
    """
    arguments.trained(model, "model")
    shown = {}
    if model.get("exact"):
        from pytrainr.exact import prediction

        shown = prediction.layer_states(model, X, mask)
    if not shown:
        raise wrong_value("model", "{place} has no layer with more to show than what it gives out; predictr shows that")
    return shown


def gates(model: Model, X: ArrayLike, mask: Any = None) -> dict[str, dict[str, np.ndarray]]:
    """What every gate of a gru or lstm does over sequences: how far each unit opens it at each time step.

    In R's arithmetic they are R's, to the bit, with its recycled bias::

        gru:   z, r = logistic(x W + h R + b)            "update", "reset"
               g = tanh(x W + (h·r) R + b)               "candidate";  h ← (1 − z)·h + z·g
        lstm:  f, i, o = logistic(x W + h R + b)         "forget", "input", "output"
               g = tanh(x W + h R + b)                   "candidate";  c ← f·c + i·g,  h ← o·tanh(c)

    An exact network's are those of its layers (``layers.GRU`` resets after the product, as Keras and PyTorch, unless
    ``reset_after=False``). The states themselves, h and c, come from ``predictr(model, X, hidden=True)``.

    Parameters
    ----------
    model
        What ``trainr`` returned, with a gru or lstm in it.
    X
        (samples, time, input variables), or 2-D for one variable, as for ``predictr``.
    mask
        For sequences of different length, as for ``predictr``; steps without an entry are NaN.

    Returns
    -------
    dict of dicts
        By the layer's name ("gru", "gru_1", …, from the input up; "backward_gru" for one that reads from the end) and
        the gate's (samples, time, units): 0 to 1, the candidate −1 to 1.

    Raises
    ------
    TypeError, ValueError
        Where the network has no gates, and as ``predictr`` does; the message names the argument.
    """
    arguments.trained(model, "model")
    if model.exact:
        from pytrainr.exact import prediction

        found = prediction.gates(model, X, mask)
    else:
        if mask is not None:
            arguments.check_exact_only({"mask": mask}, _EXACT_OPTIONS)
        names, found = _R_GATES[model["network_type"]], {}
        states = predictr(model, X, hidden=True)[:-1] if names else []
        for number, state in enumerate(states):
            layer = f"{model['network_type']}_{number}" if number else str(model["network_type"])
            found[layer] = dict(zip(names, np.moveaxis(state[..., -len(names) :], -1, 0), strict=True))
    if not found:
        raise wrong_value(
            "model",
            "{place} has no gates: they are in the layers of {gru} and {lstm}",
            gru=Setting("network_type", "gru"),
            lstm=Setting("network_type", "lstm"),
        )
    return found


def gradient_norms(model: Model, X: ArrayLike, Y: ArrayLike, mask: Any = None) -> dict[str, np.ndarray]:
    """How much of each sample's loss reaches the state of each recurrent layer at each step: ‖∂L/∂h_t‖.

    Where it vanishes, or explodes, towards the first steps, the layer does not learn from them (Bengio, Simard &
    Frasconi 1994; Pascanu, Mikolov & Bengio 2013). It is the whole gradient by h_t: from the layers above, and through
    h_{t+1}.

    Parameters
    ----------
    model
        What ``trainr(exact=True)`` returned. Its own dropout is at work, as in training; ``bptt_steps``, ``clipping``
        and ``clip_norm``, which act on the gradient, are not.
    X, Y, mask
        As in training, of as many steps.

    Returns
    -------
    dict of arrays
        By the name of each recurrent layer as in ``gates``: (samples,
        time) Euclidean norms over the units; 0 where a step has no entry.

    Raises
    ------
    TypeError, ValueError
        Where the network has no recurrent layer that follows the gradient, R's arithmetic among them; and as ``trainr``
        does for X and Y.
    """
    arguments.trained(model, "model")
    if not model.get("exact"):
        raise wrong_value(
            "model", "{place}: R's arithmetic does not follow the gradient, train with {exact}", exact=_EXACT
        )
    from pytrainr.exact import gradient_norms as exact

    norms = exact.gradient_norms(model, X, Y, mask)
    if not norms:
        raise wrong_value("model", "{place} has no recurrent layer that is trained by the gradient")
    return norms


_EXACT = Setting("exact", True)


def _check_extra(model: Model, extra: dict[str, Any]) -> None:
    """What R ignores, but not what means something here, or in ``trainr``."""
    if not model.exact:
        arguments.check_exact_only(extra, _EXACT_OPTIONS)
    arguments.check_extra(extra, ["model", "X", "hidden", "real_output", *_EXACT_OPTIONS], call="predictr")


def predict_rows(model: Model, X: ArrayLike, first: int, total: int) -> np.ndarray:
    """Predict some of many samples: to the bit what ``predictr`` gives for them among all ``total``.

    ``X`` (samples, time, input) are the samples from number ``first`` on. R's recycled bias depends on a sample's place
    and on how many there are, so both have to be told. Returns (samples, time, output), for a network trained with
    ``seq_to_seq_unsync`` the steps of the output. Raises what ``predictr`` raises.
    """
    if model.kept_network is None:
        kept_network(model)
    if model.exact:
        from pytrainr.exact.prediction import predict_exact

        output = np.asarray(predict_exact(model, X))
        return output[:, :, np.newaxis] if output.ndim == 2 else output
    samples, steps = _input(model, X, True)
    if first < 0 or first + samples.shape[0] > total:
        raise ValueError(f"first should be such that samples {first} … {first + samples.shape[0]} are among {total}")
    output = raw_output(model, _forward(model, samples, steps, False, first, total)[0])
    return output[:, steps - _output_steps(model, steps) :]


def _input(model: Model, X: ArrayLike, real_output: bool) -> tuple[np.ndarray, int]:
    """X as (samples, time, input), checked, and how many steps the network runs over it."""
    samples = arguments.as_samples(X, "X")
    arguments.check_variables(samples, model["input_dim"])
    arguments.check_finite(samples, "X")
    if not (real_output and model["seq_to_seq_unsync"]):
        return samples, samples.shape[1]
    if samples.shape[1] > model.time_dim:
        raise wrong_value(
            "X",
            f"{{place}} should have at most {model.time_dim} time steps, the length of the network trained with "
            f"seq_to_seq_unsync; it has {samples.shape[1]}: its shape is {{shape}}",
            shape=samples.shape,
        )
    return samples, int(model.time_dim)


def _output_steps(model: Model, steps: int) -> int:
    """How many of the last steps are the output: all, or with ``seq_to_seq_unsync`` as many as Y had in training."""
    return int(model.time_dim - model.time_dim_input + 1) if model["seq_to_seq_unsync"] else steps


def _forward(
    model: Model, samples: np.ndarray, steps: int, hidden: bool, first: int, total: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The outputs (n, steps, output) and, where asked for, the states: in chunks, which change no bit."""
    network, weights = kept_network(model)
    n = samples.shape[0]
    shapes = network.store_shapes(steps)
    sizes = [math.prod(shape) for shape in shapes]
    needed = n * (sum(sizes) if hidden else sizes[-1]) + 2.0 * sum(sizes)
    check_memory(8.0 * needed, f"predicting {n} samples of {steps} time steps")
    output = np.empty((n, *shapes[-1]))
    store = [np.empty((n, *shape)) for shape in shapes[:-1]] if hidden else []

    def predict(begin: int, end: int) -> None:
        X = np.ascontiguousarray(normalised_input(model, samples[begin:end]), dtype=np.float64)
        record = np.empty((end - begin, sum(sizes) if hidden else 0))
        network.predict(weights, X, first + begin, total, record, output[begin:end])
        column = 0
        for array, size in zip(store, sizes, strict=False):
            array[begin:end] = record[:, column : column + size].reshape(end - begin, *array.shape[1:])
            column += size

    chunk = max(1, int(_CHUNK_NUMBERS / (sum(sizes) + samples[0].size)))
    if n > chunk or n * network.layout.size * steps > _SHARED_FROM:
        chunk = min(chunk, -(-n // (2 * thread_count())))
        in_threads(lambda begin: predict(begin, min(n, begin + chunk)), range(0, n, chunk))
    else:
        predict(0, n)
    return output, store
