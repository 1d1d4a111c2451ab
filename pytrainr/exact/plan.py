"""From a list of layers to what compiled code runs: a row of numbers for each layer, and places in one workspace.

All arrays of a group are proportional to its number of samples n, so a place in the workspace is kept per sample and
multiplied by n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from pytrainr.exact.activations import number_of
from pytrainr.exact.initial import Weight
from pytrainr.exact.kernels import Driving, Kernels

__all__ = [
    "Ends",
    "LayerDoesNotFit",
    "Path",
    "Plan",
    "Planner",
    "Program",
    "Row",
    "Shown",
    "Stream",
    "laid_out",
    "weights_of",
]

Path = tuple[int | str, ...]
"""Where a layer stands: its place in the list, and inside containers their names for it."""

_ALIGNMENT = 8


@dataclass(frozen=True)
class Stream:
    """A sequence between two layers, (steps, n, width): the places of it, of the gradient by it, of its presence.

    ``gradient`` is None where nothing asks for it, ``present`` where all sequences are whole; ``turned`` says that time
    runs backwards, ``resampled`` that its steps are not those of X, so that X does not say which have an entry.
    """

    steps: int
    width: int
    place: int
    gradient: int | None
    present: int | None
    turned: bool = False
    resampled: bool = False

    def with_presence(self, place: int) -> Stream:
        """The same, with a presence of its own."""
        return replace(self, present=place)


class LayerDoesNotFit(ValueError):  # noqa: N818 - read as a sentence
    """What comes in is nothing for the layer; the message says what it needs. ``LayerList`` names both."""


Part = tuple[str, int, int, tuple[int, ...]]
"""Something of a layer that can be shown: the name of its array, how many entries that has before the first step, the
first of its columns, and their shape. What has no entries, one thing for the whole sequence, is shown as that shape."""


class Planned(Protocol):
    """What the planner asks of a layer; see ``exact/layers/layer.py``."""

    @property
    def kernels(self) -> Kernels | Driving: ...

    def output_shape(self, steps: int, width: int) -> tuple[int, int]: ...

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]: ...

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]: ...

    def numbers(self) -> dict[str, float]: ...

    def shown(self, steps: int) -> dict[str, Part]: ...

    def shown_gates(self) -> dict[str, Part]: ...

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream: ...


class Last(Planned, Protocol):
    """What it asks of a loss; see ``exact/losses/loss.py``."""

    targets: ClassVar[str]

    def canonical_of(self, activation: str | None) -> int: ...


class Row(NamedTuple):
    """One layer as it is laid out: what it reads and gives out, its arrays in the workspace and options by name."""

    layer: Planned
    kernels: Kernels | Driving
    x: Stream
    y: Stream
    options: dict[str, float]
    weights: dict[str, list[int]]
    arrays: dict[str, list[int]]
    goes_back: bool

    def encoded(self, dtype: Any) -> list[int]:
        """Its numbers as compiled code reads them."""
        unknown = {
            *(self.weights.keys() - self.kernels.weights.keys()),
            *(self.arrays.keys() - self.kernels.tape.keys()),
        }
        if unknown:
            raise TypeError(f"{self.kernels.name} has no {sorted(unknown)}")
        return self.kernels.row(self, dtype)


class Ends(NamedTuple):
    """Both ends of a network, as compiled code sees them: places per sample, steps and widths.

    ``present`` is -1 where all sequences are whole, and ``output_present`` unless a layer says which outputs have no
    target. The network puts out ``output_steps``, of ``whole_steps`` where it is trained piece by piece; Y has the last
    of these. ``weight`` is -1 unless each target has one; ``labels`` is 1 where a sample's target is a sequence of
    labels for all steps together, not an entry for each.
    """

    steps: int
    width: int
    input: int
    present: int
    output: int
    output_steps: int
    whole_steps: int
    outputs: int
    target: int
    value: int
    output_present: int
    weight: int
    labels: int


class Program(NamedTuple):
    """A network as compiled code runs it.

    ``rows`` of all layers one after another, each from ``starts`` on, the last that of the loss; ``functions``
    (rows, 2) their addresses, forward and backward, 0 for none; ``states`` (·, 3): the places of what is carried from
    step to step, before the first and after the last, and its width. Of the weights ``dense`` (·, 2) are the stretches
    that every group changes, first entry and size; ``sparse`` (·, 4) the matrices of which it changes the rows that it
    read: first entry and columns, and where in the memory the numbers of these rows are, and how many. ``costs`` are
    the places of what layers add to the loss of each sample.
    """

    rows: np.ndarray
    starts: np.ndarray
    functions: np.ndarray
    states: np.ndarray
    dense: np.ndarray
    sparse: np.ndarray
    costs: np.ndarray
    ends: Ends


class Plan(NamedTuple):
    """A network laid out for some number of steps: its program, the workspace's numbers per sample, its rows."""

    program: Program
    size: int
    rows: list[Row]
    taken: list[int]

    @property
    def output(self) -> Stream:
        """What the network puts out."""
        return self.rows[-1].x

    @property
    def state_width(self) -> int:
        """How many numbers the state of one sample is."""
        return int(self.program.states[:, 2].sum())


Shown = Callable[[Plan], tuple[int, int, int]]
"""What of the memory to return instead of the outputs: its place, steps and width."""


class Planner:
    """Lays out a network: hands out places in the workspace and collects the rows.

    ``places`` of the weights in the flat vector, by path and name; ``training`` lays out what the way back needs too;
    ``in_pieces`` are networks trained piece by piece. ``stateful`` says whether a sequence may go on from a state, or
    be gone on with; recurrent layers have theirs anyway. ``taken`` are the places of a plan whose workspace this one
    shares: the same network for fewer steps. ``size`` is how many numbers per sample have been placed, ``input`` the
    place of what the network reads, ``output`` what it puts out.
    """

    output: Stream

    def __init__(
        self,
        places: Mapping[tuple[Path, str], int] | None,
        *,
        training: bool,
        in_pieces: bool = False,
        stateful: bool = False,
        taken: Sequence[int] | None = None,
    ) -> None:
        self.training, self.in_pieces, self.stateful = training, in_pieces, stateful
        self.rows: list[Row] = []
        self.weights: list[tuple[Path, Planned, Weight]] = []
        self._places, self._again = places, iter(taken) if taken is not None else None
        self._taken: list[int] = []
        self._states: list[tuple[int, int, int]] = []
        self._sparse: list[tuple[int, int, int, int]] = []
        self._sparse_sizes: list[int] = []
        self._costs: list[int] = []
        self.input = -1
        self._taught: Stream | None = None
        self._target = -1
        self.size, self._number = 0, -1

    def take(self, size: int) -> int:
        """A place for so many numbers per sample."""
        if self._again is not None:
            return next(self._again)
        place = self.size
        self.size += -(-size // _ALIGNMENT) * _ALIGNMENT
        self._taken.append(place)
        return place

    def targets(self, y: Stream) -> int:
        """The place of the network's targets, for a layer that is fed them: ``y``, which it puts out, should be what
        the network does."""
        self._taught, self._target = y, self.take(y.steps * y.width)
        return self._target

    def next_number(self) -> int:
        """The number of a layer with dropout: the key of its masks."""
        self._number += 1
        return self._number

    def arrays(self, sizes: Mapping[str, tuple[int, ...]]) -> dict[str, list[int]]:
        """Places and sizes of arrays in the workspace."""
        return {name: [self.take(int(np.prod(size))), *size] for name, size in sizes.items()}

    def stream(
        self,
        steps: int,
        width: int,
        x: Stream,
        *,
        place: int | None = None,
        gradient: int | None = None,
        present: int | None = -1,
        turned: bool | None = None,
    ) -> Stream:
        """What comes out of a layer that reads ``x``: where it lies already, or in a place of its own.

        It has a gradient in training; where it has no weights below it, :meth:`row` takes it away again.
        """
        place = self.take(steps * width) if place is None else place
        if gradient is None and self.training:
            gradient = self.take(steps * width)
        if present == -1:
            present = x.present
        return Stream(steps, width, place, gradient, present, x.turned if turned is None else turned, x.resampled)

    def add_cost(self, place: int) -> None:
        """The place of a number that a layer adds to the loss of each sample."""
        self._costs.append(place)

    def keep_state(self, before: int, after: int, width: int) -> None:
        """What is carried from step to step: its place before the first step and after the last."""
        if width:
            self._states.append((before, after, width))

    def row(
        self,
        layer: Planned,
        x: Stream,
        path: Path,
        *,
        y: Stream | None = None,
        arrays: Mapping[str, list[int]] | None = None,
        options: Mapping[str, float] | None = None,
    ) -> Stream:
        """Add a layer's row; ``arrays`` and ``options`` are those the layer has placed and set itself."""
        y = self.stream(*layer.output_shape(x.steps, x.width), x) if y is None else y
        placed = dict(arrays) if arrays is not None else self.arrays(layer.memory(x.steps, x.width))
        names = layer.kernels.tape
        for name, stream in (("x", x), ("y", y)):
            if name in names:
                placed[name] = [stream.place, stream.steps, stream.width]
            if f"d_{name}" in names and stream.gradient is not None:
                placed[f"d_{name}"] = [stream.gradient, stream.steps, stream.width]
        for name, stream in (("present", x), ("y_present", y)):
            if name in names and stream.present is not None:
                placed[name] = [stream.present, stream.steps]
        weights = {}
        for weight in layer.weights(x.steps, x.width):
            self.weights.append((path, layer, weight))
            place = self._places[path, weight.name] if self._places is not None else 0
            weights[weight.name] = [place, *weight.shape]
            if weight.sparse:
                self._sparse.append((place, weight.shape[1], placed["touched"][0], placed["number"][0]))
                self._sparse_sizes.append(int(np.prod(weight.shape)))
        y = self._add(layer, x, y, {**layer.numbers(), **(options or {})}, weights, placed, x.gradient is not None)
        return y

    def row_of_two(self, layer: Planned, a: Stream, b: Stream, y: Stream, path: Path) -> Stream:
        """Add the row of a layer that reads ``a`` and ``b``, or that both read from ``y``."""
        arrays = {}
        for name, stream in (("a", a), ("b", b), ("y", y)):
            arrays[name] = [stream.place, stream.steps, stream.width]
            if stream.gradient is not None:
                arrays[f"d_{name}"] = [stream.gradient, stream.steps, stream.width]
        return self._add(layer, a, y, {}, {}, arrays, a.gradient is not None or b.gradient is not None)

    def _add(
        self,
        layer: Planned,
        x: Stream,
        y: Stream,
        options: dict[str, float],
        weights: dict[str, list[int]],
        arrays: dict[str, list[int]],
        asked: bool,
    ) -> Stream:
        goes_back = self.training and (asked or bool(weights))
        if not goes_back:
            y = replace(y, gradient=None)
        self.rows.append(Row(layer, layer.kernels, x, y, options, weights, arrays, goes_back))
        return y

    def lay(self, layers: Sequence[Planned], steps: int, width: int, padded: bool) -> tuple[Stream, Stream]:
        """Lay out a list of layers; what goes in and what comes out."""
        self.input = self.take(steps * width)
        first = stream = Stream(steps, width, self.input, None, self.take(steps) if padded else None)
        for number, layer in enumerate(layers):
            stream = layer.lay(self, stream, (number,))
        if self._taught and self._taught.place != stream.place:
            raise LayerDoesNotFit("a layer below is fed the targets (feed='teacher'), so it should be the last")
        self.output = stream
        return first, stream

    def plan(self, layers: Sequence[Planned], loss: Last, ends: Mapping[str, Any], dtype: Any) -> Plan:
        """The plan of a list of layers.

        ``ends``: ``steps`` and ``width`` of the input, whether it is ``padded``, whether its targets are ``weighted``,
        the ``size`` of all weights, and where it is trained in pieces ``whole_steps`` of all of them.
        """
        steps, width = ends["steps"], ends["width"]
        first, y = self.lay(layers, steps, width, ends["padded"])
        present, size = first.present, y.steps * y.width
        labels = loss.targets == "labels"
        if self._taught and labels:
            raise LayerDoesNotFit("a decoder with feed='teacher' needs a target for each step, the loss has labels")
        target = self._target if self._taught else self.take(y.steps if labels else size)
        value = self.take(1)
        weight = self.take(y.steps) if ends["weighted"] else None
        self._finish(loss, y, target, value, weight)
        program = Program(
            *_encoded(self.rows, dtype),
            np.array(self._states, np.int64).reshape(-1, 3),
            self._dense(ends["size"]),
            np.array(self._sparse, np.int64).reshape(-1, 4),
            np.array(self._costs, np.int64),
            Ends(
                steps=steps,
                width=width,
                input=first.place,
                present=-1 if present is None else present,
                output=y.place,
                output_steps=y.steps,
                whole_steps=ends.get("whole_steps") or y.steps,
                outputs=y.width,
                target=target,
                value=value,
                # NaN in X says so of X; what Y lacks is NaN there
                output_present=-1 if y.present is None or (ends["padded"] and not y.resampled) else y.present,
                weight=-1 if weight is None else weight,
                labels=int(labels),
            ),
        )
        return Plan(program, self.size, self.rows, self._taken)

    def _dense(self, size: int) -> np.ndarray:
        """The stretches of ``size`` weights between those of sparse matrices."""
        begin, stretches = 0, []
        for (first, *_), rows in sorted(zip(self._sparse, self._sparse_sizes, strict=True)):
            stretches.append((begin, first - begin))
            begin = first + rows
        stretches.append((begin, size - begin))
        return np.array([stretch for stretch in stretches if stretch[1] > 0], np.int64).reshape(-1, 2)

    def _finish(self, loss: Last, y: Stream, target: int, value: int, weight: int | None) -> None:
        """The loss's row. Where the last layer's activation cancels against the loss, the loss goes back past it."""
        canonical = 0
        for last in self.rows[-1:]:
            if "slope" in last.options:
                canonical = loss.canonical_of(last.layer.activation)  # type: ignore[attr-defined]
            if canonical:
                last.options["slope"] = number_of(None)
        width = 1 if loss.targets == "labels" else y.width
        arrays = {"y": [y.place, y.steps, y.width], "target": [target, y.steps, width], "value": [value, 1]}
        if y.present is not None and "present" in loss.kernels.tape:
            arrays["present"] = [y.present, y.steps]
        if y.gradient is not None:
            arrays["d_y"] = [y.gradient, y.steps, y.width]
        if weight is not None:
            arrays["weight"] = [weight, y.steps]
        options = {**loss.numbers(), "canonical": canonical}
        self.rows.append(Row(loss, loss.kernels, y, y, options, {}, arrays, self.training))


def _encoded(rows: Sequence[Row], dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    encoded: list[int] = []
    starts, functions = [], []
    for row in rows:
        row.kernels.announce(dtype, row.goes_back)
    for row in rows:
        starts.append(len(encoded))
        functions.append(row.kernels.addresses(dtype, row.goes_back))
        encoded += row.encoded(dtype)
    return np.array(encoded, np.int64), np.array(starts, np.int64), np.array(functions, np.int64).reshape(-1, 2)


def weights_of(layers: Sequence[Planned], steps: int, width: int) -> Iterator[tuple[Path, Planned, Weight]]:
    """All weights of a list of layers, in order."""
    yield from laid_out(layers, steps, width).weights


def laid_out(
    layers: Sequence[Planned], steps: int, width: int, *, padded: bool = False, training: bool = False
) -> Planner:
    """A list of layers laid out without its weights' places: to see its rows."""
    planner = Planner(None, training=training)
    planner.lay(layers, steps, width, padded)
    return planner
