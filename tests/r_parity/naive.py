"""A plain reading of what R computes, one sample group at a time, in NumPy: slow, and nothing shared with the kernels.

Names follow the specification: D the output delta, ds and dt the logistic and tanh derivatives of a value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytrainr import RRandom

Array = np.ndarray

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def _each(function: Any) -> Any:
    return np.vectorize(function, otypes=[np.float64])


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


logistic = _each(lambda x: 1.0 / (1.0 + _exp(-x)))
tanh = _each(math.tanh)
gompertz = _each(lambda x: _exp(-_exp(-x)))
SIGMOID = {"logistic": logistic, "tanh": tanh, "Gompertz": gompertz}


def ds(y: Array) -> Array:
    return y * (1 - y)


def dt(y: Array) -> Array:
    return 1 - y * y


def mm(a: Array, b: Array) -> Array:
    """The matrix product, the sum over l from 0, l ascending."""
    c = np.zeros((a.shape[0], b.shape[1]))
    for l in range(a.shape[1]):  # noqa: E741 - the specification's letter
        c = c + a[:, l : l + 1] * b[l : l + 1, :]
    return c


def column_means(a: Array) -> Array:
    total = np.zeros(a.shape[1], np.longdouble)
    for row in a:
        total = total + row.astype(np.longdouble)
    return (total / np.longdouble(a.shape[0])).astype(np.float64)


def recycled(bias: Array, n: int) -> Array:
    """R's recycling: down the columns of an n × h matrix."""
    return bias[np.arange(n * bias.size) % bias.size].reshape((n, bias.size), order="F")


@dataclass
class Naive:
    """A network in R's arithmetic. ``W``, ``R``, ``b`` are R's time, recurrent and bias synapses."""

    network_type: str
    dims: tuple[int, ...]
    seed: int
    learningrate: float
    learningrate_decay: float = 1.0
    momentum: float = 0.0
    sigmoid: str = "logistic"
    use_bias: bool = False
    batch_size: float = 1
    numepochs: int = 1
    update_rule: str = "sgd"
    clipping: float | None = None
    unused_steps: int = 0
    W: list[Array] = field(default_factory=list)
    R: list[Array] = field(default_factory=list)
    b: list[Array] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = RRandom(self.seed)
        gates, layers = GATES[self.network_type], len(self.dims) - 2

        def draw(*shape: int, limit: float = 1.0) -> Array:
            return self.rng.runif(math.prod(shape), -limit, limit).reshape(shape, order="F")

        pairs = list(zip(self.dims[:-1], self.dims[1:], strict=True))
        if self.network_type == "rnn":
            self.W = [draw(*pair) for pair in pairs]
            self.R = [draw(h, h) for h in self.dims[1:-1]]
            self.b = [draw(h, limit=0.1) for h in self.dims[1:]]
        else:
            for inputs, hidden in pairs[:layers]:
                self.W.append(draw(inputs, hidden, gates))
                self.R.append(draw(hidden, hidden, gates))
                self.b.append(draw(hidden, gates))
            self.W.append(draw(*pairs[-1]))
            self.b.append(draw(self.dims[-1], limit=0.1))
        self.dW, self.dR, self.db = ([np.zeros_like(w) for w in ws] for ws in (self.W, self.R, self.b))
        self.W_old, self.R_old = [w * 0 for w in self.W], [w * 0 for w in self.R]

    # forward --------------------------------------------------------------------------------------------------------

    def forward(self, X: Array) -> tuple[list[list[dict[str, Array]]], Array]:
        """States per layer and step, by name, and the output (n, T, out)."""
        n, steps, _ = X.shape
        layers = len(self.dims) - 2
        states: list[list[dict[str, Array]]] = [[] for _ in range(layers)]
        out = np.zeros((n, steps, self.dims[-1]))
        output = SIGMOID[self.sigmoid] if self.network_type == "rnn" else logistic
        for t in range(steps):
            x = X[:, t]
            for i in range(layers):
                before = states[i][-1] if t else {k: np.zeros((n, self.dims[i + 1])) for k in ("h", "cell")}
                states[i].append(getattr(self, "_" + self.network_type)(i, x, before))
                x = states[i][-1]["h"]
            s = mm(x, self.W[-1])
            out[:, t] = output(s + recycled(self.b[-1], n) if self.use_bias else s)
        return states, out

    def _sum(self, i: int, gate: int, x: Array, h: Array) -> Array:
        if self.network_type == "rnn":
            W, R, b = self.W[i], self.R[i], self.b[i]
        else:
            W, R, b = self.W[i][:, :, gate], self.R[i][:, :, gate], self.b[i][:, gate]
        s = mm(x, W) + mm(h, R)
        return s + recycled(b, x.shape[0]) if self.use_bias else s

    def _rnn(self, i: int, x: Array, before: dict[str, Array]) -> dict[str, Array]:
        return {"h": SIGMOID[self.sigmoid](self._sum(i, 0, x, before["h"]))}

    def _gru(self, i: int, x: Array, before: dict[str, Array]) -> dict[str, Array]:
        h = before["h"]
        z, r = logistic(self._sum(i, 0, x, h)), logistic(self._sum(i, 1, x, h))
        g = tanh(self._sum(i, 2, x, h * r))
        return {"h": (1 - z) * h + z * g, "z": z, "r": r, "g": g}

    def _lstm(self, i: int, x: Array, before: dict[str, Array]) -> dict[str, Array]:
        f, g, c, o = (self._sum(i, gate, x, before["h"]) for gate in range(4))
        f, g, c, o = logistic(f), logistic(g), tanh(c), logistic(o)
        cell = f * before["cell"] + g * c
        return {"h": o * tanh(cell), "cell": cell, "f": f, "i": g, "c": c, "o": o}

    # backward -------------------------------------------------------------------------------------------------------

    def backward(self, X: Array, Y: Array, states: list[list[dict[str, Array]]], out: Array) -> Array:
        """Adds to the updates; the error of each sample."""
        n, steps, _ = X.shape
        layers = len(self.dims) - 2
        E = Y - out
        D = E * ds(out)
        E[:, : self.unused_steps] = 0
        D[:, : self.unused_steps] = 0
        zero = [np.zeros((n, h)) for h in self.dims[1:-1]]
        future_h, future_cell = [z.copy() for z in zero], [z.copy() for z in zero]
        for t in range(steps - 1, -1, -1):
            up = D[:, t]
            for i in range(layers - 1, -1, -1):
                state = states[i][t]
                before = states[i][t - 1] if t else {"h": zero[i], "cell": zero[i]}
                x = X[:, t] if i == 0 else states[i - 1][t]["h"]
                last = i == layers - 1
                if last:
                    self.dW[-1] = self.dW[-1] + mm(state["h"].T, up)
                    self.db[-1] = self.db[-1] + column_means(up)
                back = getattr(self, "_back_" + self.network_type)
                up = back(i, last, up, x, state, before, future_h, future_cell)
        total = np.zeros(n, np.longdouble)
        for k in range(Y.shape[2]):
            for t in range(steps):
                total = total + np.abs(E[:, t, k]).astype(np.longdouble)
        return total.astype(np.float64)

    def _back_rnn(self, i, last, up, x, state, before, future_h, future_cell):  # type: ignore[no-untyped-def]
        delta = (mm(future_h[i], self.R[i].T) + mm(up, self.W[i + 1].T)) * ds(state["h"])
        self.dR[i] = self.dR[i] + mm(before["h"].T, delta)
        self.dW[i] = self.dW[i] + mm(x.T, delta)
        if i > 0:
            self.db[i] = self.db[i] + column_means(delta)
        future_h[i] = delta
        return delta

    def _through_output(self, last: bool, up: Array, h: Array, future: Array) -> Array:
        return mm(up, self.dW[-1].T) * ds(h) + future if last else up

    def _back_lstm(self, i, last, up, x, state, before, future_h, future_cell):  # type: ignore[no-untyped-def]
        f, g, c, o, cell = (state[k] for k in ("f", "i", "c", "o", "cell"))
        up = self._through_output(last, up, state["h"], future_h[i])
        dc = (up * o) * dt(cell) + future_cell[i]
        post = [dc * before["cell"], dc * c, dc * g, up * tanh(cell)]
        future_cell[i] = dc * f
        pre = [post[0] * ds(f), post[1] * ds(g), post[2] * dt(c), post[3] * ds(o)]
        R, W = self.R[i], self.W[i]
        down = [mm(pre[k], W[:, :, k].T) for k in range(4)]
        back = [mm(pre[k], R[:, :, k].T) for k in range(4)]
        for k in range(4):
            self.dR[i][:, :, k] += mm(before["h"].T, post[k])
            self.dW[i][:, :, k] += mm(x.T, post[k])
            self.db[i][:, k] += column_means(post[k])
        future_h[i] = back[3] + back[2] + back[1] + back[0]
        return down[3] + down[2] + down[1] + down[0]

    def _back_gru(self, i, last, up, x, state, before, future_h, future_cell):  # type: ignore[no-untyped-def]
        z, r, g, h = state["z"], state["r"], state["g"], before["h"]
        d = self._through_output(last, up, state["h"], future_h[i]) + future_h[i]
        g_post, z_post = d * z, 1 - d * h
        g_pre, z_pre = g_post * dt(g), z_post * ds(z)
        d = d * (1 - z)
        R, W = self.R[i], self.W[i]
        through_g = mm(g_pre, R[:, :, 2].T)
        r_post = h * through_g
        r_pre = r_post * ds(r)
        d = d + r * through_g
        for k, post, state_in in ((0, z_post, h), (2, g_post, h * r), (1, r_post, h)):
            self.dR[i][:, :, k] += mm(state_in.T, post)
            self.dW[i][:, :, k] += mm(x.T, post)
            self.db[i][:, k] += column_means(post)
        future_h[i] = d + (mm(r_pre, R[:, :, 1].T) + mm(z_pre, R[:, :, 0].T))
        return (mm(r_post, W[:, :, 1].T) + mm(z_pre, W[:, :, 0].T)) + mm(g_pre, W[:, :, 2].T)

    # training -------------------------------------------------------------------------------------------------------

    def train(self, X: Array, Y: Array) -> Array:
        """All epochs; the errors (samples, epochs)."""
        samples = X.shape[0]
        error = np.zeros((samples, self.numepochs))
        with np.errstate(all="ignore"):
            for epoch in range(self.numepochs):
                groups = round(samples / self.batch_size)
                index = np.array([self.rng.sample(groups, 1, replace=True)[0] for _ in range(samples)])
                for group in range(1, groups + 1):
                    rows = np.flatnonzero(index == group)
                    if rows.size:
                        states, out = self.forward(X[rows])
                        error[rows, epoch] = self.backward(X[rows], Y[rows], states, out)
                        self.update()
                self.learningrate = self.learningrate * self.learningrate_decay
        return error

    def update(self) -> None:
        if self.update_rule == "sgd":
            for updates in (self.dW, self.dR, self.db):
                updates[:] = [u * self.learningrate for u in updates]
        if self.clipping is not None:
            for updates in (self.dR, self.dW, self.db):
                updates[:] = [self.clipped(u) for u in updates]
        if self.update_rule == "sgd":
            for weights, updates in ((self.W, self.dW), (self.R, self.dR), (self.b, self.db)):
                weights[:] = [w + u for w, u in zip(weights, updates, strict=True)]
                updates[:] = [u * self.momentum for u in updates]
            return
        for weights, updates, old in ((self.W, self.dW, self.W_old), (self.R, self.dR, self.R_old)):
            for i, u in enumerate(updates):
                old[i] = old[i] + u
                weights[i] = weights[i] + self.learningrate * u / (old[i] + 0.000000001)
        self.b = [b + u for b, u in zip(self.b, self.db, strict=True)]

    def clipped(self, update: Array) -> Array:
        assert self.clipping is not None
        values = update.flatten(order="F")
        nan = np.isnan(values)
        values[nan] = self.rng.runif(int(nan.sum()), -1, 1)
        return np.clip(values, -self.clipping, self.clipping).reshape(update.shape, order="F")
