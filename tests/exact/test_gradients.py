"""Every gradient against central differences of the loss, to 1e-6 of each array's largest entry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr.exact.losses import LOSSES
from pytrainr.exact.shorthand import OUTPUTS, SIGMOIDS
from tests.exact.checking import Case

CELLS: dict[str, dict[str, Any]] = {
    "rnn": {"network_type": "rnn"},
    "jordan": {"network_type": "jordan"},
    "gru": {"network_type": "gru"},
    "lstm": {"network_type": "lstm"},
    "peephole": {"network_type": "lstm", "peephole": True},
    "projection": {"network_type": "lstm", "proj_size": 1},
    "peephole and projection": {"network_type": "lstm", "peephole": True, "proj_size": 1},
}
WIRINGS: dict[str, dict[str, Any]] = {
    "one layer": {"hidden_dim": (3,)},
    "stacked": {"hidden_dim": (3, 2, 2)},
    "many to one": {"output_time_dim": 1},
    "shifted": {"output_time_dim": 3},
    "no bias": {"use_bias": False},
    "padded": {"mask": "nan"},
    "padded, many to one": {"mask": "nan", "output_time_dim": 1},
    "pyramid": {"pyramid": 2, "output_time_dim": 3},
    "pyramid, padded": {"pyramid": 2, "output_time_dim": 3, "mask": "nan"},
    "bidirectional": {"bidirectional": True},
    "bidirectional, many to one": {"bidirectional": True, "output_time_dim": 1},
    "bidirectional, padded, many to one": {"bidirectional": True, "mask": "nan", "output_time_dim": 1},
    "bidirectional pyramid": {"bidirectional": True, "pyramid": 2, "output_time_dim": 3},
    "attention": {"attention": True, "output_time_dim": 4},
    "attention over all": {
        **{"attention": True, "output_time_dim": 3, "bidirectional": True, "pyramid": 2, "mask": "nan"},
        "hidden_dim": (3, 2),
    },
    "single step": {"time_dim": 1, "output_time_dim": 1},
}
SMOOTH, NEAR_A_BEND = 2e-3, 1e-5
"""Steps of the differences: where the loss has a bend they must not reach across it."""

NOT_TOGETHER = {("jordan", wiring) for wiring in WIRINGS if "bidirectional" in wiring or "attention" in wiring}


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("cell", CELLS)
def test_cell_and_wiring(cell, wiring):
    options = {**CELLS[cell], **WIRINGS[wiring]}
    if (cell, wiring) in NOT_TOGETHER:
        with pytest.raises(ValueError, match="Jordan"):
            Case(**options)
        return
    if options.get("proj_size"):
        options["hidden_dim"] = tuple(max(2, h) for h in options.get("hidden_dim", (3, 2)))
    assert Case(**options).worst_difference() < 1e-6


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if loss.targets not in ("class", "labels")])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("cell", ["rnn", "jordan"])
def test_output_and_loss(cell, output, loss):
    options = {"network_type": cell, "output": output, "loss": loss, "huber_width": 0.3, "hidden_dim": (3,)}
    if loss.endswith("crossentropy") and output in ("linear", "tanh"):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Case(**options)
        return
    step = NEAR_A_BEND if loss in ("absolute", "huber") else SMOOTH
    assert Case(output_dim=3, **options, seed=4).worst_difference(step=step) < 1e-6


@pytest.mark.parametrize("activation", SIGMOIDS)
@pytest.mark.parametrize("cell", ["rnn", "jordan"])
def test_hidden_activation(cell, activation):
    step = NEAR_A_BEND if activation == "relu" else SMOOTH
    assert Case(network_type=cell, sigmoid=activation, seed=3).worst_difference(step=step) < 1e-6


@pytest.mark.parametrize(
    "wiring", [{}, {"bidirectional": True}, {"attention": True, "output_time_dim": 3}, {"mask": "nan"}]
)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_dropout(cell, wiring):
    """With the absolute loss the training's own error is the loss, masks and all."""
    options = {"dropout": 0.3, "recurrent_dropout": 0.4, "output": "linear", "loss": "absolute", **wiring}
    case = Case(
        network_type=cell, seed=2, scale=2, **options
    )  # weights at which attention's gradient is no rounding error
    case.Y += 8.0  # far from the loss's bend
    assert case.worst_difference(lambda weights: case.gradient(weights)[1]) < 1e-6
    masked = case.gradient(case.weights)[0]
    case.model.dropout_seed = 78
    assert not np.array_equal(masked, case.gradient(case.weights)[0])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("cell", CELLS)
def test_random_shapes(cell, seed):
    random = np.random.default_rng(seed)
    hidden = tuple(int(n) for n in random.integers(2, 6, random.integers(1, 4)))
    steps = int(random.integers(1, 8))
    case = Case(
        **CELLS[cell],
        hidden_dim=hidden,
        input_dim=int(random.integers(1, 5)),
        output_dim=int(random.integers(1, 4)),
        time_dim=steps,
        output_time_dim=int(random.integers(1, steps + 1)),
        samples=int(random.integers(1, 6)),
        seed=seed,
    )
    assert case.worst_difference() < 1e-6


def test_reservoir_gradient():
    """The echo state network trains its readout alone, but its cell knows its gradient as well."""
    case = Case(network_type="esn", leak=0.3, density=0.9, output="linear")
    case.network.reservoir = None
    assert case.worst_difference() < 1e-6


def test_shares_add_up():
    """A group cut into shares gives the gradient of the whole."""
    case = Case(samples=40, network_type="gru", hidden_dim=(8,))
    whole, _ = case.gradient(case.weights)
    parts = []
    X, Y = case.X, case.Y
    for rows in (slice(0, 13), slice(13, 40)):
        case.X, case.Y = X[rows], Y[rows]
        parts.append(case.gradient(case.weights)[0])
    assert np.abs(parts[0] + parts[1] - whole).max() < 1e-12
