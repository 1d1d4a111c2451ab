"""What happens after each epoch: functions that take the model and return it, as R's ``epoch_function``.

Any callable of this kind will do; what it changes in the model, the next epoch uses. A function that only watches
says so with a true attribute ``observer``: where training runs elsewhere it may be called here, on what comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from pytrainr.r_text import message, number_text

__all__ = ["EpochProgress", "epoch_annealing", "epoch_print", "epoch_progress", "is_observer"]

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
    """A progress bar over the epochs, with the mean error and the learning rate, as an epoch function.

        trainr(Y, X, ..., epoch_function=[epoch_progress(), epoch_annealing])

    Raises ``ModuleNotFoundError`` where tqdm is missing; ``pip install 'pytrainr[progress]'`` brings it.
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
        self._bar.set_postfix(
            {"error": f"{_epoch_error(model):.4g}", "learningrate": f"{float(model.learningrate):.4g}"}, refresh=False
        )
        self._bar.update(epoch - self._bar.n)
        if epoch >= int(model.numepochs):
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


def _epoch_error(model: Any) -> float:
    """The mean error of the epoch just trained, summed one by one in long double as R's ``colMeans`` does."""
    errors = np.asarray(model.error)[:, int(model.current_epoch) - 1]
    return float(np.cumsum(errors, dtype=np.longdouble)[-1] / errors.size)


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError:
        raise ModuleNotFoundError("epoch_progress needs the package tqdm: pip install 'pytrainr[progress]'") from None
    return tqdm
