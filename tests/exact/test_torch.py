"""Agreement with PyTorch: gradients to 1e-10, training steps to 1e-9. PyTorch is a test-only extra."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytrainr.r_random import RRandom
from tests.exact.checking import STOP, Case

torch = pytest.importorskip("torch", reason="PyTorch is missing: pip install 'pytrainr[test]' to compare with it")


def tensor(array):
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float64, requires_grad=True)


class Twin:
    """The same network in PyTorch: its parameters by the field and layer of ours, its outputs from X."""

    def __init__(self, case: Case) -> None:
        self.case, self.options = case, case.network.options
        self.parameters = {
            (block.field, block.layer): tensor(block.view(case.weights)) for block in case.network.layout
        }

    def outputs(self):
        x = torch.tensor(self.case.X)
        for level in range(self.options.depth):
            sides = []
            for number, side in enumerate(("", "reverse_")[: self.options.directions]):
                sides.append(self._layer(x.flip(1) if number else x, side, level))
            x = torch.cat([sides[0], sides[1].flip(1)], 2) if len(sides) == 2 else sides[0]
        out = (
            x @ self.parameters["time_synapse", self.options.depth]
            + self.parameters["bias_synapse", self.options.depth]
        )
        return torch.sigmoid(out)

    def loss(self):
        return 0.5 * ((self.outputs() - torch.tensor(self.case.Y)) ** 2).sum()

    def _layer(self, x, side, level):
        def of(name):
            return self.parameters[f"{side}{name}", level]

        kind, hidden = self.options.network_type, self.options.hidden_dim[level]
        if kind == "gru":
            return self._gru(x, of("time_synapse"), of("recurrent_synapse"), of("bias_synapse"))
        if kind == "rnn":
            cell = torch.nn.RNN(x.shape[2], hidden, nonlinearity=self.options.hidden_activation, batch_first=True)
            weights = [of("time_synapse").T, of("recurrent_synapse").T, of("bias_synapse")]
        else:
            cell = torch.nn.LSTM(x.shape[2], hidden, batch_first=True, proj_size=self.options.proj_size)
            order = [1, 0, 2, 3]  # PyTorch's gates are input, forget, candidate, output
            weights = [
                torch.cat([of("time_synapse")[:, :, k].T for k in order]),
                torch.cat([of("recurrent_synapse")[:, :, k].T for k in order]),
                torch.cat([of("bias_synapse")[:, k] for k in order]),
            ]
        weights.append(torch.zeros_like(weights[2]))
        names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
        if self.options.proj_size:
            names.append("weight_hr_l0")
            weights.append(of("projection_synapse").T)
        return torch.func.functional_call(cell.double(), dict(zip(names, weights, strict=True)), (x,))[0]

    @staticmethod
    def _gru(x, w, r, b):
        """R's gru, the reset gate before the product, which PyTorch's own does not have."""
        h = torch.zeros(x.shape[0], r.shape[0], dtype=torch.float64)
        states = []
        for t in range(x.shape[1]):
            z = torch.sigmoid(x[:, t] @ w[:, :, 0] + h @ r[:, :, 0] + b[:, 0])
            reset = torch.sigmoid(x[:, t] @ w[:, :, 1] + h @ r[:, :, 1] + b[:, 1])
            candidate = torch.tanh(x[:, t] @ w[:, :, 2] + (h * reset) @ r[:, :, 2] + b[:, 2])
            h = (1 - z) * h + z * candidate
            states.append(h)
        return torch.stack(states, 1)


NETWORKS = {
    "rnn tanh": {"network_type": "rnn", "sigmoid": "tanh"},
    "rnn relu": {"network_type": "rnn", "sigmoid": "relu"},
    "gru": {"network_type": "gru"},
    "lstm": {"network_type": "lstm"},
    "lstm projection": {"network_type": "lstm", "proj_size": 3},
}
WIRINGS = {
    "one layer": {"hidden_dim": (6,)},
    "stacked": {"hidden_dim": (6, 5, 4)},
    "bidirectional": {"hidden_dim": (6, 5), "bidirectional": True},
    "wide": {"hidden_dim": (70,), "samples": 20, "time_dim": 9, "output_time_dim": 9},
}


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("network", NETWORKS)
def test_gradient(network, wiring):
    case = Case(**{"samples": 7, **NETWORKS[network], **WIRINGS[wiring]}, seed=5, scale=0.5)
    twin = Twin(case)
    twin.loss().backward()
    gradient, _ = case.gradient(case.weights)
    for block in case.network.layout:
        theirs = twin.parameters[block.field, block.layer].grad.numpy()
        assert np.abs(block.view(gradient) - theirs).max() <= 1e-10 * max(1.0, np.abs(theirs).max())


OPTIMISERS = {
    "sgd": ({"update_rule": "sgd"}, lambda p: torch.optim.SGD(p, 0.05)),
    "momentum": ({"update_rule": "momentum", "momentum": 0.9}, lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)),
    "rmsprop": ({"update_rule": "rmsprop"}, lambda p: torch.optim.RMSprop(p, 0.05)),
    "adam": ({"update_rule": "adam"}, lambda p: torch.optim.Adam(p, 0.05)),
    "adam, L2": ({"update_rule": "adam", "l2": 0.01}, None),
    "adagrad": ({"update_rule": "adagrad", "epsilon": 1e-10}, lambda p: torch.optim.Adagrad(p, 0.05)),
    "clip norm": ({"update_rule": "momentum", "momentum": 0.5, "clip_norm": 0.7}, None),
}


@pytest.mark.parametrize("rule", OPTIMISERS)
@pytest.mark.parametrize("network", ["rnn tanh", "gru", "lstm"])
def test_twenty_steps(network, rule):
    options, make = OPTIMISERS[rule]
    case = Case(samples=6, hidden_dim=(5, 4), **NETWORKS[network], seed=2, scale=0.5)
    for name, value in {**options, "learningrate": 0.05}.items():
        case.model[name] = value
    case.network = type(case.network)(case.model)
    twin = Twin(case)
    parameters = list(twin.parameters.values())
    if rule == "adam, L2":
        decayed = [p for (field, _), p in twin.parameters.items() if "bias" not in field]
        biases = [p for (field, _), p in twin.parameters.items() if "bias" in field]
        optimiser = torch.optim.Adam([{"params": decayed, "weight_decay": 0.01}, {"params": biases}], 0.05)
    elif rule == "clip norm":
        optimiser = torch.optim.SGD(parameters, 0.05, momentum=0.5)
    else:
        optimiser = make(parameters)
    state = {suffix: case.network.layout.zeros() for suffix in case.network.slots}
    state["weights"] = case.weights.copy()
    n = case.X.shape[0]
    batch = SimpleNamespace(
        X=case.X, Y=case.Y, order=np.arange(len(case.X)), starts=np.array([0, n]), error=np.zeros(n)
    )
    for _ in range(20):
        case.network.run_groups(case.model, state, batch, 0, RRandom(1), STOP)
        optimiser.zero_grad()
        twin.loss().backward()
        if rule == "clip norm":
            torch.nn.utils.clip_grad_norm_(parameters, 0.7)
        optimiser.step()
    # PyTorch divides by the norm plus 1e-6 where it clips
    tolerance = 1e-6 if rule == "clip norm" else 1e-9
    for block in case.network.layout:
        theirs = twin.parameters[block.field, block.layer].detach().numpy()
        assert np.abs(block.view(state["weights"]) - theirs).max() < tolerance
