"""What the estimators have in common: their parameters, sequences from X, one call of ``trainr``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from pytrainr.epoch_functions import epoch_annealing
from pytrainr.model import Model
from pytrainr.prediction import predictr
from pytrainr.r_random import RRandom
from pytrainr.r_text import without_messages
from pytrainr.schedules import EarlyStopping
from pytrainr.series.normalisation import MODEL_FIELDS
from pytrainr.sklearn.weighting import Scale, range_scale, repetitions, unit_scale
from pytrainr.training import Training
from pytrainr.watching import epoch_held_out

__all__ = ["Network"]

_SEEDS = 2**31 - 1


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class Network(BaseEstimator):
    """A network that ``fit`` trains; the subclasses say what its output is.

    Parameters
    ----------
    network_type, hidden_dim
        ``"rnn"``, ``"gru"``, ``"lstm"`` and its units, a number or one for each layer. None: "gru", in R's arithmetic
        "rnn", which alone follows the gradient there.
    layers
        Layers of ``pytrainr.layers`` instead; the output layer is added.
    exact
        True gradients; False: R's arithmetic.
    learningrate, update_rule
        None: 0.01 with "adam", in R's arithmetic 0.1 with "sgd".
    numepochs, batch_size
        How often all samples are gone through; samples per update, on average.
    variables
        What a 2-D X is. None: one step, its columns are variables. A number: its columns are steps of so many
        variables each; 1 for one variable over time.
    normalise
        Scale X and y by the samples trained on. The scales are kept in ``model_``, which takes and gives raw numbers.
    early_stopping, validation_fraction, patience
        Hold out a share of the samples, stop after ``patience`` epochs without a smaller loss there, and keep the best
        weights.
    warm_start
        ``fit`` goes on with the weights of the last ``fit``.
    random_state
        Seed of the initial weights, the groups and the samples held out.
    epoch_function
        Functions called after each epoch, as ``trainr`` takes them.
    options
        Further arguments of ``trainr``: ``{"recurrent_dropout": 0.2, "clip_norm": 1.0}``.

    Attributes
    ----------
    model_ : Model
        The network, with everything that a model can do (``save``, ``to_c``, ``to_onnx``, …).
    n_iter_ : int
        Epochs done in the last ``fit``.
    loss_curve_ : (epochs,)
        Mean error of each; with early stopping ``validation_loss_`` as well.
    n_features_in_ : int
        Columns of a 2-D X; variables of a 3-D one.
    """

    network_type: str | None = None
    hidden_dim: int | Sequence[int] = 16
    layers: Sequence[Any] | None = None
    exact: bool = True
    learningrate: float | None = None
    update_rule: str | None = None
    numepochs: int = 200
    batch_size: float = 32
    variables: int | None = None
    normalise: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    patience: int = 10
    warm_start: bool = False
    random_state: Any = None
    epoch_function: Callable | Sequence[Callable] = (epoch_annealing,)
    options: Mapping[str, Any] | None = None

    # X and what comes out ---------------------------------------------------------------------------------------------

    def _sequences(self, X: Any, *, reset: bool = False) -> np.ndarray:
        """X as (samples, steps, variables), checked; ``reset``: it is the X of ``fit``."""
        dimensions = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
        if not reset and dimensions != self.X_dimensions_ and {dimensions, self.X_dimensions_} == {2, 3}:
            raise ValueError(
                f"X should have {self.X_dimensions_} dimensions as in fit, it has {dimensions}: 2-D is "
                "(samples, columns), 3-D is (samples, steps, variables)."
            )
        finite: Any = "allow-nan" if self._option("mask") is not None else True
        how: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": finite}
        if dimensions != 3:
            table = validate_data(self, X, reset=reset, **how)
            if reset:
                self.X_dimensions_: int = 2
            return self._unfolded(table)
        sequences = check_array(X, allow_nd=True, input_name="X", estimator=self, **how)
        if reset:
            self.X_dimensions_, self.n_features_in_ = 3, sequences.shape[2]
        elif sequences.shape[2] != self.n_features_in_:
            raise ValueError(
                f"X has {sequences.shape[2]} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                "features as input"
            )
        return sequences

    def _unfolded(self, table: np.ndarray) -> np.ndarray:
        rows, columns = table.shape
        if self.variables is None:
            return table[:, np.newaxis, :]
        width = self.variables
        if not isinstance(width, (int, np.integer)) or width < 1 or columns % width:
            raise ValueError(
                f"variables={width!r} should divide the {columns} columns of X, which are steps of so many variables"
            )
        return table.reshape(rows, columns // width, width)

    def _output(self, X: Any) -> np.ndarray:
        """The network's output for X, (samples, steps, outputs)."""
        check_is_fitted(self, "model_")
        return self._answer(self._sequences(X))

    def _answer(self, sequences: np.ndarray) -> np.ndarray:
        output = predictr(self.model_, sequences)
        return output[:, :, np.newaxis] if output.ndim == 2 else output

    # training ---------------------------------------------------------------------------------------------------------

    def _option(self, name: str) -> Any:
        return (self.options or {}).get(name)

    def _train(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        weight: np.ndarray | None,
        output: dict[str, Any],
        scale_targets: bool,
        hold_out: Callable[[int, int], np.ndarray],
    ) -> None:
        """Train ``model_`` on X and Y, both (samples, steps, variables).

        ``output`` are the options of the output layer of an exact network; ``hold_out(samples, seed)`` says which
        samples validate.
        """
        random = check_random_state(self.random_state)
        seed, stream = (int(random.randint(_SEEDS)) for _ in range(2))
        if weight is not None:  # a sample of weight 0 is not there
            used = weight > 0
            if not used.any():
                raise ValueError("sample_weight should be above 0 for some samples, it is 0 for all.")
            X, Y, weight = X[used], Y[used], weight[used]
            if not self.exact:
                times = repetitions(weight)
                X, Y, weight = X.repeat(times, axis=0), Y.repeat(times, axis=0), None
        held, stopping = 0, []
        if self.early_stopping:
            chosen = hold_out(len(X), seed)
            held = int(chosen.sum())
            order = np.concatenate([np.flatnonzero(~chosen), np.flatnonzero(chosen)])
            X, Y = X[order], Y[order]
            weight = None if weight is None else weight[order]
        kept = len(X) - held
        earlier = self.model_ if self.warm_start and hasattr(self, "model_") else None
        if earlier is None:
            scales = self._scales(X[:kept], Y[:kept], None if weight is None else weight[:kept], scale_targets)
        else:
            scales = {name: earlier[name] for name in MODEL_FIELDS if name in earlier}
        X, Y = _scaled(X, scales, "input"), _scaled(Y, scales, "output")
        options = self._training_options(output, Y, X.shape[1], kept)
        if weight is not None:
            options["sample_weight"] = weight
        functions = self.epoch_function
        functions = [functions] if callable(functions) else list(functions)
        if held and self.exact:
            options |= {"validation": held / len(X), "patience": self.patience}
        elif held:
            stopping = [epoch_held_out(X[kept:], Y[kept:]), EarlyStopping(self.patience)]
            X, Y = X[:kept], Y[:kept]
        options["epoch_function"] = [*functions, *stopping]
        if earlier is not None:
            earlier = self._to_go_on(earlier, options)
        with nullcontext() if earlier is None else without_messages():
            training = Training(Y, X, earlier, rng=RRandom(stream), **{**scales, **options})
        while not training.finished:
            training.advance()
        self.model_: Model = training.result()
        self.model_.epoch_function = functions
        self._describe()

    def _training_options(self, output: dict[str, Any], Y: np.ndarray, steps: int, samples: int) -> dict[str, Any]:
        """The arguments of ``trainr``."""
        options: dict[str, Any] = {
            "exact": self.exact,
            "learningrate": self.learningrate if self.learningrate is not None else 0.01 if self.exact else 0.1,
            "update_rule": self.update_rule or ("adam" if self.exact else "sgd"),
            "numepochs": self.numepochs,
            "batch_size": min(self.batch_size, samples),
        }
        if self.exact and self.layers is not None:
            from pytrainr.layers import Dense

            top = Dense(Y.shape[2], activation=output["output"])
            options |= {"layers": [*self.layers, top], "loss": output.get("loss")}
        else:
            if self.layers is not None:
                raise ValueError("layers belong to exact=True: R's arithmetic has network_type and hidden_dim")
            options |= {"network_type": self.network_type or ("gru" if self.exact else "rnn")}
            options |= {"hidden_dim": self.hidden_dim}
            if self.exact:
                options |= {"use_bias": True, **output}
            elif Y.shape[1] == 1 < steps:
                options["seq_to_seq_unsync"] = True  # R's many to one
        return {**options, **(self.options or {})}

    def _scales(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray | None, targets: bool) -> dict[str, np.ndarray]:
        """What ``trainr`` keeps of the scales of X and, for ``targets``, Y."""
        if not self.normalise:
            return {}
        of_x, of_y = unit_scale(X, weight), Scale.none(Y.shape[2])
        if targets:
            of_y = unit_scale(Y, weight) if self.exact else range_scale(Y)
        return dict(zip(MODEL_FIELDS, (*of_x, *of_y), strict=True))

    def _to_go_on(self, model: Model, options: dict[str, Any]) -> Model:
        """The model of the last fit with today's options, where these may change."""
        model = model.copy()
        for name in ("numepochs", "learningrate", "batch_size"):
            model[name] = options[name]
        model.epoch_function = options.pop("epoch_function")
        model.patience = options.pop("patience", None)
        for name in ("layers", "loss"):
            options.pop(name, None)
        if not model.exact:
            model.pop("patience")
        return model

    def _describe(self) -> None:
        model = self.model_
        self.n_iter_ = int(model.current_epoch)
        self.loss_curve_ = model.mean_error
        if self.early_stopping:
            losses = model.validation_loss if self.exact else model.held_out_error
            self.validation_loss_ = np.asarray(losses)[: self.n_iter_]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self._option("mask") is not None
        return tags


def _scaled(values: np.ndarray, scales: dict[str, np.ndarray], side: str) -> np.ndarray:
    if f"{side}_center" not in scales:
        return values
    return (values - scales[f"{side}_center"]) / scales[f"{side}_scale"]
