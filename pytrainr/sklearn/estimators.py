"""``RNNRegressor`` and ``RNNClassifier``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_consistent_length, column_or_1d, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from pytrainr.sklearn.network import Network

__all__ = ["RNNClassifier", "RNNRegressor"]


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class RNNRegressor(RegressorMixin, Network):
    """A recurrent network that answers a sequence with numbers.

    X is (samples, columns), see ``variables``, or (samples, steps, variables). y is (samples,), (samples, outputs), or
    (samples, steps, outputs) for an answer at every step; predictions are shaped as y.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> RNNRegressor:
        """Train; ``sample_weight`` (samples,) multiplies the loss of each."""
        sequences = self._sequences(X, reset=True)
        targets = check_array(
            _given(self, y), ensure_2d=False, allow_nd=True, dtype=np.float64, input_name="y", estimator=self
        )
        check_consistent_length(sequences, targets)
        weight = _weights(sample_weight, sequences)
        self.y_dimensions_ = targets.ndim
        Y = targets if targets.ndim == 3 else targets.reshape(len(targets), 1, -1)
        self._train(sequences, Y, weight, {"output": "linear"}, True, self._hold_out)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The answers, shaped as the y of ``fit``."""
        output = self._output(X)
        if self.y_dimensions_ == 3:
            return output
        return output[:, 0, 0] if self.y_dimensions_ == 1 else output[:, 0]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R², where every step of every sequence counts alike."""
        actual, predicted = np.asarray(y), self.predict(X)
        if actual.ndim == 3:
            if sample_weight is not None:
                sample_weight = np.repeat(np.asarray(sample_weight), actual.shape[1])
            actual, predicted = (each.reshape(-1, each.shape[2]) for each in (actual, predicted))
        return float(r2_score(actual, predicted, sample_weight=sample_weight))

    def _hold_out(self, samples: int, seed: int) -> np.ndarray:
        return _held_out(samples, self.validation_fraction, seed)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class RNNClassifier(ClassifierMixin, Network):
    """A recurrent network that says which class a sequence is of.

    X is (samples, columns), see ``variables``, or (samples, steps, variables); y (samples,) of numbers or strings. Two
    classes are one logistic output, more are a softmax, in R's arithmetic one logistic output each.

    Parameters
    ----------
    class_weight
        A dict from class to weight, or "balanced": multiplies the weights of its samples.

    Attributes
    ----------
    classes_
        The classes, in the order of the columns of ``predict_proba``.
    """

    class_weight: Mapping[Any, float] | str | None = None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> RNNClassifier:
        """Train; ``sample_weight`` (samples,) multiplies the loss of each."""
        sequences = self._sequences(X, reset=True)
        labels = column_or_1d(_given(self, y), warn=True)
        check_consistent_length(sequences, labels)
        check_classification_targets(labels)
        weight = _weights(sample_weight, sequences)
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes; y has one class: {classes[0]!r}"
            )
        if self.warm_start and hasattr(self, "model_") and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"y should have the classes of the first fit with warm_start, {self.classes_}, not {classes}"
            )
        self.classes_: np.ndarray = classes
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, labels)
            weight = by_class if weight is None else weight * by_class
        two = len(classes) == 2
        Y = (codes[:, np.newaxis] == ([1] if two else np.arange(len(classes)))).astype(np.float64)[:, np.newaxis]
        kinds = ("logistic", "binary_crossentropy") if two else ("softmax", "categorical_crossentropy")
        self._codes = codes if weight is None else codes[weight > 0]
        self._train(sequences, Y, weight, dict(zip(("output", "loss"), kinds, strict=True)), False, self._hold_out)
        del self._codes
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """(samples, classes), which sum to 1."""
        output = self._output(X)[:, 0]
        if output.shape[1] == 1:
            return np.concatenate([1.0 - output, output], axis=1)
        total = output.sum(axis=1, keepdims=True)
        return np.where(total > 0, output / np.where(total > 0, total, 1.0), 1.0 / output.shape[1])

    def predict(self, X: Any) -> np.ndarray:
        """(samples,), the likeliest class of each."""
        check_is_fitted(self, "model_")
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _hold_out(self, samples: int, seed: int) -> np.ndarray:
        """A share of each class, where every class has two samples or more."""
        codes = self._codes
        stratify = codes if len(codes) == samples and np.bincount(codes).min() >= 2 else None
        return _held_out(samples, self.validation_fraction, seed, stratify)


def _given(estimator: Any, y: Any) -> Any:
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    return y


def _weights(sample_weight: Any, sequences: np.ndarray) -> np.ndarray | None:
    if sample_weight is None:
        return None
    return _check_sample_weight(sample_weight, sequences, dtype=np.float64, ensure_non_negative=True)


def _held_out(samples: int, share: float, seed: int, stratify: np.ndarray | None = None) -> np.ndarray:
    _, held = train_test_split(np.arange(samples), test_size=share, random_state=seed, stratify=stratify)
    return np.isin(np.arange(samples), held)
