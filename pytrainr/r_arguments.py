"""R's arguments of ``trainr``: their defaults, their checks, and the names that are taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytrainr import arguments
from pytrainr.epoch_functions import epoch_annealing, epoch_print
from pytrainr.loss_functions import loss_L1
from pytrainr.r.rnn import SIGMOIDS
from pytrainr.r_list import TRAINING_SIZED

__all__ = ["DEFAULTS", "NETWORK_TYPES", "OURS", "R_CHECKS", "SET_BY_TRAINING", "UPDATE_RULES"]

NETWORK_TYPES = ("rnn", "gru", "lstm")
UPDATE_RULES = ("sgd", "adagrad")

DEFAULTS: dict[str, Any] = {
    "learningrate": None,
    "learningrate_decay": 1.0,
    "momentum": 0.0,
    "hidden_dim": 10,
    "network_type": "rnn",
    "numepochs": 1,
    "sigmoid": "logistic",
    "use_bias": False,
    "batch_size": 1,
    "seq_to_seq_unsync": False,
    "update_rule": "sgd",
    "epoch_function": (epoch_print, epoch_annealing),
    "loss_function": loss_L1,
}
"""R's arguments of ``trainr`` beyond Y, X and model, with R's defaults, in R's order."""

OURS = ("Y", "X", "model", "rng", "keep_store", "exact", "clipping")
SET_BY_TRAINING = [
    "input_dim",
    "output_dim",
    "synapse_dim",
    "time_dim",
    "time_dim_input",
    "error",
    "current_epoch",
    "time_synapse",
    "recurrent_synapse",
    "bias_synapse",
    "time_synapse_update",
    "recurrent_synapse_update",
    "bias_synapse_update",
    "time_synapse_update_old",
    "recurrent_synapse_update_old",
    *TRAINING_SIZED,
]

R_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "learningrate": arguments.rate,
    "learningrate_decay": arguments.rate,
    "momentum": arguments.rate,
    "hidden_dim": arguments.hidden_dims,
    "network_type": lambda value, name: arguments.choice(value, name, NETWORK_TYPES),
    "numepochs": arguments.positive_integer,
    "sigmoid": lambda value, name: arguments.choice(value, name, SIGMOIDS),
    "use_bias": arguments.flag,
    "batch_size": lambda value, name: arguments.rate(value, name, zero=False),
    "seq_to_seq_unsync": arguments.flag,
    "update_rule": lambda value, name: arguments.choice(value, name, UPDATE_RULES),
    "epoch_function": arguments.functions,
    "loss_function": arguments.function,
}
"""The check of each of R's arguments."""
