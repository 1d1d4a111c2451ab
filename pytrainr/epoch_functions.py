"""What happens after each epoch: functions that take the model and return it, as R's ``epoch_function``.

Any callable of this kind will do; what it changes in the model, the next epoch uses. A function that only watches
says so with a true attribute ``observer``: where training runs elsewhere it may be called here, on what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np

from pytrainr.r_text import message, number_text

__all__ = ["EpochProgress", "curves", "epoch_annealing", "epoch_print", "epoch_progress", "is_observer", "measured"]

AnyModel = TypeVar("AnyModel", bound=Any)


def epoch_print(model: AnyModel) -> AnyModel:
    """Write R's two messages, the epoch with its learning rate and the mean error, to the standard error stream."""
    message(f"Trained epoch: {int(model.current_epoch)} - Learning rate: {number_text(float(model.learningrate))}")
    message(f"Epoch error: {number_text(_epoch_error(model))}")
    return model


epoch_print.observer = True  # type: ignore[attr-defined]


def epoch_annealing(model: AnyModel) -> AnyModel:
    """``learningrate = learningrate × learningrate_decay``."""
    model.learningrate = model.learningrate * model.learningrate_decay
    return model


def epoch_progress(description: str = "training") -> EpochProgress:
    """A progress bar over the epochs, in a terminal or a notebook, as an epoch function.

        trainr(Y, X, ..., epoch_function=[epoch_progress(), epoch_annealing])

    It shows the epoch, how long it took and how long the others will, the mean error, what else is measured after each
    epoch (the validation loss, metrics) and the learning rate. Raises ``ModuleNotFoundError`` where tqdm is missing;
    ``pip install 'pytrainr[progress]'`` brings it.
    """
    _tqdm()
    return EpochProgress(description)


class EpochProgress:
    """The bar :func:`epoch_progress` makes; it opens at the first epoch and closes at the last."""

    __name__ = "epoch_progress"
    observer = True

    def __init__(self, description: str = "training") -> None:
        self.description = description
        self._bar: Any = None

    def __call__(self, model: AnyModel) -> AnyModel:
        epoch = int(model.current_epoch)
        if self._bar is None or epoch <= self._bar.n:  # an earlier epoch: another training has begun
            self.close()
            self._bar = _tqdm()(total=int(model.numepochs), desc=self.description, unit="epoch")
        shown = {**measured(model), "learningrate": float(model.learningrate)}
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in shown.items()}, refresh=False)
        self._bar.update(epoch - self._bar.n)
        if epoch >= int(model.numepochs) or model.get("stop_training"):
            self.close()
        return model

    def close(self) -> None:
        """Leave the bar as it stands, for a training that was stopped."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __getstate__(self) -> dict[str, Any]:
        return {"description": self.description, "_bar": None}  # an open bar belongs to its process


def is_observer(function: Callable[..., Any]) -> bool:
    """Whether ``function`` only watches the training, so that leaving it out would change nothing."""
    return bool(getattr(function, "observer", False))


_MEASURED = ("validation_loss", "held_out_error")
_OF_DATA = ("training_", "validation_")


def curves(model: Any) -> dict[str, np.ndarray]:
    """What a model keeps of each epoch, by its field, (epochs,): the mean ``error``, the validation loss, metrics."""
    return {"error": model.mean_error, **{name: np.asarray(values, np.float64) for name, values in _of_epochs(model)}}


def measured(model: Any) -> dict[str, float]:
    """The numbers of the epoch just trained, by their fields: the mean ``error``, the validation loss, metrics."""
    epoch = int(model.current_epoch) - 1
    later = {name: float(values[epoch]) for name, values in _of_epochs(model) if np.size(values) > epoch}
    return {"error": _epoch_error(model), **later}


def _of_epochs(model: Any) -> Iterator[tuple[str, Any]]:
    """The fields with a number for each epoch, but for the errors."""
    for name, values in model.items():
        if (name in _MEASURED or name.startswith(_OF_DATA)) and np.ndim(values) == 1:
            yield name, values


def _epoch_error(model: Any) -> float:
    """The mean error of the epoch just trained, summed one by one in long double as R's ``colMeans`` does."""
    errors = np.asarray(model.error)[:, int(model.current_epoch) - 1]
    return float(np.cumsum(errors, dtype=np.longdouble)[-1] / errors.size)


def _tqdm() -> Any:
    """tqdm as fits where this runs: in a notebook without ipywidgets it is a line of text there too."""
    try:
        module = import_module("tqdm.auto" if find_spec("ipywidgets") else "tqdm")
    except ModuleNotFoundError:
        raise ModuleNotFoundError("epoch_progress needs the package tqdm: pip install 'pytrainr[progress]'") from None
    return module.tqdm
