"""Training of an echo state network: the readout alone, by ridge regression over all samples at once."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from pytrainr.exact.plan import Plan, Shown
from pytrainr.parameters import Flat
from pytrainr.r_list import RList

__all__ = ["Reservoir", "ridge"]


def ridge(states: np.ndarray, targets: np.ndarray, penalty: float, intercept: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights V (width, outputs) and intercept c (outputs) that minimise Σ|h V + c − y|² + penalty·Σ|V|².

    ``states`` (rows, width), ``targets`` (rows, outputs). Solved as least squares, which does not square the condition.
    """
    center = states.mean(axis=0) if intercept else np.zeros(states.shape[1])
    middle = targets.mean(axis=0) if intercept else np.zeros(targets.shape[1])
    width = states.shape[1]
    left = np.vstack([states - center, np.sqrt(penalty) * np.eye(width)])
    right = np.vstack([targets - middle, np.zeros((width, targets.shape[1]))])
    weights = np.linalg.lstsq(left, right, rcond=None)[0]
    return weights, middle - center @ weights


class EchoStates(Protocol):
    """What fitting the readout asks of the network; see ``exact/network.py``."""

    def prediction_plan(self, steps: int) -> Plan: ...

    def forward(self, weights: Flat, X: np.ndarray, *, shown: Shown | None = None) -> tuple[Any, Any, Any]: ...


def _read_by_readout(plan: Plan) -> tuple[int, int, int]:
    x = plan.rows[-2].x
    return x.place, x.steps, x.width


class Reservoir:
    """Fits the readout of an echo state network."""

    def __init__(self, network: EchoStates, model: RList) -> None:
        self.network = network

    def run_groups(self, model: RList, state: dict[str, Flat], batch: Any, stop: np.ndarray) -> int:
        """Fit the readout to all samples of the slice and fill their errors; groups do not matter to a direct
        solution."""
        network, weights = self.network, state["weights"]
        readout = network.prediction_plan(batch.X.shape[1]).rows[-2].weights
        X, Y = batch.X[batch.order], batch.Y[batch.order]
        top = network.forward(weights, X, shown=_read_by_readout)[0]
        present = ~np.isnan(Y[:, :, 0])
        place = readout["kernel"][0]
        kernel, intercept = ridge(top[present], Y[present], float(model.ridge), "bias" in readout)
        weights[place : place + kernel.size] = kernel.reshape(-1)
        if "bias" in readout:
            place, size = readout["bias"]
            weights[place : place + size] = intercept
        output, _, _ = network.forward(weights, X)
        batch.error[...] = np.where(present[:, :, None], np.abs(Y - output), 0.0).sum(axis=(1, 2))
        return batch.starts.size - 1
