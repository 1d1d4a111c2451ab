"""pytrainr.sklearn (issue 14, number 1): what scikit-learn asks of an estimator, in both arithmetics."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is missing: pip install 'pytrainr[sklearn]'")

from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from pytrainr import Model, predictr, thread_count
from pytrainr.layers import GRU, Dropout
from pytrainr.series import forecast
from pytrainr.sklearn import RNNClassifier, RNNRegressor, SeriesForecaster

ARITHMETICS = pytest.mark.parametrize("exact", [True, False], ids=["exact", "as R"])
random = np.random.default_rng(1)


def sums(samples: int = 60, steps: int = 5, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of two variables, and the mean of the first."""
    X = np.random.default_rng(seed).normal(3.0, 2.0, (samples, steps, 2))
    return X, X[:, :, 0].mean(axis=1)


def names(samples: int = 90, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Sequences that rise, fall, or stay, and which they do."""
    noise = np.random.default_rng(seed).normal(0.0, 0.3, (samples, 6))
    labels = np.array(["fall", "rise", "stay"])[np.arange(samples) % 3]
    slopes = np.array([-0.5, 0.5, 0.0])[np.arange(samples) % 3]
    return noise + slopes[:, np.newaxis] * np.arange(6), labels


@pytest.mark.parametrize("kind", [RNNRegressor, RNNClassifier, SeriesForecaster])
@ARITHMETICS
def test_scikit_learns_own_checks(kind: Any, exact: bool) -> None:
    """check_estimator passes, every check of it, with no exceptions asked for."""
    results = check_estimator(kind(exact=exact), on_skip=None)
    assert len(results) > 40
    # the one that is left out looks at arrays of other libraries, which scikit-learn itself has switched off
    assert {r["check_name"] for r in results if r["status"] != "passed"} <= {"check_array_api_input"}


@ARITHMETICS
def test_sequences_and_tables(exact: bool) -> None:
    """3-D X is sequences; 2-D is one step, or with ``variables`` a sequence whose steps follow each other."""
    X, y = sums()
    options = {"exact": exact, "random_state": 0, "numepochs": 60}
    of_sequences = RNNRegressor(**options).fit(X, y)
    assert of_sequences.n_features_in_ == 2
    assert of_sequences.model_.time_dim == 5
    folded = RNNRegressor(variables=2, **options).fit(X.reshape(60, 10), y)
    np.testing.assert_array_equal(folded.predict(X.reshape(60, 10)), of_sequences.predict(X))
    assert RNNRegressor(**options).fit(X.reshape(60, 10), y).model_.time_dim == 1
    with pytest.raises(ValueError, match="X should have 3 dimensions as in fit, it has 2"):
        of_sequences.predict(X[:, 0])
    with pytest.raises(ValueError, match="3 features, but RNNRegressor is expecting 2"):
        of_sequences.predict(X[:, :, [0, 1, 1]])
    with pytest.raises(ValueError, match="variables=3 should divide the 10 columns of X"):
        RNNRegressor(variables=3).fit(X.reshape(60, 10), y)


@ARITHMETICS
def test_what_y_may_be(exact: bool) -> None:
    """One number, several, or several at every step: predictions have the shape of y."""
    X, y = sums()
    for target in (y, y[:, np.newaxis], np.stack([y, -y], axis=1), X[:, :, :1], X):
        model = RNNRegressor(exact=exact, numepochs=20, random_state=0).fit(X, target)
        assert model.predict(X).shape == target.shape
        assert np.isfinite(model.score(X, target, sample_weight=np.ones(60)))


def test_it_learns() -> None:
    """The mean of a sequence, and which of three things a sequence does."""
    X, y = sums(200)
    model = RNNRegressor(random_state=0).fit(X, y)
    assert model.score(*sums(50, seed=2)) > 0.95
    X, labels = names()
    for exact in (True, False):
        classifier = RNNClassifier(variables=1, exact=exact, numepochs=300, random_state=0).fit(X, labels)
        assert list(classifier.classes_) == ["fall", "rise", "stay"]
        assert classifier.score(*names(seed=2)) > 0.8
        np.testing.assert_allclose(classifier.predict_proba(X).sum(axis=1), 1.0)


def test_the_model_is_one_of_pytrainr(tmp_path: Any) -> None:
    """``model_`` takes raw numbers and gives raw ones, saved and loaded."""
    X, y = sums()
    fitted = RNNRegressor(numepochs=30, random_state=0).fit(X, y)
    fitted.model_.save(tmp_path / "m.model")
    np.testing.assert_array_equal(predictr(Model.load(tmp_path / "m.model"), X)[:, 0], fitted.predict(X))


@ARITHMETICS
def test_search_pipeline_cross_validation_in_processes(exact: bool) -> None:
    """GridSearchCV in a Pipeline with n_jobs: the scores are those of one process, to the bit."""
    X, y = sums(40)
    table = X.reshape(40, 10)
    pipeline = make_pipeline(StandardScaler(), RNNRegressor(variables=2, exact=exact, numepochs=10, random_state=0))
    grid = {"rnnregressor__hidden_dim": [2, (3, 2)], "rnnregressor__learningrate": [0.01, 0.1]}
    scores = [
        GridSearchCV(pipeline, grid, cv=3, n_jobs=jobs).fit(table, y).cv_results_["mean_test_score"]
        for jobs in (None, 2)
    ]
    assert np.isfinite(scores[0]).all()
    np.testing.assert_array_equal(scores[0], scores[1])
    assert len(cross_val_score(RNNRegressor(exact=exact, numepochs=5), X, y, cv=4)) == 4
    around = TransformedTargetRegressor(RNNRegressor(exact=exact, numepochs=5), func=np.tanh, inverse_func=np.arctanh)
    assert cross_val_predict(around, X, y / 10, cv=3).shape == (40,)
    assert thread_count() >= 1


@ARITHMETICS
def test_strings_in_cross_validation(exact: bool) -> None:
    """Labels that are strings, with every step stratified."""
    X, labels = names(30)
    found = cross_val_predict(RNNClassifier(variables=1, exact=exact, numepochs=20, random_state=0), X, labels, cv=3)
    assert set(found) <= {"fall", "rise", "stay"}


@ARITHMETICS
def test_clone_and_pickle(exact: bool) -> None:
    """A clone is unfitted with the same parameters, layers among them; a pickle predicts its bits and trains on."""
    X, labels = names(30)
    layers = {"layers": [GRU(4), Dropout(0.1)]} if exact else {}
    fitted = RNNClassifier(variables=1, exact=exact, numepochs=5, random_state=0, **layers).fit(X, labels)
    copy = clone(fitted)
    assert not hasattr(copy, "model_")
    assert copy.get_params() == fitted.get_params()
    np.testing.assert_array_equal(copy.fit(X, labels).predict_proba(X), fitted.predict_proba(X))
    back = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(back.predict_proba(X), fitted.predict_proba(X))
    back.set_params(warm_start=True).fit(X, labels)


def test_feature_names() -> None:
    """Names of a data frame's columns are kept, and others refused."""
    pandas = pytest.importorskip("pandas")
    X, y = sums()
    frame = pandas.DataFrame(X.reshape(60, 10), columns=[f"v{k}" for k in range(10)])
    fitted = RNNRegressor(variables=2, numepochs=5, random_state=0).fit(frame, y)
    assert list(fitted.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame.rename(columns={"v0": "other"}))


@ARITHMETICS
def test_weights_are_repetition(exact: bool) -> None:
    """A sample of weight 2 counts as two, one of weight 0 as none, where a group holds all samples."""
    X, y = sums(12)
    weight = np.arange(12) % 3
    how = {"exact": exact, "numepochs": 30, "random_state": 0, "batch_size": 1000}
    weighted = RNNRegressor(**how).fit(X, y, sample_weight=weight)
    repeated = RNNRegressor(**how).fit(X.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-9)
    with pytest.raises(ValueError, match=r"above 0 for some samples|at least one non-zero"):
        RNNRegressor(**how).fit(X, y, sample_weight=np.zeros(12))


@ARITHMETICS
def test_class_weight(exact: bool) -> None:
    """Where classes lie over each other the one that weighs more is said."""
    X = np.random.default_rng(3).normal(size=(200, 3))
    labels = np.where(np.arange(200) % 4 == 0, "rare", "often")
    said = {}
    for name, weight in {"none": None, "balanced": "balanced", "rare": {"rare": 100.0, "often": 1.0}}.items():
        classifier = RNNClassifier(exact=exact, class_weight=weight, numepochs=30, hidden_dim=2, random_state=0)
        said[name] = np.mean(classifier.fit(X, labels).predict(X) == "rare")
    assert said["none"] < said["balanced"] < said["rare"]
    assert said["rare"] > 0.9


@ARITHMETICS
def test_warm_start(exact: bool) -> None:
    """Two fits with warm_start go on where the first ended; with another random_state they begin from its weights."""
    X, y = sums()
    model = RNNRegressor(exact=exact, warm_start=True, numepochs=40, random_state=0).fit(X, y)
    first = model.loss_curve_
    model.set_params(numepochs=7).fit(X, y)
    assert model.n_iter_ == 7
    assert model.loss_curve_[0] < 0.5 * first[0]
    anew = clone(model).set_params(warm_start=False).fit(X, y)
    assert anew.loss_curve_[0] > model.loss_curve_[0]


@ARITHMETICS
def test_warm_start_says_nothing_of_its_own(exact: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """R's note on retraining would be wrong here: options are the estimator's."""
    X, y = sums()
    model = RNNRegressor(exact=exact, warm_start=True, numepochs=2, random_state=0).fit(X, y)
    capsys.readouterr()
    model.fit(X, y)
    assert "retraining" not in capsys.readouterr().err


@ARITHMETICS
def test_early_stopping(exact: bool) -> None:
    """It ends before numepochs, with the weights of the epoch that was best on the samples held out."""
    X = np.random.default_rng(4).normal(size=(40, 4, 2))
    y = np.random.default_rng(5).normal(size=40)  # nothing to learn: what is learnt is noise
    rate = {} if exact else {"learningrate": 0.5}
    how = {
        "exact": exact,
        "early_stopping": True,
        "patience": 5,
        "validation_fraction": 0.25,
        "random_state": 0,
        **rate,
    }
    model = RNNRegressor(numepochs=500, **how).fit(X, y)
    assert model.n_iter_ < 500
    assert len(model.validation_loss_) == model.n_iter_
    best = int(model.validation_loss_.argmin()) + 1
    assert best == model.n_iter_ - 5
    again = RNNRegressor(**{**how, "numepochs": best, "patience": 500}).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_errors_name_what_is_wrong() -> None:
    """One class, layers in R's arithmetic, an option that does not exist."""
    X, labels = names(30)
    with pytest.raises(ValueError, match="at least 2 classes; y has one class"):
        RNNClassifier().fit(X, np.full(30, "rise"))
    with pytest.raises(ValueError, match="layers belong to exact=True"):
        RNNClassifier(exact=False, layers=[GRU(2)]).fit(X, labels)
    with pytest.raises(TypeError, match="hidden_dims"):
        RNNClassifier(options={"hidden_dims": 3}).fit(X, labels)


def test_sequences_of_unequal_length() -> None:
    """With options={"mask": "nan"} a step of NaN is no entry."""
    X, labels = names(60)
    sequences = X[:, :, np.newaxis].copy()
    sequences[::2, 4:] = np.nan
    model = RNNClassifier(options={"mask": "nan"}, numepochs=100, random_state=0).fit(sequences, labels)
    assert model.score(sequences, labels) > 0.8
    short = np.where(np.arange(6)[:, np.newaxis] < 4, sequences[:1], np.nan)
    np.testing.assert_allclose(model.predict_proba(short), model.predict_proba(short[:, :4]), rtol=1e-12)


# SeriesForecaster -----------------------------------------------------------------------------------------------------


def waves(rows: int = 120) -> np.ndarray:
    t = np.arange(rows)
    return np.stack([np.sin(t / 3.0) * 20 + 100, np.cos(t / 3.0)], axis=1)


@ARITHMETICS
def test_a_row_is_forecast_from_the_rows_before_it(exact: bool) -> None:
    """Without y a column of X: predict gives a forecast for each row, the first from the end of the training rows."""
    series = waves()
    model = SeriesForecaster(lookback=6, exact=exact, random_state=0, numepochs=300).fit(series[:90])
    predicted = model.predict(series[90:])
    assert predicted.shape == (30,)
    assert model.score(series[90:]) > 0.8
    changed = series[90:].copy()
    changed[10:] += 1000.0  # what comes later, and the row itself, is not seen
    np.testing.assert_array_equal(model.predict(changed)[:11], predicted[:11])
    np.testing.assert_allclose(predictr(model.model_, series[np.newaxis, 84:90]).ravel()[-1], predicted[0])


def test_forecasts_of_many_steps() -> None:
    """forecast feeds back what it says, as pytrainr.series.forecast does; several targets at once."""
    series = waves()
    model = SeriesForecaster(lookback=6, target=[0, 1], random_state=0, numepochs=50).fit(series[:90])
    ahead = model.forecast(12)
    assert ahead.shape == (12, 2)
    np.testing.assert_array_equal(ahead, forecast(model.model_, series[:90], 12, 6, target=[0, 1]))
    one = SeriesForecaster(lookback=6, random_state=0, numepochs=50).fit(series[:90])
    assert one.forecast(5, future=series[90:95]).shape == (5,)
    with pytest.raises(ValueError, match="fit without y"):
        SeriesForecaster(lookback=3, numepochs=2).fit(series, series[:, 1] * 2).forecast(3)


def test_y_is_another_series_at_the_same_times() -> None:
    """With y a row of X is known when its y is to be said; delay=1 hides it."""
    series = waves()
    X, y = series[:, :1], np.concatenate([series[:1, 0], series[:-1, 0]])  # y is X a row earlier
    known = SeriesForecaster(lookback=3, random_state=0).fit(X[:90], y[:90])
    assert known.score(X[90:], y[90:]) > 0.9
    with pytest.raises(ValueError, match="y is column 0 of X, which would be forecast from itself"):
        SeriesForecaster(lookback=3).fit(X, X[:, 0])
    late = SeriesForecaster(lookback=3, delay=1, random_state=0, numepochs=20).fit(X, y)
    changed = X[90:].copy()
    changed[-1] = 0.0
    np.testing.assert_array_equal(late.predict(changed), late.predict(X[90:]))


@ARITHMETICS
def test_series_in_search_and_cross_validation(exact: bool) -> None:
    """GridSearchCV over the lookback with TimeSeriesSplit, without y and with a scorer of its own."""
    series = waves()
    model = SeriesForecaster(exact=exact, numepochs=20, random_state=0)
    search = GridSearchCV(model, {"lookback": [2, 8]}, cv=TimeSeriesSplit(3)).fit(series)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    scores = cross_val_score(
        model, series[:, 1:], series[:, 0], cv=TimeSeriesSplit(3), scoring="neg_mean_absolute_error"
    )
    assert (scores < 0).all()
    stopped = SeriesForecaster(lookback=4, exact=exact, early_stopping=True, numepochs=30, random_state=0).fit(series)
    assert len(stopped.validation_loss_) == stopped.n_iter_


def test_errors_of_a_series() -> None:
    """Too few rows, a column that is not there, a lookback that is no number."""
    series = waves(10)
    with pytest.raises(ValueError, match="X has 10 rows; lookback=12 and delay=1 need 13"):
        SeriesForecaster(lookback=12).fit(series)
    with pytest.raises(ValueError, match="target=2 should be columns of X, which has 2"):
        SeriesForecaster(target=2).fit(series)
    with pytest.raises(ValueError, match="lookback=0 should be a whole number of rows, 1 or more"):
        SeriesForecaster(lookback=0).fit(series)
    with pytest.raises(ValueError, match="would forecast a row from itself"):
        SeriesForecaster(delay=0).fit(series)
