"""R's list: fields with names, in R's order. ``Model`` is one; everything below it needs no more of a model."""

from __future__ import annotations

import contextlib
from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence
from copy import copy
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["R_ORDER", "TRAINING_SIZED", "RList"]

TRAINING_SIZED = ("store", "store_best", "last_layer_error", "last_layer_delta")
"""Fields as large as the training data: there only when asked for (``keep_store=True``)."""

R_ORDER = (
    *("input_dim", "hidden_dim", "output_dim", "synapse_dim", "time_dim", "sigmoid", "network_type", "numepochs"),
    *("batch_size", "learningrate", "learningrate_decay", "momentum", "update_rule", "use_bias", "seq_to_seq_unsync"),
    *("epoch_function", "loss_function", "last_layer_error", "last_layer_delta", "time_dim_input", "store"),
    *("time_synapse", "recurrent_synapse", "bias_synapse"),
    *("time_synapse_update", "bias_synapse_update", "recurrent_synapse_update", "error", "current_epoch"),
    *("recurrent_synapse_update_old", "time_synapse_update_old", "store_best"),
)
"""The fields of R's list, in R's order; what else a model has (R's ``...``) comes before them."""


class RList:
    """The fields of a model, attributes and items alike: ``model.error``, ``model["error"]``."""

    _fields: dict[str, Any]
    kept_network: Any = None
    """No field: what :func:`pytrainr.network.kept_network` keeps for the next prediction, until a field is set."""

    def __init__(self, fields: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        object.__setattr__(self, "_fields", {**(fields or {}), **more})

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """A list of the given fields, in their order."""
        return cls(fields)

    # names and values -------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_fields")[name]
        except KeyError:
            if name in TRAINING_SIZED:
                raise AttributeError(
                    f"this model has no {name!r}: it is as large as the training data and kept only by "
                    "trainr(..., keep_store=True)"
                ) from None
            raise AttributeError(f"this model has no field {name!r}; model.keys() lists what it has") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self._fields:
            raise AttributeError(f"this model has no field {name!r}; model.keys() lists what it has")
        del self._fields[name]
        self.keep_network(None)

    def __getitem__(self, name: str) -> Any:
        try:
            return self._fields[name]
        except KeyError:
            raise KeyError(f"this model has no field {name!r}; model.keys() lists what it has") from None

    def __setitem__(self, name: str, value: Any) -> None:
        self._fields[name] = value
        self.keep_network(None)

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._fields})

    def keys(self) -> KeysView[str]:
        """The names of the fields, in R's order."""
        return self._fields.keys()

    def items(self) -> ItemsView[str, Any]:
        """Names and values, in R's order."""
        return self._fields.items()

    def sort(self) -> None:
        """Put the fields in R's order: further arguments first, as they were given, then R's own."""
        place = {name: k for k, name in enumerate(R_ORDER)}
        ordered = sorted(self._fields.items(), key=lambda item: place.get(item[0], -1))
        self._fields.clear()
        self._fields.update(ordered)

    def get(self, name: str, default: Any = None) -> Any:
        """The field ``name``, or ``default`` where the model has none."""
        return self._fields.get(name, default)

    def get_all(self, names: Sequence[str], default: Any = None) -> list[Any]:
        """The fields ``names``, with ``default`` for each that the model has not."""
        return [*map(self._fields.get, names, repeat(default))]

    def pop(self, name: str) -> Any:
        """The field ``name``, which the model has no more; None where it had none."""
        self.keep_network(None)
        return self._fields.pop(name, None)

    def keep_network(self, kept: Any) -> None:
        """Set ``kept_network``; in the ordinary way that would be a field."""
        object.__setattr__(self, "kept_network", kept)

    @property
    def exact(self) -> bool:
        """Whether the model was trained with true gradients (``exact=True``) rather than in R's arithmetic."""
        return bool(self._fields.get("exact", False))

    @property
    def mean_error(self) -> np.ndarray:
        """The mean error of each epoch so far, shape (epochs,): R's attribute ``error``."""
        from pytrainr.numerics.long_double import column_means

        error = np.asarray(self.error, dtype=np.float64)
        if error.ndim != 2:
            raise ValueError(f"model.error should be (samples, epochs), it has the shape {error.shape}")
        error = np.asfortranarray(error[:, : int(self.get("current_epoch", error.shape[1]))])
        means = np.empty(error.shape[1])
        column_means(means, error)
        return means

    # copies, comparison ----------------------------------------------------------------------------------

    def copy(self) -> Self:
        """A model that shares no array with this one."""
        return type(self)({name: _copied(value) for name, value in self._fields.items()})

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RList):
            return NotImplemented
        return self._fields.keys() == other._fields.keys() and all(
            _equal(value, other._fields[name]) for name, value in self._fields.items()
        )

    __hash__ = None  # type: ignore[assignment]  # it changes in training

    def __getstate__(self) -> dict[str, Any]:
        return {name: _copied(value) for name, value in self._fields.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        object.__setattr__(self, "_fields", dict(state))

    def __repr__(self) -> str:
        dims = "-".join(str(n) for n in np.atleast_1d(np.asarray(self.get("synapse_dim", ()), dtype=object)))
        text = f"<Model {self.get('network_type', '?')} {dims}, {self.get('time_dim', '?')} time steps"
        epochs = self.get("current_epoch", 0)
        with contextlib.suppress(ValueError, TypeError, IndexError):  # of what a caller has put there
            if epochs and np.size(self.get("error", ())):
                text += f", {epochs} epoch{'s' * (epochs > 1)}, mean error {self.mean_error[-1]:.6g}"
        return text + (", exact" if self.get("exact", False) is True else "") + ">"


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if isinstance(value, list):
        return [_copied(item) for item in value]
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(_copied(item) for item in value)
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return copy(value) if getattr(value, "kept_with_model", False) else value


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
            return False
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(value, b[name]) for name, value in a.items())
    return bool(a is b or a == b)
