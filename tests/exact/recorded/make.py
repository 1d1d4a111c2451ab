"""Records what every configuration gives: run once, on the code from before networks were lists of layers.

python -m tests.exact.recorded.make
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pytrainr_client import models, options
from trainr import wire
from trainr.v1 import training_pb2

from tests.exact.recorded.configurations import CONFIGURATIONS, STORED, arguments, data, results, trained

FOLDER = Path(__file__).parent


def file_name(name: str) -> str:
    return name.replace(",", "").replace(" ", "_")


def main() -> None:
    recorded = {}
    for name, given in CONFIGURATIONS.items():
        for what, array in results(given).items():
            recorded[f"{name}: {what}"] = array.astype(np.float32) if "float32" in name else array
        print(name, flush=True)
    np.savez_compressed(FOLDER / "results.npz", **recorded)
    for name in STORED:
        given = CONFIGURATIONS[name]
        model = trained(given)
        model.save(FOLDER / f"{file_name(name)}.pytrainr")
        (FOLDER / f"{file_name(name)}.model.binpb").write_bytes(models.message_of(model).SerializeToString())
        X, Y = data(given)
        asked = {key: value for key, value in arguments(given).items() if key != "epoch_function"}
        request = training_pb2.Training(
            x=wire.encode_array(X),
            y=wire.encode_array(Y),
            options=options.message_of(asked, ("epoch_annealing",), "loss_L1"),
            seed=5,
        )
        (FOLDER / f"{file_name(name)}.training.binpb").write_bytes(request.SerializeToString())


if __name__ == "__main__":
    main()
