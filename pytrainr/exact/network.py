"""An exact network, as the trainer and ``predictr`` see it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pytrainr.exact.epoch import Groups, Schedule, finish_update, run_groups
from pytrainr.exact.forward import predict_rows, step
from pytrainr.exact.group import Plan, Room
from pytrainr.exact.initial import initial_weights
from pytrainr.exact.options import Options
from pytrainr.exact.planning import layout_of, plan_of
from pytrainr.exact.reservoir import Reservoir
from pytrainr.exact.update_rules import RULES, Rule, RuleState
from pytrainr.model import Model
from pytrainr.parameters import Flat, Layout
from pytrainr.r_random import RRandom
from pytrainr.threads import in_threads

__all__ = ["ExactNetwork"]

_SHARED_FROM = 2e7  # multiplications of a group from which its samples are shared among threads
_SHARE_SAMPLES = 16  # smallest share of a group
_CACHED_NUMBERS, _FEWEST_AT_ONCE = 1 << 15, 8  # what a forward pass computes at once stays in the cache
_PIECE_NUMBERS = 1 << 23  # multiplications of a call that a thread takes, at least, when predicting
_MOST_PLANS = 64  # kept, for sequences of so many different lengths
_EMPTY = np.empty(0)


class _Planned(NamedTuple):
    """A network for sequences of some length, its workspace's size, and the plan as compiled code takes it quickest."""

    options: Options
    plan: Plan
    size: int
    pieces: tuple[Any, tuple[Any, ...], tuple[np.ndarray | None, ...]]  # cell, wiring, tables


class ExactNetwork:
    """The network that ``model`` describes, with true gradients.

    ``layout`` places its weights in a flat vector; ``slots`` names the other flat vectors that training keeps, with the
    suffix of the model's fields they show as.
    """

    pads_targets = False
    """Y is handed over as it is, not padded to the time steps of X."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.options = options_of(model)
        self.takes_whole_epochs = self.options.network_type == "esn"
        self.layout = layout_of(self.options)
        self.dtype = np.dtype(self.options.dtype)
        self.plan, self.size = plan_of(self.options, self.layout)
        remembered = RULES[model.update_rule]
        self.slots: Mapping[str, Layout] = {"_update": self.layout}
        for suffix in (remembered.first, remembered.second):
            if suffix:
                self.slots = {**self.slots, suffix: self.layout}
        if model.get("validated"):
            self.slots = {**self.slots, "_best": self.layout}
        self.decayed = self._decayed()
        self._rooms: list[Room] = []
        self._plans: dict[int, _Planned] = {}
        self.reservoir = Reservoir(self, model) if self.options.network_type == "esn" else None

    def _decayed(self) -> np.ndarray:
        decayed = self.layout.zeros()
        for block in self.layout:
            if "bias" not in block.field:
                block.view(decayed)[...] = 1.0
        return decayed.astype(self.dtype)

    def compile_ahead(self, model: Model) -> None:
        """What its kernels call is announced while they are compiled."""

    def initial_weights(self, rng: RRandom) -> Flat:
        """The random initial weights; see :func:`pytrainr.exact.initial.initial_weights`. Dropout's seed follows
        them."""
        flat = initial_weights(self.options, self.layout, rng)
        if self.options.dropout or self.options.recurrent_dropout:
            self.model.dropout_seed = int(rng.runif(1, 0.0, 1.0)[0] * 2.0**53)
        return flat

    # training -----------------------------------------------------------------------------------------------------

    def run_groups(
        self,
        model: Model,
        state: dict[str, Flat],
        batch: Any,
        first: int,
        rng: RRandom,
        stop: np.ndarray,
        updating: bool = True,
    ) -> tuple[int, bool]:
        """Train on the groups of ``batch`` from ``first`` on; how many are done, and whether the last lacks its
        update."""
        if self.reservoir is not None:
            return self.reservoir.run_groups(model, state, batch, stop), False
        groups = Groups(batch.X, batch.Y, batch.order, batch.starts, _as(batch.error, self.dtype))
        rule = self._rule(model)
        mine = self._state(state, model)
        schedule = self._schedule(model)
        largest = int(np.diff(batch.starts).max())
        if updating and schedule.bptt_steps >= batch.X.shape[1] and self._shares(largest) > 1:
            done = self._run_shared(mine, rule, groups, schedule, first, stop)
        else:
            room = self._room(0, largest)
            done = run_groups(self.plan, mine, rule, groups, schedule, room, first, updating, stop)
        model.updates_done, model.groups_done = (int(n) for n in schedule.counts)
        self._store(state, mine, model)
        batch.error[...] = groups.error
        return done, not updating

    def finish_update(self, model: Model, state: dict[str, Flat], rng: RRandom) -> None:
        """The update of the last group, after the caller's own loss function has seen the pending one."""
        mine, counts = self._state(state, model), np.array([model.updates_done, 0])
        finish_update(mine, self._rule(model), counts)
        model.updates_done = int(counts[0])
        self._store(state, mine, model)

    def _run_shared(
        self, state: RuleState, rule: Rule, groups: Groups, schedule: Schedule, first: int, stop: np.ndarray
    ) -> int:
        """Group after group, its samples shared among threads. Shares follow from the group's size alone, and so do
        bits."""
        alone = rule._replace(l2=0.0)
        for g in range(first, groups.starts.size - 1):
            if stop[0]:
                return g
            begin, end = int(groups.starts[g]), int(groups.starts[g + 1])
            cuts = np.linspace(begin, end, self._shares(end - begin) + 1).astype(int)

            def share(number: int, begin: int = begin, cuts: np.ndarray = cuts) -> Flat:
                rows = slice(cuts[number], cuts[number + 1])
                starts = np.array([0, cuts[number + 1] - cuts[number]])
                part = groups._replace(order=groups.order[rows], starts=starts, error=groups.error[rows])
                room = self._room(number, int(starts[1]))
                mine = RuleState(state.weights, np.zeros_like(state.weights), state.first, state.second)
                own = Schedule(schedule.bptt_steps, schedule.seed, schedule.counts.copy(), int(cuts[number]) - begin)
                run_groups(self.plan, mine, alone, part, own, room, 0, False, np.zeros(1, np.uint8))
                return mine.update

            for number in range(cuts.size - 1):
                self._room(number, int(cuts[number + 1] - cuts[number]))
            for update in in_threads(share, range(cuts.size - 1)):
                state.update[...] += update
            if rule.l2:
                state.update[...] -= rule.l2 * self.decayed * state.weights
            finish_update(state, rule, schedule.counts)
            schedule.counts[1] += 1
        return groups.starts.size - 1

    def _shares(self, samples: int) -> int:
        """Into how many shares a group of so many samples is cut."""
        work = float(samples) * self.options.steps * self.layout.size
        return max(1, min(4, int(work / _SHARED_FROM), samples // _SHARE_SAMPLES))

    def _room(self, number: int, samples: int) -> Room:
        while len(self._rooms) <= number:
            self._rooms.append(
                Room(
                    np.zeros(self.layout.size, self.dtype),
                    np.zeros(self.layout.size, self.dtype),
                    np.empty(0, self.dtype),
                )
            )
        room = self._rooms[number]
        if room.memory.size < self.size * samples:
            room = self._rooms[number] = room._replace(memory=np.zeros(self.size * samples, self.dtype))
        return room

    def _state(self, state: dict[str, Flat], model: Model) -> RuleState:
        remembered = RULES[model.update_rule]
        flats = [state["weights"], state["_update"]]
        flats += [state[suffix] if suffix else _EMPTY for suffix in (remembered.first, remembered.second)]
        return RuleState(*(_as(flat, self.dtype) for flat in flats))

    def _store(self, state: dict[str, Flat], mine: RuleState, model: Model) -> None:
        """Copy back what was computed in single precision."""
        if self.dtype == np.float64:
            return
        remembered = RULES[model.update_rule]
        for suffix, flat in zip(("weights", "_update", remembered.first, remembered.second), mine, strict=True):
            if suffix:
                state[suffix][...] = flat

    def _schedule(self, model: Model) -> Schedule:
        steps = model.get("bptt_steps") or self.options.steps
        counts = np.array([model.updates_done, model.groups_done], dtype=np.int64)
        return Schedule(int(steps), np.uint64(model.get("dropout_seed", 0)), counts, 0)

    def _rule(self, model: Model) -> Rule:
        def limit(name: str) -> float:
            return math.inf if model.get(name) is None else float(model[name])

        return Rule(
            list(RULES).index(model.update_rule),
            float(model.learningrate),
            float(model.momentum),
            float(model.rho),
            float(model.beta1),
            float(model.beta2),
            float(model.epsilon),
            float(model.l2),
            self.decayed,
            limit("clipping"),
            limit("clip_norm"),
            _scales(model),
        )

    # prediction ---------------------------------------------------------------------------------------------------

    def predict(
        self, weights: Flat, X: np.ndarray, first: int, total: int, record: np.ndarray, out: np.ndarray
    ) -> None:
        """Fill ``out`` (n, output steps, output) for ``X`` (n, T, input).

        ``record`` (n, size) is filled with the states of every layer, sample by sample, or has no columns.
        """
        out[...] = self.forward(weights, X, record=record)[0]

    def forward(
        self,
        weights: Flat,
        X: np.ndarray,
        Y: np.ndarray | None = None,
        states: np.ndarray | None = None,
        record: np.ndarray | None = None,
        steps: int | None = None,
        prepare: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> tuple[np.ndarray, float, np.ndarray]:
        """Outputs (n, output steps, output), the summed loss against ``Y`` (0 without), the states afterwards (n,
        width). ``prepare`` makes of some samples of X what the network takes, of ``steps`` time steps."""
        steps = X.shape[1] if steps is None else steps
        options, plan, size, pieces = self._planned(steps)
        n = X.shape[0]
        out = np.empty((n, options.output_steps, options.output_dim), self.dtype)
        targets = np.empty((n, 0, options.output_dim), self.dtype) if Y is None else _as(Y, self.dtype)
        after = np.empty((n, 0), self.dtype) if states is None else np.array(states, dtype=self.dtype, order="C")
        weights = _as(weights, self.dtype)
        recording = record is not None and record.shape[1] > 0
        at_once = max(_FEWEST_AT_ONCE, _CACHED_NUMBERS // size)
        piece = at_once
        if not recording:  # what is recorded lies in the memory of a single pass
            piece *= max(1, _PIECE_NUMBERS // (at_once * self.layout.size * steps))

        def forward_of(first: int) -> float:
            rows = slice(first, min(n, first + piece))
            memory = np.zeros(size * min(at_once, rows.stop - first), self.dtype)
            inputs = _as(prepare(X[rows]) if prepare else X[rows], np.dtype(np.float64))
            loss = predict_rows(*pieces, weights, memory, inputs, targets[rows], after[rows], out[rows], at_once)
            if recording:
                self._record(options, plan, memory, record[rows])  # type: ignore[index]
            return float(loss)

        loss = math.fsum(in_threads(forward_of, range(0, n, piece))) if n > piece else forward_of(0)
        return out.astype(np.float64, copy=False), loss, after

    def stepper(
        self, weights: Flat, samples: int, scales: tuple[np.ndarray, np.ndarray]
    ) -> tuple[Callable[[np.ndarray, np.ndarray], bool], np.ndarray]:
        """A function of x (n, input) and out (n, output) that takes a step, and the state (n, width) it carries on.

        It returns False, and does nothing, where x is not finite. ``scales`` (2 or 0, variables) are those of input and
        output.
        """
        options, _, size, pieces = self._planned(1)
        state = np.zeros((samples, self.state_width), self.dtype)
        room = np.zeros(size * samples, self.dtype), np.empty((samples, 1, options.input_dim)), np.arange(samples)
        return partial(step, *pieces, _as(weights, self.dtype), room, scales, state), state

    def _planned(self, steps: int) -> _Planned:
        """The network for sequences of ``steps`` time steps, which may be others than in training."""
        if steps not in self._plans:
            options = self.options
            if steps != options.steps:
                output_steps = options.output_steps
                if not options.attention and output_steps > 1:
                    output_steps = replace(options, steps=steps, output_steps=1).top_steps
                options = replace(options, steps=steps, output_steps=output_steps)
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan, size = plan_of(options, self.layout, training=False)
            pieces = plan.cell, tuple(plan.wiring), (plan.layers, plan.levels, plan.readout, plan.attention)
            self._plans[steps] = planned = _Planned(options, plan, size, pieces)
            return planned
        return self._plans[steps]

    @property
    def state_width(self) -> int:
        """How many numbers the state of one sample is."""
        return int(sum(layer["outputs"] + layer["cells"] for layer in self.plan.layers))

    def store_shapes(self, steps: int) -> list[tuple[int, ...]]:
        """The shape of each entry of ``predictr(hidden=True)`` for one sample: per layer and direction, then the
        output."""
        options, plan, _, _ = self._planned(steps)
        shapes: list[tuple[int, ...]] = []
        for number, layer in enumerate(plan.layers):
            steps_here = self._steps_of(options, number)
            arrays = _recorded(layer)
            width = int(layer["memories"] if options.feeds_back and layer["projected"] else layer["outputs"])
            shapes.append((steps_here, width) if arrays == 1 else (steps_here, width, arrays))
        return [*shapes, (options.output_steps, options.output_dim)]

    @staticmethod
    def _steps_of(options: Options, number: int) -> int:
        level = number // options.directions
        return options.output_steps if options.attention and level >= options.depth else options.steps_of(level)

    def _record(self, options: Options, plan: Plan, memory: np.ndarray, record: np.ndarray) -> None:
        """Write every layer's states over time into ``record`` (n, size): for gru h, z, r, candidate; lstm h, c, f,
        i, c̃, o."""
        n, column = record.shape[0], 0

        def block(place: Any, steps: int, width: Any) -> np.ndarray:
            first = int(place) * n
            return memory[first : first + steps * n * int(width)].reshape(steps, n, int(width))

        for number, layer in enumerate(plan.layers):
            steps = self._steps_of(options, number)
            if options.feeds_back and layer["projected"]:
                arrays = [block(layer["memory"], steps, layer["memories"])]
            else:
                arrays = [block(layer["state"], steps + 1, layer["outputs"])[1:]]
            if _recorded(layer) > 1:
                if layer["cells"]:
                    arrays.append(block(layer["cell"], steps + 1, layer["cells"])[1:])
                gates = block(layer["gate"], steps, layer["gates"] * layer["hidden"])
                arrays += np.split(gates, int(layer["gates"]), axis=2)
            values = np.stack(arrays, axis=-1) if len(arrays) > 1 else arrays[0]
            if options.bidirectional and number % 2 == 1 and number < 2 * options.depth:
                values = values[::-1]
            flat = values.swapaxes(0, 1).reshape(n, -1)
            record[:, column : column + flat.shape[1]] = flat
            column += flat.shape[1]


_OPTIONS = tuple(sorted(Options.names() - {"steps", "output_steps", "hidden_dim", "hidden_activation", "padded"}))


def options_of(model: Model) -> Options:
    """The shape of the network, from the fields of the model."""
    fields = {name: model[name] for name in _OPTIONS if name in model}
    return Options(
        **fields,
        hidden_dim=tuple(int(n) for n in model.hidden_dim),
        hidden_activation=model.sigmoid,
        steps=int(model.time_dim),
        output_steps=int(model.output_time_dim),
        padded=model.get("mask") is not None,
    )


def _recorded(layer: Any) -> int:
    """Arrays per unit that ``hidden=True`` returns; only the state itself where a projection makes it narrower."""
    if layer["gates"] == 1 or layer["projected"]:
        return 1
    return 1 + bool(layer["cells"]) + int(layer["gates"])


def _scales(model: Model) -> bool:
    from pytrainr.loss_functions import loss_L1

    return model.loss_function is loss_L1


def _as(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=dtype)
