"""pytrainr: R's package ``rnn`` in Python, the same to the bit and hundreds of times faster.

import pytrainr
pytrainr.set_seed(1)
model = pytrainr.trainr(Y, X, learningrate=0.1, hidden_dim=16, numepochs=10)
predictions = pytrainr.predictr(model, X)
"""

import importlib
from typing import TYPE_CHECKING

from pytrainr import _loading

if TYPE_CHECKING:
    from pytrainr.importing import from_keras, from_safetensors, from_torch

with _loading.quickly():
    from pytrainr.argument_errors import ArgumentError
    from pytrainr.binary import bin2int, int2bin
    from pytrainr.ctc import ctc_decode
    from pytrainr.epoch_functions import epoch_annealing, epoch_print, epoch_progress
    from pytrainr.generation import generate
    from pytrainr.halving import Halving
    from pytrainr.interop import RModelFileError, read_r_model, write_r_model
    from pytrainr.loss_functions import loss_L1
    from pytrainr.many import Trained, TrainingDropped, trainr_many
    from pytrainr.memory import NotEnoughMemoryError
    from pytrainr.model import Model
    from pytrainr.prediction import gates, gradient_norms, layer_states, predict_rows, predictr
    from pytrainr.r_random import RRandom, rnorm, runif, sample, set_seed
    from pytrainr.schedules import CosineSchedule, EarlyStopping, ExponentialSchedule, ReduceOnPlateau, StepSchedule
    from pytrainr.storage import ModelFileError
    from pytrainr.tables import trainr_table
    from pytrainr.threads import set_threads, thread_count
    from pytrainr.training import DivergedError
    from pytrainr.trainr import TrainingInterrupted, trainr
    from pytrainr.watching import Checkpoint, epoch_csv, epoch_held_out, epoch_tensorboard

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "Checkpoint",
    "CosineSchedule",
    "DivergedError",
    "EarlyStopping",
    "ExponentialSchedule",
    "Halving",
    "Model",
    "ModelFileError",
    "NotEnoughMemoryError",
    "RModelFileError",
    "RRandom",
    "ReduceOnPlateau",
    "StepSchedule",
    "Trained",
    "TrainingDropped",
    "TrainingInterrupted",
    "bin2int",
    "ctc_decode",
    "epoch_annealing",
    "epoch_csv",
    "epoch_held_out",
    "epoch_print",
    "epoch_progress",
    "epoch_tensorboard",
    "from_keras",
    "from_safetensors",
    "from_torch",
    "gates",
    "generate",
    "gradient_norms",
    "int2bin",
    "layer_states",
    "loss_L1",
    "predict_rows",
    "predictr",
    "read_r_model",
    "rnorm",
    "runif",
    "sample",
    "set_seed",
    "set_threads",
    "thread_count",
    "trainr",
    "trainr_many",
    "trainr_table",
    "write_r_model",
]


def __getattr__(name: str) -> object:
    """``pytrainr.layers``, ``pytrainr.plots`` and what takes networks over, loaded at their first use: most programs
    need none of them."""
    if name in ("layers", "plots"):
        return importlib.import_module(f"pytrainr.{name}")
    if name in ("from_keras", "from_safetensors", "from_torch"):
        return getattr(importlib.import_module("pytrainr.importing"), name)
    raise AttributeError(f"module 'pytrainr' has no attribute {name!r}")
