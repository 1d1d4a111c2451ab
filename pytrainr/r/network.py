"""A network in R's arithmetic, as the trainer and ``predictr`` see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np

from pytrainr.numerics.crew import Crew, break_up, meeting
from pytrainr.numerics.elementwise import vector_bits_equal
from pytrainr.numerics.jit import compile_ahead
from pytrainr.numerics.linalg import announce_products
from pytrainr.numerics.memory import aligned_zeros
from pytrainr.parameters import Block, Flat, Layout
from pytrainr.r.cells import CELLS
from pytrainr.r.epoch import Batch, Shared, finish_update, run_groups, workspace_size
from pytrainr.r.prediction import predict_rows, step
from pytrainr.r.rnn import SIGMOIDS, Rnn
from pytrainr.r.update import ADAGRAD, SGD, State, UpdateRule
from pytrainr.r_list import RList
from pytrainr.r_random import RRandom
from pytrainr.threads import thread_count, together

__all__ = ["RNetwork", "layout_of_model"]

_SHARED_FROM = 2e6  # multiplications of a group from which its samples are shared among threads
_SHARE_SAMPLES = 8  # smallest share of a group
_CACHED_NUMBERS, _FEWEST_AT_ONCE = 1 << 15, 8  # what a forward pass computes at once stays in the cache


class RNetwork:
    """The network that ``model`` describes, computing as R does.

    ``layout`` places its weights in a flat vector; ``slots`` names the other flat vectors that training keeps, with the
    suffix of the model's fields they show as.
    """

    dtype = np.dtype(np.float64)
    pads_targets = True
    takes_whole_epochs = False

    def __init__(self, model: RList) -> None:
        self.cell_kind = CELLS[model.network_type]
        self.dims: tuple[int, ...] = tuple(int(n) for n in model.synapse_dim)
        self.layout = layout_of_model(model)
        self.places = _places(self.layout, self.dims)
        self._rooms: list[Flat] = []
        units = sum(self.dims[1:-1])
        self._numbers = self.dims[0] + units * (1 + sum(self.cell_kind.kept)) + self.dims[-1]  # a sample's, each step
        self.slots: Mapping[str, Layout] = {"_update": self.layout}
        if model.update_rule == "adagrad":
            self.slots = {**self.slots, "_update_old": self.layout.without("bias_synapse")}
        self._options: dict[str, Any] = {"use_bias": bool(model.use_bias)}
        if self.cell_kind.options is Rnn:
            self._options["sigmoid"] = SIGMOIDS.index(model.sigmoid)

    @cached_property
    def cell(self) -> Any:
        """The cell's options as compiled code has them."""
        return self.cell_kind.options(vectorised=vector_bits_equal(), **self._options)

    # weights ------------------------------------------------------------------------------------------------------

    def initial_weights(self, rng: RRandom) -> Flat:
        """R's random initial weights, drawn in R's order: every array column-major.

        rnn: all of time_synapse, recurrent_synapse U(−1, 1), bias_synapse U(−0.1, 0.1). gru and lstm: layer by layer
        time, recurrent, bias U(−1, 1); then the output layer's weights U(−1, 1) and bias U(−0.1, 0.1).
        """
        flat = self.layout.zeros()
        output = len(self.dims) - 2
        if self.cell_kind.options is Rnn:
            fields = ("time_synapse", "recurrent_synapse", "bias_synapse")
            order: Sequence[Block] = sorted(self.layout, key=lambda block: fields.index(block.field))
        else:
            order = self.layout.blocks
        for block in order:
            narrow = block.field == "bias_synapse" and (self.cell_kind.options is Rnn or block.layer == output)
            limit = 0.1 if narrow else 1.0
            block.view(flat)[...] = rng.runif(block.size, -limit, limit).reshape(block.shape, order="F")
        return flat

    # training -----------------------------------------------------------------------------------------------------

    def compile_ahead(self, model: RList) -> None:
        """Begin to compile what training will need."""
        numbers, whole, cube = np.empty(0), np.empty(0, dtype=np.int64), np.empty((0, 0, 0))
        batch = Batch(cube, cube, whole, whole, numbers, np.empty((0, 0)), 0)
        compile_ahead(
            run_groups,
            self.cell_kind.options(vectorised=False, **self._options),
            self.places,
            State(numbers, numbers, numbers),
            self._rule(model),
            batch,
            0,
            True,
            np.empty(0, dtype=np.uint8),
            Crew(0, 1, meeting()),
            Shared(numbers, numbers, numbers, 0),
            numbers,
        )
        announce_products()

    def run_groups(
        self,
        model: RList,
        state: dict[str, Flat],
        batch: Batch,
        first: int,
        rng: RRandom,
        stop: np.ndarray,
        updating: bool = True,
    ) -> tuple[int, bool]:
        """Train on the groups of ``batch`` from ``first`` on, until all are done or ``stop`` is set.

        Returns how many groups are done and whether the last of them lacks its update: with ``updating`` false each
        does, so that a loss function of the caller's can come first; :meth:`finish_update` makes it up.
        """
        rule = self._rule(model)
        while True:
            done, pending = self._run(_state(state), rule, batch, first, updating, stop)
            if not pending or not updating:
                return done, pending
            self._replace_nan(state["_update"], rng)
            finish_update(_state(state), self.places, rule)
            if done == batch.starts.size - 1:
                return done, False
            first = done

    def _run(
        self, state: State, rule: UpdateRule, batch: Batch, first: int, updating: bool, stop: np.ndarray
    ) -> tuple[int, bool]:
        """:meth:`run_groups` up to where the kernel ends; the samples of large groups shared among threads."""
        largest, steps = int(np.diff(batch.starts).max()), batch.X.shape[1]
        shared = Shared(aligned_zeros(self.layout.size), aligned_zeros(self.layout.size), _EMPTY, largest)
        threads, rooms = 1, [_EMPTY]
        if largest * steps * self.layout.size >= _SHARED_FROM:
            threads = max(1, min(thread_count(), largest // _SHARE_SAMPLES))
            rooms = self._rooms_for(threads, steps, largest)
            shared = shared._replace(memory=rooms[-1])
        at = meeting()

        def run(number: int) -> tuple[int, bool]:
            crew, own = Crew(number, threads, at), rooms[number]
            return run_groups(self.cell, self.places, state, rule, batch, first, updating, stop, crew, shared, own)

        return run(0) if threads == 1 else together(run, threads, lambda: break_up(at))

    def _rooms_for(self, threads: int, steps: int, largest: int) -> list[Flat]:
        """Memory of each thread's own and, where they are several, what they share; kept for the next groups."""
        rows = [-(-largest // threads)] * threads + ([largest] if threads > 1 else [])
        sizes = [workspace_size(self.cell, self.places, steps, n) for n in rows]
        if len(sizes) != len(self._rooms) or any(r.size < size for r, size in zip(self._rooms, sizes, strict=True)):
            self._rooms = [aligned_zeros(size) for size in sizes]
        return self._rooms

    def finish_update(self, model: RList, state: dict[str, Flat], rng: RRandom) -> None:
        """Clip the pending updates, where asked for, and apply the update rule."""
        rule = self._rule(model)
        if rule.clipping < np.inf:
            self._replace_nan(state["_update"], rng)
        finish_update(_state(state), self.places, rule)

    def _rule(self, model: RList) -> UpdateRule:
        adagrad = model.update_rule == "adagrad"
        clipping = model.get("clipping")
        return UpdateRule(
            ADAGRAD if adagrad else SGD,
            not adagrad,
            float(model.learningrate),
            float(model.momentum),
            np.inf if clipping is None else float(clipping),
        )

    def _replace_nan(self, update: Flat, rng: RRandom) -> None:
        """What R's clipping does first: each NaN of an update gives way to runif(−1, 1), column-major in each array."""
        fields = self.layout.views(update)
        for field in ("recurrent_synapse", "time_synapse", "bias_synapse"):
            for array in fields[field]:
                values = array.flatten(order="F")
                nan = np.isnan(values)
                if nan.any():
                    values[nan] = rng.runif(int(nan.sum()), -1.0, 1.0)
                    array[...] = values.reshape(array.shape, order="F")

    # prediction ---------------------------------------------------------------------------------------------------

    def predict(
        self, weights: Flat, X: np.ndarray, first: int, total: int, record: np.ndarray, out: np.ndarray
    ) -> None:
        """Fill ``out`` (n, T′, output) for ``X`` (n, T, input), rows ``first`` … of ``total`` predicted together.

        Zeros follow X where T′ > T. ``record`` (n, size) is filled with R's ``store``, sample by sample, or has no
        columns.
        """
        at_once = max(_FEWEST_AT_ONCE, _CACHED_NUMBERS // (out.shape[1] * self._numbers))
        predict_rows(self.cell, self.places, weights, X, first, total, at_once, out, record)

    def stepper(
        self, weights: Flat, samples: int, scales: tuple[np.ndarray, np.ndarray]
    ) -> tuple[Callable[[np.ndarray, np.ndarray], bool], np.ndarray]:
        """A function of x (n, input) and out (n, output) that takes a step, and the state (n, ·) that it carries on.

        It returns False, and does nothing, where x is not finite. ``scales`` (2 or 0, variables) are those of input and
        output.
        """
        state = np.zeros((samples, sum(self.dims[1:-1]) * (1 + self.cell_kind.kept[0])))
        return partial(step, self.cell, self.places, weights, scales, state), state

    def store_shapes(self, steps: int) -> list[tuple[int, ...]]:
        """The shape of each entry of R's ``store`` for one sample."""
        k = self.cell_kind.stored_arrays
        hidden: list[tuple[int, ...]] = [(steps, h) if k == 1 else (steps, h, k) for h in self.dims[1:-1]]
        return [*hidden, (steps, self.dims[-1])]


def layout_of_model(model: RList) -> Layout:
    """Where the weights of R's network lie that ``model`` describes."""
    dims = tuple(int(n) for n in model.synapse_dim)
    return _layout(model.network_type, dims, CELLS[model.network_type].gates)


def _layout(network_type: str, dims: Sequence[int], gates: int) -> Layout:
    gate_dimension = 0 if network_type == "rnn" else gates
    blocks = []
    for layer, (inputs, hidden) in enumerate(pairwise(dims[:-1])):
        blocks.append(Block("time_synapse", layer, inputs, hidden, gate_dimension))
        blocks.append(Block("recurrent_synapse", layer, hidden, hidden, gate_dimension))
        blocks.append(Block("bias_synapse", layer, 0, hidden, gate_dimension))
    output = len(dims) - 2
    blocks.append(Block("time_synapse", output, dims[-2], dims[-1]))
    blocks.append(Block("bias_synapse", output, 0, dims[-1]))
    return Layout(blocks)


def _places(layout: Layout, dims: Sequence[int]) -> np.ndarray:
    """What becomes the ``Table`` of compiled code: (6, layers + 1)."""
    layers = range(len(dims) - 1)
    rows = [
        dims[:-1],
        dims[1:],
        [sum(dims[1 : 1 + i]) for i in layers],
        [layout.find("time_synapse", i).offset for i in layers],
        [*(layout.find("recurrent_synapse", i).offset for i in layers[:-1]), 0],
        [layout.find("bias_synapse", i).offset for i in layers],
    ]
    return np.array(rows, dtype=np.int64)


def _state(state: dict[str, Flat]) -> State:
    return State(state["weights"], state["_update"], state.get("_update_old", _EMPTY))


_EMPTY = np.empty(0)
