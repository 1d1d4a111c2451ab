"""``trainr``: R's call, in Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import ArrayLike

from pytrainr.epoch_functions import epoch_annealing, epoch_print
from pytrainr.loss_functions import loss_L1
from pytrainr.model import Model
from pytrainr.r_random import RRandom
from pytrainr.training import Training

__all__ = ["TrainingInterrupted", "trainr"]


class TrainingInterrupted(UserWarning):
    """Ctrl-C ended a training early: the model of the last whole epoch was handed back."""


def trainr(
    Y: ArrayLike,
    X: ArrayLike,
    model: Model | None = None,
    learningrate: float | None = None,
    learningrate_decay: float = 1,
    momentum: float = 0,
    hidden_dim: int | Sequence[int] = 10,
    network_type: str = "rnn",
    numepochs: int = 1,
    sigmoid: str = "logistic",
    use_bias: bool = False,
    batch_size: float = 1,
    seq_to_seq_unsync: bool = False,
    update_rule: str = "sgd",
    epoch_function: Callable[[Model], Model] | Sequence[Callable[[Model], Model]] = (epoch_print, epoch_annealing),
    loss_function: Callable[[Model], Model] = loss_L1,
    *,
    rng: RRandom | None = None,
    keep_store: bool = False,
    exact: bool = False,
    **extra: Any,
) -> Model:
    """Train a recurrent network, as R's ``rnn::trainr`` 1.9.1 does, to the same bits.

    Parameters
    ----------
    Y
        What to answer, (samples, time, output variables); 2-D is one variable. Between 0 and 1: the output is logistic.
    X
        What is seen, (samples, time, input variables); 2-D is one variable. Any dtype, memory order or memory map.
    model
        A model to train further. Every option but ``seq_to_seq_unsync`` is then the model's own; the model passed in
        is not changed.
    learningrate
        How far each update goes; no default, 0.1 is a start.
    learningrate_decay
        ``epoch_annealing`` multiplies the learning rate by it after each epoch.
    momentum
        The share of each update that is repeated in the next.
    hidden_dim
        Hidden units: a number, or one for each layer from the input up.
    network_type
        ``"rnn"`` (Elman), ``"gru"`` or ``"lstm"``. In R's arithmetic gru and lstm do not follow the gradient.
    numepochs
        How many times all samples are gone through.
    sigmoid
        ``"logistic"``, ``"Gompertz"`` or ``"tanh"``; changes only the rnn.
    use_bias
        Whether units have a bias. R recycles it over samples: a prediction then depends on how many are made at once.
    batch_size
        Mean samples per update. Groups are random: 1 makes groups of 0 to about 6.
    seq_to_seq_unsync
        Whether the output begins at the last step of the input (time dimensions may differ).
    update_rule
        ``"sgd"``, or ``"adagrad"`` as R has it (R: "not working yet").
    epoch_function
        Called after each epoch with the model; each returns it, changed or not. A single function is accepted.
    loss_function
        Called after each group's gradients; scales the pending updates. Not called with adagrad.
    rng
        The random stream; without it the module's own, which ``pytrainr.set_seed`` seeds.
    keep_store
        Keep R's training-sized arrays ``store``, ``store_best``, ``last_layer_error``, ``last_layer_delta``.
    exact
        True gradients instead of R's; see ``docs/exact.md`` for the options that come with it.
    **extra
        Kept on the model, as R keeps ``...``; ``clipping=v`` limits each update to ±v.

    Returns
    -------
    Model
        R's list; ``model.error`` is (samples, epochs). After Ctrl-C the model of the last whole epoch, with a
        ``TrainingInterrupted`` warning.

    Raises
    ------
    TypeError, ValueError
        For an argument that cannot be what it should; the message names it.
    DivergedError
        When an epoch's mean error is NaN; the last finite model is attached.
    """
    options: dict[str, Any] = {
        "learningrate_decay": learningrate_decay,
        "momentum": momentum,
        "hidden_dim": hidden_dim,
        "network_type": network_type,
        "numepochs": numepochs,
        "sigmoid": sigmoid,
        "use_bias": use_bias,
        "batch_size": batch_size,
        "seq_to_seq_unsync": seq_to_seq_unsync,
        "update_rule": update_rule,
        "epoch_function": epoch_function,
        "loss_function": loss_function,
        "learningrate": learningrate,
        "exact": exact,
        **extra,
    }
    training = Training(Y, X, model, rng=rng, keep_store=keep_store, **options)
    try:
        while not training.finished:
            training.advance()
        return training.result()
    except KeyboardInterrupt:
        whole = training.last_whole_epoch()
        warnings.warn(
            f"interrupted in epoch {training.epoch + 1} of {training.numepochs}: this is the model after epoch "
            f"{whole.current_epoch}",
            TrainingInterrupted,
            stacklevel=2,
        )
        return whole
