"""``model.stepper()``: a network that takes one time step per call and remembers where it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytrainr import arguments
from pytrainr.argument_errors import wrong_type, wrong_value
from pytrainr.memory import check_memory
from pytrainr.network import Network, network_of
from pytrainr.r_list import RList

__all__ = ["Stepper", "check_steps"]

_FLOAT = np.dtype(np.float64)


class Stepper:
    """A prepared network: each call is the next time step of the same sequence.

    ``stepper(x)`` returns to the bit what ``predictr`` gives for the sequence so far, predicted alone, at its last
    step. A model that keeps its normalisation takes and returns raw numbers. One stepper belongs to one thread.

    Parameters
    ----------
    model
        What ``trainr`` returned. The stepper takes its weights as they are now; later changes do not reach it.
    samples
        How many sequences are stepped at once, each as if alone.

    Raises
    ------
    NotEnoughMemoryError
        Where so many samples need more memory than there is.
    ValueError
        For a network that needs the whole sequence: ``bidirectional``, ``attention``, ``pyramid``, and with
        ``exact=True`` ``seq_to_seq_unsync`` and one-to-many.
    """

    def __init__(self, model: RList, samples: int = 1) -> None:
        n = arguments.positive_integer(samples, "samples")
        model = RList(dict(model.items()))  # whose options are put in the form that compiled code takes
        network = network_of(model)
        check_steps(model)
        _check_memory(network, model, n)
        weights = network.layout.zeros()
        network.layout.collect(model.copy(), weights)
        self._inputs, self._outputs = int(model.input_dim), int(model.output_dim)
        self._x = np.empty((n, self._inputs))
        self._alone = n == 1
        self._shape = (self._inputs,) if self._alone else self._x.shape
        self._row = self._x[0] if self._alone else self._x
        self._y_shape = n, self._outputs
        self._scales = scales = _scale(model, "input", self._inputs), _scale(model, "output", self._outputs)
        self._step, self._state = network.stepper(weights, n, scales)
        self._tokens = network.options.tokens if model.exact else None  # type: ignore[attr-defined]

    def __call__(self, x: ArrayLike, out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """The output of the next time step.

        Parameters
        ----------
        x
            (inputs,), or a number for a single input; with several samples (samples, inputs).
        out
            An array for the result, otherwise a new one.

        Returns
        -------
        array
            (outputs,); with several samples (samples, outputs).

        Raises
        ------
        TypeError, ValueError
            For an ``x`` of another shape, or with anything but finite numbers in it; the state is then as before. A
            model trained with a mask takes NaN for "no entry": its state stays, the output is NaN.
        """
        values = x if type(x) is np.ndarray else np.asarray(arguments.unmasked(x))
        if values.shape != self._shape or values.dtype is not _FLOAT:
            values = self._checked(values)
        if self._tokens is not None:
            self._check_tokens(values)
        self._row[...] = values
        y = np.empty(self._y_shape)
        if not self._step(self._x, y):
            raise wrong_value("x", "{place} should hold finite numbers only, it is {value}", value=np.asarray(x))
        result = y[0] if self._alone else y
        if out is None:
            return result
        if not isinstance(out, np.ndarray) or out.shape != result.shape:
            needed = result.shape
            raise wrong_value(
                "out", "{place} should be an array of the shape {needed}, it is {value}", needed=needed, value=out
            )
        out[...] = result
        return out

    @property
    def state(self) -> np.ndarray:
        """A copy of the state after the last step, (samples, width): each layer's hidden and, for lstm, cell state.

        Set it to go on from there, also from what an exact network's ``predictr(return_state=True)`` returned.
        """
        return self._state.copy()

    @state.setter
    def state(self, state: ArrayLike) -> None:
        given = np.asarray(state)
        if given.shape != self._state.shape or given.dtype.kind not in "fiu":
            raise ValueError(
                f"state should be numbers of the shape {self._state.shape} (samples, width), as another stepper's "
                f"state is; it is {given.dtype} of the shape {given.shape}"
            )
        self._state[...] = given

    def reset(self) -> None:
        """Forget all steps: the next one is the first of a sequence."""
        self._state[...] = 0.0

    def _check_tokens(self, values: np.ndarray) -> None:
        from pytrainr.exact.entries import check_tokens

        rows = np.asarray(values, np.float64).reshape(self._x.shape)
        if self._scales[0].size:
            rows = (rows - self._scales[0][0]) / self._scales[0][1]
        check_tokens(rows[:, np.newaxis], self._tokens, "x")

    def _checked(self, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind not in "fiub":
            raise wrong_type(
                "x", "{place} should hold numbers, it is {value}", value=values if values.ndim else values.item()
            )
        if values.ndim == 0 and self._shape == (1,):
            return values
        if values.shape != self._shape:
            what = "(inputs,)" if self._alone else "(samples, inputs)"
            raise wrong_value(
                "x",
                f"{{place}} should be one time step of the shape {{needed}} {what}, its shape is {{shape}}",
                needed=self._shape,
                shape=values.shape,
            )
        return values


def check_steps(model: RList) -> None:
    """Raise ``ValueError`` where the network cannot go step by step."""
    if not model.exact:
        return
    for name in ("bidirectional", "attention", "seq_to_seq_unsync"):
        if model.get(name):
            raise ValueError(f"a network with {name}=True needs the whole sequence, it has no stepper; use predictr")
    if model.get("pyramid", 1) > 1:
        raise ValueError("a pyramid joins time steps, it has no stepper; use predictr")
    from pytrainr.exact.layers.layer import needs_whole
    from pytrainr.exact.network import architecture_of

    if ahead := needs_whole(architecture_of(model).layers):
        raise ValueError(f"{ahead} needs the whole sequence, it has no stepper; use predictr")
    if model.time_dim > 1 and model.get("one_to_many", False):
        raise ValueError("a network trained one-to-many (X of one step) has no stepper; use predictr")


def _scale(model: RList, side: str, variables: int) -> np.ndarray:
    """Center and scale (2, variables) of the model's normalisation, no rows without."""
    if f"{side}_center" not in model:
        return np.empty((0, variables))
    scale = np.empty((2, variables))
    scale[0], scale[1] = model[f"{side}_center"], model[f"{side}_scale"]
    return scale


def _check_memory(network: Network, model: RList, samples: int) -> None:
    """Refuse what does not fit, before anything is allocated: the weights, and for each sample the state and a step's
    values."""
    if model.exact:
        plan = network.prediction_plan(1)  # type: ignore[attr-defined]
        kept = plan.state_width + plan.size
    else:
        kept = 2 * sum(model.hidden_dim)  # an lstm's states and cells
    numbers = network.layout.size + samples * (2.0 * model.input_dim + model.output_dim + kept)
    check_memory(8.0 * numbers, f"a stepper of {samples} samples")
