"""Records requests and models as clients made them before a network could be a list of layers (issue 12.6).

Run once, on the code of then: python -m tests.service.recorded.make
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pytrainr_client import models, options
from trainr import wire
from trainr.v1 import prediction_pb2, training_pb2

import pytrainr

FOLDER = Path(__file__).parent
KINDS: dict[str, dict[str, Any]] = {
    "rnn": {"use_bias": True, "hidden_dim": [4, 3], "momentum": 0.5},
    "gru": {"network_type": "gru", "hidden_dim": 4, "batch_size": 3, "clipping": 1.0},
    "lstm": {"network_type": "lstm", "hidden_dim": 4, "update_rule": "adagrad"},
    "exact": {"network_type": "gru", "hidden_dim": 4, "exact": True, "update_rule": "adam", "validation": 0.25},
}


def data() -> tuple[np.ndarray, np.ndarray]:
    """X (12, 5, 2) and Y (12, 5, 1)."""
    X = np.random.default_rng(3).random((12, 5, 2))
    return X, X.mean(axis=2, keepdims=True)


def main() -> None:
    X, Y = data()
    for kind, given in KINDS.items():
        asked = {"learningrate": 0.1, "numepochs": 3, **given}
        training = training_pb2.Training(
            x=wire.encode_array(X),
            y=wire.encode_array(Y),
            options=options.message_of(asked, ("epoch_annealing",), "loss_L1"),
            seed=7,
        )
        model = pytrainr.trainr(Y, X, rng=pytrainr.RRandom(7), epoch_function=pytrainr.epoch_annealing, **asked)
        again = training_pb2.Training(
            x=training.x, y=training.y, model=models.message_of(model), options=training_pb2.TrainingOptions(), seed=8
        )
        predicting = prediction_pb2.PredictRequest(x=training.x, model=models.message_of(model))
        if given.get("exact"):
            predicting.extra.extend(wire.encode_options({"return_state": True}))
        for what, message in (("training", training), ("retraining", again), ("prediction", predicting)):
            (FOLDER / f"{kind}.{what}.binpb").write_bytes(message.SerializeToString())
        model.save(FOLDER / f"{kind}.pytrainr")
        further = pytrainr.trainr(Y, X, model, rng=pytrainr.RRandom(8))
        np.savez(
            FOLDER / f"{kind}.npz",
            prediction=pytrainr.predictr(model, X),
            error=model.error,
            further=pytrainr.predictr(further, X),
        )


if __name__ == "__main__":
    main()
