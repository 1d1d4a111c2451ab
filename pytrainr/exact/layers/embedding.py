"""The embedding: a row of a matrix for each token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytrainr.exact.arrays import Matrix, Presence, Rows, Steps, flattened
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, LayerDoesNotFit, Weight, check_range
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Embedding", "row_of"]


class Options(NamedTuple):
    mask_zero: int


class Weights(NamedTuple):
    embeddings: Matrix


class Tape(NamedTuple):
    """``x`` (steps, n, 1) are the tokens; ``touched``[:``number``] those among them, each once."""

    x: Steps
    y: Steps
    d_y: Steps
    y_present: Presence
    touched: Steps
    number: Rows


@fast_part
def row_of(token, rows):
    """The row of a token. It has been checked; no other number reads beyond the matrix."""
    return int(min(max(token, 0.0), rows - 1.0)) if token == token else 0


@fast_part
def forward(layer, weights, tape):
    """y_t = E[x_t]; with ``mask_zero`` token 0 is no entry."""
    rows = weights.embeddings.shape[0]
    for t in range(tape.y.shape[0]):
        for s in range(tape.y.shape[1]):
            row = row_of(tape.x[t, s, 0], rows)
            copy(tape.y[t, s], weights.embeddings[row])
            if layer.mask_zero != 0:
                tape.y_present[t, s] = 1.0 if row > 0 else 0.0


@fast_part
def backward(weights, transposed, gradient, tape):
    """dE[k] = Σ dy_t over the steps with x_t = k, for the rows that were read; the others are left as they are.

    Which rows have been seen is noted in the room for Eᵀ.
    """
    rows, tokens, d_y = weights.embeddings.shape[0], flattened(tape.x), flattened(tape.d_y)
    touched, seen, count = flattened(tape.touched), transposed.embeddings[0], 0
    for k in range(tokens.shape[0]):
        seen[row_of(tokens[k, 0], rows)] = 0.0
    for k in range(tokens.shape[0]):
        row = row_of(tokens[k, 0], rows)
        if seen[row] == 0.0:
            seen[row] = 1.0
            fill(gradient.embeddings[row], 0.0)
            touched[count, 0] = row
            count += 1
        add(gradient.embeddings[row], d_y[k])
    tape.number[0, 0] = count


@dataclass(frozen=True)
class Embedding(Layer):
    """y_t = E[x_t], E (``input_dim``, ``output_dim``): X is (samples, steps) of tokens, whole numbers from 0 to
    ``input_dim`` − 1. With ``mask_zero`` token 0 pads sequences of different length: it is no entry, and no target
    belongs to it.

    Only the rows that a group reads have a gradient and are updated.
    """

    input_dim: int
    output_dim: int
    mask_zero: bool = False

    kernels = Kernels("Embedding", forward, backward, options=Options, weights=Weights, tape=Tape)

    def check(self) -> None:
        right = 1 <= self.input_dim <= 2**24  # whole numbers that float32 has
        check_range(self, "input_dim", right, f"is the number of tokens, from 1 to {2**24}")
        check_range(self, "output_dim", self.output_dim >= 1, "should be 1 or more")

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        if width != 1:
            raise LayerDoesNotFit("it needs one variable, the number of a token")
        return steps, self.output_dim

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        return (Weight("embeddings", (self.input_dim, self.output_dim), "uniform", sparse=True),)

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]:
        return {"touched": (steps, 1), "number": (1,)}

    def numbers(self) -> dict[str, float]:
        return {"mask_zero": self.mask_zero}

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        if x.place != plan.input:
            raise LayerDoesNotFit("it reads tokens, so it should be the first")
        if not self.mask_zero:
            return plan.row(self, x, path)
        if x.present is not None:
            raise LayerDoesNotFit("mask_zero=True says which steps have an entry, and so does mask: give one of them")
        y = plan.stream(x.steps, self.output_dim, x, present=plan.take(x.steps))
        return plan.row(self, x, path, y=y)
