"""An exact network, as the trainer and ``predictr`` see it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pytrainr.exact.epoch import Groups, Schedule, finish_update, run_groups
from pytrainr.exact.forward import predict_rows, step
from pytrainr.exact.layer_list import LayerList, layers_from
from pytrainr.exact.plan import Ends, Plan, Planner, Program, Shown, laid_out
from pytrainr.exact.reservoir import Reservoir
from pytrainr.exact.run import CALL_SIZE, Room
from pytrainr.exact.shorthand import Shorthand
from pytrainr.exact.update_rules import RULES, Rule, RuleState, announce_rule
from pytrainr.memory import check_memory
from pytrainr.numerics.jit import compile_ahead
from pytrainr.numerics.memory import aligned_zeros
from pytrainr.parameters import Flat, Layout
from pytrainr.r_list import RList
from pytrainr.r_random import RRandom
from pytrainr.threads import in_threads, thread_count

__all__ = ["ExactNetwork"]

_SHARED_FROM = 2e7  # multiplications of a group from which its samples are shared among threads
_SHARE_SAMPLES = 16  # smallest share of a group
_CACHED_NUMBERS, _FEWEST_AT_ONCE = 1 << 15, 8  # what a forward pass computes at once stays in the cache
_PIECE_NUMBERS = 1 << 23  # multiplications of a call that a thread takes, at least, when predicting
_MOST_PLANS = 64  # kept, for sequences of so many different lengths
_EMPTY = np.empty(0)


class _Pieces(NamedTuple):
    """A network for training: its plan for a piece of ``steps``, and the program of a last piece that is shorter."""

    steps: int
    plan: Plan
    rest: Program


class ExactNetwork:
    """The network that ``model`` describes, with true gradients.

    ``layout`` places its weights in a flat vector; ``slots`` names the other flat vectors that training keeps, with the
    suffix of the model's fields they show as.
    """

    pads_targets = False
    """Y is handed over as it is, not padded to the time steps of X."""

    def __init__(self, model: RList) -> None:
        self.model = model
        self.options = architecture_of(model)
        self.takes_whole_epochs = self.options.fits_readout
        self.layout = self.options.layout
        self.dtype = np.dtype(self.options.dtype)
        self.weighted = bool(model.get("weighted"))
        self.initial_states: np.ndarray | None = None
        """(samples, width) before the first step, by the samples' rows in X; None where all begin as 0."""
        remembered = RULES[model.update_rule]
        self.slots: Mapping[str, Layout] = {"_update": self.layout}
        for suffix in (remembered.first, remembered.second):
            if suffix:
                self.slots = {**self.slots, suffix: self.layout}
        if model.get("validated"):
            self.slots = {**self.slots, "_best": self.layout}
        self.decayed = self._decayed()
        self._rooms: list[Room] = []
        self._plans: dict[int, Plan] = {}
        self._pieces: _Pieces | None = None
        self._unfinished = self._whole = np.array([[0, self.layout.size]])
        self.reservoir = Reservoir(self, model) if self.options.fits_readout else None

    def _decayed(self) -> np.ndarray:
        decayed, biases = self.layout.zeros(), self.options.biases()
        for block in self.layout:
            if block not in biases:
                block.view(decayed)[...] = 1.0
        return decayed.astype(self.dtype)

    def compile_ahead(self, model: RList) -> None:
        """Say what training will need: the epoch's loop, and what the layers' rows call."""
        if self.reservoir is None:
            numbers, cube = np.empty(0, self.dtype), np.empty((0, 0, 0), self.dtype)
            whole, table = np.empty(0, np.int64), np.empty((0, 2), np.int64)
            program = Program(whole, whole, table, table, table, table, whole, Ends(*[0] * len(Ends._fields)))
            groups = Groups(cube, cube, whole, whole, numbers, np.empty((0, 0), self.dtype))
            room = Room(numbers, numbers, numbers, whole, table)
            state, schedule = RuleState(*[numbers] * 4), self._schedule(model, 1)
            loop = program, program, state, self._rule(model), groups, schedule, room, 0, True, np.zeros(1, np.uint8)
            compile_ahead(run_groups, *loop)
            announce_rule(state, loop[3])
        options = self.options
        shape = options.steps, options.input_dim
        rows = laid_out(options.layers, *shape, padded=options.padded, training=self.reservoir is None).rows
        for row in rows:
            row.kernels.announce(self.dtype, row.goes_back)
        options.loss_layer.kernels.announce(self.dtype)

    def initial_weights(self, rng: RRandom) -> Flat:
        """The random initial weights; dropout's seed follows them."""
        flat = self.options.initial_weights(rng)
        if self.options.draws_masks:
            self.model.dropout_seed = int(rng.runif(1, 0.0, 1.0)[0] * 2.0**53)
        return flat

    # training -----------------------------------------------------------------------------------------------------

    def run_groups(
        self,
        model: RList,
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
        states = np.empty((0, 0)) if self.initial_states is None else self.initial_states
        error = _as(batch.error, self.dtype)
        groups = Groups(batch.X, batch.Y, batch.order, batch.starts, error, _as(states, self.dtype))
        rule = self._rule(model)
        mine = self._state(state, model)
        pieces = self._in_pieces(int(model.get("bptt_steps") or self.options.steps))
        schedule = self._schedule(model, pieces.steps)
        largest = int(np.diff(batch.starts).max())
        if updating and schedule.bptt_steps >= batch.X.shape[1] and self._shares(largest) > 1:
            done = self._run_shared(pieces, mine, rule, groups, schedule, first, stop)
        else:
            room = self._room(0, pieces.plan, largest)
            programs = pieces.plan.program, pieces.rest
            done = run_groups(*programs, mine, rule, groups, schedule, room, first, updating, stop)
            self._unfinished = room.stretches[: schedule.counts[2]]
        model.updates_done, model.groups_done = (int(n) for n in schedule.counts[:2])
        self._store(state, mine, model)
        batch.error[...] = groups.error
        return done, not updating

    def way_back(self, weights: Flat, X: np.ndarray, Y: np.ndarray) -> tuple[Plan, np.ndarray]:
        """The plan for training on whole sequences, and its memory after the way back over all samples as one group.

        Nothing is updated.
        """
        n, pieces = X.shape[0], self._in_pieces(self.options.steps)
        groups = Groups(X, Y, np.arange(n), np.array([0, n]), np.zeros(n, self.dtype), np.empty((0, 0), self.dtype))
        state = RuleState(_as(weights, self.dtype), self.layout.zeros().astype(self.dtype), *[_EMPTY] * 2)
        schedule, room = self._schedule(self.model, pieces.steps), self._room(0, pieces.plan, n)
        programs = pieces.plan.program, pieces.rest
        stop = np.zeros(1, np.uint8)
        run_groups(*programs, state, self._rule(self.model), groups, schedule, room, 0, False, stop)
        return pieces.plan, room.memory

    def finish_update(self, model: RList, state: dict[str, Flat], rng: RRandom) -> None:
        """The update of the last group, after the caller's own loss function has seen the pending one."""
        mine, counts = self._state(state, model), np.array([model.updates_done, 0])
        finish_update(mine, self._rule(model), counts, self._unfinished)
        model.updates_done = int(counts[0])
        self._store(state, mine, model)

    def _in_pieces(self, steps: int) -> _Pieces:
        """The plan for training on pieces of ``steps`` time steps, all of them or fewer."""
        if self._pieces is None or self._pieces.steps != steps:
            options, in_pieces = self.options, steps < self.options.steps
            ends = self._ends()
            if in_pieces:
                ends["whole_steps"] = options.steps

            def planned(steps: int, taken: Sequence[int] | None = None) -> Plan:
                stateful = in_pieces or self.initial_states is not None
                kind = {"training": True, "in_pieces": in_pieces, "stateful": stateful}
                planner = Planner(options.places, **kind, taken=taken)
                return planner.plan(options.layers, options.loss_layer, {**ends, "steps": steps}, self.dtype)

            plan = planned(steps)
            rest = planned(options.steps % steps, plan.taken) if options.steps % steps else plan
            self._pieces = _Pieces(steps, plan, rest.program)
        return self._pieces

    def _run_shared(
        self,
        pieces: _Pieces,
        state: RuleState,
        rule: Rule,
        groups: Groups,
        schedule: Schedule,
        first: int,
        stop: np.ndarray,
    ) -> int:
        """Group after group, its samples shared among threads. Shares follow from the group's size alone, and so do
        bits."""
        alone = rule._replace(l2=0.0)
        programs = pieces.plan.program, pieces.rest
        for g in range(first, groups.starts.size - 1):
            if stop[0]:
                return g
            begin, end = int(groups.starts[g]), int(groups.starts[g + 1])
            cuts = np.linspace(begin, end, self._shares(end - begin) + 1).astype(int)

            def share(number: int, begin: int = begin, cuts: np.ndarray = cuts) -> Flat:
                rows = slice(cuts[number], cuts[number + 1])
                starts = np.array([0, cuts[number + 1] - cuts[number]])
                part = groups._replace(order=groups.order[rows], starts=starts, error=groups.error[rows])
                room = self._room(number, pieces.plan, int(starts[1]))
                mine = RuleState(state.weights, np.zeros_like(state.weights), state.first, state.second)
                own = Schedule(schedule.bptt_steps, schedule.seed, schedule.counts.copy(), int(cuts[number]) - begin)
                run_groups(*programs, mine, alone, part, own, room, 0, False, np.zeros(1, np.uint8))
                return mine.update

            for number in range(cuts.size - 1):
                self._room(number, pieces.plan, int(cuts[number + 1] - cuts[number]))
            for update in in_threads(share, range(cuts.size - 1)):
                state.update[...] += update
            if rule.l2:
                state.update[...] -= rule.l2 * self.decayed * state.weights
            finish_update(state, rule, schedule.counts, self._whole)
            schedule.counts[1] += 1
        return groups.starts.size - 1

    def _shares(self, samples: int) -> int:
        """Into how many shares a group of so many samples is cut: one, where it has rows of its own to update."""
        if self._in_pieces(self.options.steps).plan.program.sparse.size:
            return 1
        work = float(samples) * self.options.steps * self.layout.size
        return max(1, min(4, int(work / _SHARED_FROM), samples // _SHARE_SAMPLES))

    def _room(self, number: int, plan: Plan, samples: int) -> Room:
        while len(self._rooms) <= number:
            gradient, transposed = (aligned_zeros(self.layout.size, self.dtype) for _ in range(2))
            call, stretches = np.zeros(CALL_SIZE, np.int64), np.zeros((0, 2), np.int64)
            self._rooms.append(Room(gradient, transposed, np.empty(0, self.dtype), call, stretches))
        room, program = self._rooms[number], plan.program
        if room.memory.size < plan.size * samples:
            room = room._replace(memory=aligned_zeros(plan.size * samples, self.dtype))
        most = program.dense.shape[0] + program.sparse.shape[0] * program.ends.steps * samples
        if room.stretches.shape[0] < most:
            room = room._replace(stretches=np.zeros((most, 2), np.int64))
        self._rooms[number] = room
        return room

    def _state(self, state: dict[str, Flat], model: RList) -> RuleState:
        remembered = RULES[model.update_rule]
        flats = [state["weights"], state["_update"]]
        flats += [state[suffix] if suffix else _EMPTY for suffix in (remembered.first, remembered.second)]
        return RuleState(*(_as(flat, self.dtype) for flat in flats))

    def _store(self, state: dict[str, Flat], mine: RuleState, model: RList) -> None:
        """Copy back what was computed in single precision."""
        if self.dtype == np.float64:
            return
        remembered = RULES[model.update_rule]
        for suffix, flat in zip(("weights", "_update", remembered.first, remembered.second), mine, strict=True):
            if suffix:
                state[suffix][...] = flat

    def _schedule(self, model: RList, steps: int) -> Schedule:
        counts = np.array([model.updates_done, model.groups_done, 0], dtype=np.int64)
        return Schedule(steps, np.uint64(model.get("dropout_seed", 0)), counts, 0)

    def _rule(self, model: RList) -> Rule:
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
        shown: Shown | None = None,
        absent_as_nan: bool = False,
    ) -> tuple[np.ndarray, float, np.ndarray]:
        """Outputs (n, output steps, output), the summed loss against ``Y`` (0 without), the states afterwards (n,
        width).

        ``prepare`` makes of some samples of X what the network takes, of ``steps`` time steps. ``shown`` says
        what of the memory to return instead of the outputs: its place, steps and width; ``absent_as_nan`` asks for NaN
        in all steps of the outputs that have no entry, those too that lack one in X.
        """
        steps = X.shape[1] if steps is None else steps
        plan = self.prediction_plan(steps)
        size, n, program = plan.size, X.shape[0], plan.program
        if shown:
            fields = dict(zip(("output", "output_steps", "outputs"), shown(plan), strict=True))
            program = program._replace(ends=program.ends._replace(**fields, output_present=-1))
        elif absent_as_nan and plan.output.present is not None:
            program = program._replace(ends=program.ends._replace(output_present=plan.output.present))
        at_once = max(_FEWEST_AT_ONCE, _CACHED_NUMBERS // size)
        rooms = min(n, at_once * thread_count())
        needed = n * program.ends.output_steps * program.ends.outputs * 3.0 + float(size) * rooms
        check_memory(8.0 * needed, f"predicting {n} samples of {steps} time steps")
        out = np.empty((n, program.ends.output_steps, program.ends.outputs), self.dtype)
        targets = np.empty((n, 0, 1), self.dtype) if Y is None else _as(Y, self.dtype)
        after = np.empty((n, 0), self.dtype) if states is None else np.array(states, dtype=self.dtype, order="C")
        weights = _as(weights, self.dtype)
        recording = record is not None and record.shape[1] > 0
        piece = at_once
        if not recording:  # what is recorded lies in the memory of a single pass
            piece *= max(1, _PIECE_NUMBERS // (at_once * max(1, self.layout.size) * steps))

        def forward_of(first: int) -> float:
            rows = slice(first, min(n, first + piece))
            memory = aligned_zeros(size * min(at_once, rows.stop - first), self.dtype)
            call = np.zeros(CALL_SIZE, np.int64)
            inputs = _as(prepare(X[rows]) if prepare else X[rows], np.dtype(np.float64))
            arrays = inputs, targets[rows], after[rows], out[rows]
            loss = predict_rows(program, weights, memory, call, *arrays, at_once)
            if recording:
                _record(plan, memory, record[rows])  # type: ignore[index]
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
        plan = self.prediction_plan(1)
        state = np.zeros((samples, plan.state_width), self.dtype)
        memory, call = np.zeros(plan.size * samples, self.dtype), np.zeros(CALL_SIZE, np.int64)
        room = memory, call, np.empty((samples, 1, self.options.input_dim)), np.arange(samples)
        return partial(step, plan.program, _as(weights, self.dtype), room, scales, state), state

    def prediction_plan(self, steps: int) -> Plan:
        """The plan for prediction on sequences of ``steps`` time steps, which may be others than in training."""
        if steps not in self._plans:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            options = self.options.for_steps(steps)
            ends = {**self._ends(), "steps": steps}
            planner = Planner(options.places, training=False, stateful=True)
            self._plans[steps] = planner.plan(options.layers, options.loss_layer, ends, self.dtype)
        return self._plans[steps]

    def output_lengths(self, X: np.ndarray) -> np.ndarray:
        """How many steps of each sample of X (n, T, input) the network puts out: fewer than it has where sequences end
        early."""
        output = self.prediction_plan(X.shape[1]).output
        if output.present is None:
            return np.full(X.shape[0], output.steps)
        place = output.present, output.steps, 1
        return self.forward(self.layout.zeros(), X, shown=lambda _: place)[0].sum(axis=(1, 2)).astype(int)

    def _ends(self) -> dict[str, Any]:
        """What a planner should know of both ends."""
        options = self.options
        return {
            "width": options.input_dim,
            "padded": options.padded,
            "weighted": self.weighted,
            "size": self.layout.size,
        }

    @property
    def state_width(self) -> int:
        """How many numbers the state of one sample is."""
        return self.prediction_plan(self.options.steps).state_width

    def store_shapes(self, steps: int) -> list[tuple[int, ...]]:
        """The shape of each entry of ``predictr(hidden=True)`` for one sample: per layer and direction, then the
        output."""
        plan = self.prediction_plan(steps)
        shapes: list[tuple[int, ...]] = []
        for row in _recurrent(plan):
            parts = sum(count for _, count in row.layer.recorded())
            name, _ = row.layer.recorded()[0]
            width = row.arrays[name][2]
            steps = min(row.x.steps, row.arrays[name][1])
            shapes.append((steps, width) if parts == 1 else (steps, width, parts))
        return [*shapes, (plan.output.steps, plan.output.width)]


def _recurrent(plan: Plan) -> list[Any]:
    """The rows of recurrent layers."""
    return [row for row in plan.rows if hasattr(row.layer, "recorded")]


def _record(plan: Plan, memory: np.ndarray, record: np.ndarray) -> None:
    """Write every recurrent layer's states over time into ``record`` (n, size): for gru h, z, r, candidate; lstm h, c,
    f, i, c̃, o."""
    n, column = record.shape[0], 0
    for row in _recurrent(plan):
        arrays = []
        for name, parts in row.layer.recorded():
            place, steps, width = row.arrays[name]
            values = memory[place * n : (place + steps * width) * n].reshape(steps, n, width)
            arrays += np.split(
                values[max(0, steps - row.x.steps) :], parts, axis=2
            )  # states begin before the first step
        stacked = np.stack(arrays, axis=-1) if len(arrays) > 1 else arrays[0]
        if row.x.turned:
            stacked = stacked[::-1]
        flat = stacked.swapaxes(0, 1).reshape(n, -1)
        record[:, column : column + flat.shape[1]] = flat
        column += flat.shape[1]


_OPTIONS = tuple(sorted(Shorthand.names() - {"steps", "output_steps", "hidden_dim", "hidden_activation", "padded"}))


def architecture_of(model: RList) -> Any:
    """What the network is made of, from the fields of the model: a ``LayerList`` or a ``Shorthand`` for one."""
    padded = model.get("mask") is not None
    if model.get("layers") is not None:
        return LayerList(
            layers_from(model["layers"]),
            int(model.input_dim),
            int(model.time_dim),
            model.loss,
            float(model.huber_width),
            int(model.get("blank") or 0),
            padded,
            model.dtype,
        )
    fields = {name: model[name] for name in _OPTIONS if name in model}
    return Shorthand(
        **fields,
        hidden_dim=tuple(int(n) for n in model.hidden_dim),
        hidden_activation=model.sigmoid,
        steps=int(model.time_dim),
        output_steps=int(model.output_time_dim),
        padded=padded,
    )


def workspace_of(options: Any) -> int:
    """How many numbers training takes for each sample of a group."""
    shape = options.steps, options.input_dim
    planner = laid_out(options.layers, *shape, padded=options.padded, training=True)
    steps, outputs = planner.output.steps, planner.output.width
    return planner.size + steps * (outputs + 2)  # targets, their weights and losses


def _scales(model: RList) -> bool:
    from pytrainr.loss_functions import loss_L1

    return model.loss_function is loss_L1


def _as(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=dtype)
