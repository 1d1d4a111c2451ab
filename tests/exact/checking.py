"""A network to check: its loss, its gradient, and central differences of the loss."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from pytrainr.exact.layer_list import LayerList, described
from pytrainr.exact.network import ExactNetwork
from pytrainr.exact.options import EXACT_DEFAULTS
from pytrainr.loss_functions import loss_L1
from pytrainr.model import Model
from pytrainr.r_random import RRandom

STOP = np.zeros(1, np.uint8)


class Case:
    """A network with random weights and data; options as those of ``trainr(exact=True)``."""

    def __init__(self, samples: int = 3, seed: int = 0, scale: float = 1.0, **options: Any) -> None:
        shape = {"hidden_dim": (3, 2), "input_dim": 2, "output_dim": 2, "time_dim": 5, "output_time_dim": 5}
        given = {**EXACT_DEFAULTS, "sigmoid": "logistic", "use_bias": True, "update_rule": "sgd", **shape, **options}
        given |= {"learningrate": 1.0, "momentum": 0.0, "loss_function": loss_L1, "seq_to_seq_unsync": False}
        given |= {"updates_done": 0, "groups_done": 0, "dropout_seed": 77, "exact": True}
        self.model = Model(given)
        self.network = ExactNetwork(self.model)
        random = np.random.default_rng(seed)
        self.weights = self.network.initial_weights(RRandom(seed)) * scale
        self.model.dropout_seed = 77
        self.X = random.standard_normal((samples, given["time_dim"], given["input_dim"])) * 1.5
        self.Y = random.uniform(0.1, 0.9, (samples, given["output_time_dim"], given["output_dim"]))
        if given["output"] == "softmax":
            self.Y /= self.Y.sum(axis=2, keepdims=True)
        if given["mask"] is not None:
            for sample in range(1, samples):
                self.X[sample, given["time_dim"] - sample :] = np.nan
                if given["output_time_dim"] > 1:
                    self.Y[sample, given["output_time_dim"] - sample :] = np.nan
            self.X[-1, 1] = np.nan

    def loss(self, weights: np.ndarray) -> float:
        """The summed loss, without dropout."""
        return self.network.forward(weights, self.X, self.Y)[1]

    def gradient(self, weights: np.ndarray) -> tuple[np.ndarray, float]:
        """The gradient of the summed loss by back-propagation, and Σ|Y − out|, with dropout."""
        state = {"weights": weights, "_update": np.zeros_like(weights)}
        self.model.updates_done = self.model.groups_done = 0
        n = self.X.shape[0]
        batch = SimpleNamespace(X=self.X, Y=self.Y, order=np.arange(n), starts=np.array([0, n]), error=np.zeros(n))
        self.network.run_groups(self.model, state, batch, 0, RRandom(1), STOP, False)
        return -state["_update"], float(batch.error.sum())

    def worst_difference(self, loss: Any = None, step: float = 2e-3) -> float:
        """The largest difference between the gradient and central differences, by array, against its largest entry.

        An array by which nothing changes (softmax does not see a bias of its keys) has a gradient of rounding errors.
        """
        loss = loss or self.loss
        gradient, _ = self.gradient(self.weights)
        worst, least = 0.0, max(1e-7, 1e-5 * float(np.abs(gradient).max(initial=0.0)))
        for block in self.network.layout:
            view = block.view(self.weights)
            numeric = np.empty(view.shape)
            for place in np.ndindex(*view.shape):
                numeric[place] = central_difference(lambda: loss(self.weights), view, place, step)
            difference = np.abs(block.view(gradient) - numeric).max()
            worst = max(worst, difference / max(np.abs(numeric).max(), least))
        return worst


def central_difference(function: Any, array: np.ndarray, place: Any, step: float) -> float:
    """The derivative by one entry, from four values: the error is of the fourth order in the step."""
    value, results = array[place], []
    for shift in (step, -step, 2 * step, -2 * step):
        array[place] = value + shift
        results.append(function())
    array[place] = value
    near, far = results[0] - results[1], results[2] - results[3]
    return (8.0 * near - far) / (12.0 * step)


class ListCase(Case):
    """A network of the given layers, with random weights and data; ``options`` as those of ``trainr``."""

    def __init__(
        self,
        layers: list[Any],
        steps: int = 5,
        width: int = 2,
        samples: int = 3,
        seed: int = 0,
        scale: float = 1.0,
        X: np.ndarray | None = None,
        **options: Any,
    ) -> None:
        network = LayerList(tuple(layers), width, steps)
        output_steps, outputs = network.shapes()[-1]
        given = {**EXACT_DEFAULTS, "update_rule": "sgd", "learningrate": 1.0, "momentum": 0.0, **options}
        given |= {"loss": given["loss"] or "squared", "layers": described(layers), "network_type": "layers"}
        given |= {"input_dim": width, "time_dim": steps, "output_time_dim": output_steps, "output_dim": outputs}
        given |= {"updates_done": 0, "groups_done": 0, "dropout_seed": 77, "exact": True, "loss_function": loss_L1}
        self.model = Model(given)
        self.network = ExactNetwork(self.model)
        random = np.random.default_rng(seed)
        drawn = self.network.initial_weights(RRandom(seed))
        self.weights = (drawn + random.uniform(-0.5, 0.5, drawn.size)) * scale  # zeros would hide a mistake
        self.model.dropout_seed = 77
        self.X = random.standard_normal((samples, steps, width)) * 1.5 if X is None else X
        self.Y = random.uniform(0.1, 0.9, (samples, output_steps, outputs))
        if given["loss"] == "sparse_categorical_crossentropy":
            self.Y = random.integers(0, outputs, (samples, output_steps, 1)).astype(float)
        if given["mask"] is not None:
            for sample in range(1, samples):
                self.X[sample, max(1, steps - sample) :] = np.nan
                if output_steps == steps:
                    self.Y[sample, max(1, steps - sample) :] = np.nan
