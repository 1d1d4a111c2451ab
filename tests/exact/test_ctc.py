"""Connectionist temporal classification (issue 12, point 4): the loss, and what is read from the probabilities."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytrainr import ArgumentError, Model, RRandom, ctc_decode, predictr, trainr
from pytrainr.layers import GRU, Bidirectional, Dense, LastSteps, Pyramid
from tests.exact.checking import ListCase

TARGETS = [[1, 2, 2], [1, 1, 1], [4], [], [3, 1], [2, 4, 3]]


def filled(targets: list[list[int]], blank: float = 0, length: int = 3) -> np.ndarray:
    """Sequences of labels as Y."""
    return np.array([[*labels, *[blank] * (length - len(labels))] for labels in targets], float)[:, :, np.newaxis]


def case_of(targets: list[list[int]], **options: Any) -> ListCase:
    stack = [GRU(4, return_sequences=True), Dense(5, activation="softmax")]
    case = ListCase(stack, 9, 2, len(targets), scale=2.0, loss="ctc", **options)
    case.Y = filled(targets, options.get("blank", 0))
    return case


@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("mask", [None, "nan"])
def test_against_torch(mask: str | None, blank: int) -> None:
    """Value and gradient are those of torch.nn.functional.ctc_loss: repeats, an empty target, sequences that end early
    or lack steps inside, any blank."""
    torch = pytest.importorskip("torch")
    targets = [[(label + blank) % 5 for label in labels] for labels in TARGETS]
    case = case_of(targets, mask=mask, blank=blank)
    lengths = [int((~np.isnan(steps[:, 0])).sum()) for steps in case.X]
    y = torch.tensor(case.network.forward(case.weights, case.X)[0], requires_grad=True)
    total = 0.0
    for sample, labels in enumerate(targets):
        steps = y[sample][~np.isnan(case.X[sample, :, 0])].log()
        size = torch.tensor([lengths[sample]]), torch.tensor([len(labels)])
        total += torch.nn.functional.ctc_loss(
            steps[:, None], torch.tensor([labels]), *size, blank=blank, reduction="sum"
        )
    assert abs(case.loss(case.weights) - total.item()) < 1e-9
    total.backward()
    # by the bias of the last layer: its gradient is that before the softmax, summed
    d, p = y.grad.numpy(), y.detach().numpy()
    before = p * (d - (d * p).sum(axis=2, keepdims=True))
    gradient, error = case.gradient(case.weights)
    ours = case.network.layout.find("dense_weights", 1).view(gradient)
    assert np.abs(ours - before[~np.isnan(case.X[:, :, 0])].sum(axis=0)).max() < 1e-9
    assert abs(error - total.item()) < 1e-9, "a model's error is the loss"
    assert case.worst_difference() < 1e-6


@settings(max_examples=10, deadline=None)
@given(steps=st.integers(1, 7), labels=st.integers(0, 4), seed=st.integers(0, 99), blank=st.integers(0, 2))
def test_gradient(steps: int, labels: int, seed: int, blank: int) -> None:
    """The gradient is that of the loss, for any target that the steps have room for; past a softmax or not."""
    random = np.random.default_rng(seed)
    for stack in ([Dense(3, activation="softmax")], [Dense(3, activation="softmax"), LastSteps(6)]):
        case = ListCase(stack, steps, 2, 2, seed, loss="ctc", blank=blank)
        target = random.integers(0, 3, (2, max(labels, 1), 1)).astype(float)
        target[target == blank] = np.nan
        needed = 2 * labels - 1
        case.Y = target if needed <= min(steps, 6) else np.full((2, 1, 1), blank, float)
        assert case.worst_difference() < 1e-6


def brute_force(probabilities: np.ndarray, blank: int) -> dict[tuple[int, ...], float]:
    """The probability of every sequence of labels: of all paths, one by one."""
    read: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(probabilities.shape[1]), repeat=probabilities.shape[0]):
        labels = tuple(label for label, _ in itertools.groupby(path) if label != blank)
        share = float(np.prod(probabilities[np.arange(len(path)), path]))
        read[labels] = read.get(labels, 0.0) + share
    return read


@settings(max_examples=20, deadline=None)
@given(steps=st.integers(1, 5), outputs=st.integers(2, 4), seed=st.integers(0, 999))
def test_decoding_finds_the_likeliest(steps: int, outputs: int, seed: int) -> None:
    """A beam that is wide enough finds the likeliest sequence, and its probability, which is e to the −loss."""
    random = np.random.default_rng(seed)
    blank = int(random.integers(outputs))
    probabilities = random.dirichlet(np.full(outputs, 0.6), steps)
    known = brute_force(probabilities, blank)
    labels, scores = ctc_decode(probabilities[None], method="beam", beam_width=1000, blank=blank, scores=True)
    assert np.isclose(known[tuple(labels[0].tolist())], max(known.values()), rtol=1e-12)
    assert np.isclose(scores[0], np.log(max(known.values())), rtol=1e-9, atol=1e-12)
    greedy, score = ctc_decode(probabilities[None], blank=blank, scores=True)
    path = probabilities.argmax(axis=1)
    assert greedy[0].tolist() == [label for label, _ in itertools.groupby(path.tolist()) if label != blank]
    assert np.isclose(score[0], np.log(probabilities.max(axis=1)).sum())


def test_a_beam_reads_what_the_best_path_does_not() -> None:
    """Two paths that read alike may together be likelier than the likeliest path; steps of NaN have no entry."""
    probabilities = np.array([[[0.6, 0.4], [np.nan, np.nan], [0.6, 0.4]]])
    assert ctc_decode(probabilities)[0].tolist() == []
    labels, scores = ctc_decode(probabilities, method="beam", scores=True)
    assert labels[0].tolist() == [1]
    assert np.isclose(scores[0], np.log(0.64))
    assert ctc_decode(np.full((1, 2, 2), np.nan), method="beam")[0].tolist() == []


def signals(samples: int = 60, steps: int = 16) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """Up to three pulses of two kinds, of any length and at any time, and which they are, in order."""
    random = np.random.default_rng(5)
    X, targets = 0.1 * random.standard_normal((samples, steps, 2)), []
    for x in X:
        kinds = random.integers(0, 2, random.integers(1, 4))
        for place, kind in enumerate(kinds):
            first = 5 * place + random.integers(0, 3)
            x[first : first + random.integers(1, 3), kind] += 1.0
        targets.append((kinds + 1).tolist())
    return filled(targets), X, targets


OPTIONS: dict[str, Any] = {"exact": True, "loss": "ctc", "update_rule": "adam", "learningrate": 0.03, "batch_size": 10}
OPTIONS |= {"numepochs": 30, "epoch_function": []}
STACK = [Bidirectional(GRU(8, return_sequences=True)), Dense(3, activation="softmax")]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_learns_to_read(tmp_path: Any, dtype: str) -> None:
    """A network learns which pulses come, not when; it is kept in files, reads other lengths, and is trained on."""
    Y, X, targets = signals()
    model = trainr(Y, X, layers=STACK, dtype=dtype, rng=RRandom(1), **OPTIONS)
    assert model.mean_error[-1] < 0.2 * model.mean_error[0]
    read = [labels.tolist() for labels in ctc_decode(model, X)]
    assert np.mean([a == b for a, b in zip(read, targets, strict=True)]) > 0.9
    assert [labels.tolist() for labels in ctc_decode(predictr(model, X))] == read
    assert len(ctc_decode(model, X[:4, :9], method="beam", beam_width=3)) == 4
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded == model
    longer = np.concatenate([Y, np.zeros_like(Y)], axis=1)
    again, other = (trainr(y, X, loaded, rng=RRandom(2)) for y in (Y, longer))
    assert np.array_equal(again.error, other.error)


def test_masks_validation_and_weights() -> None:
    """Sequences that end early, held-out ones, samples that count less: as with every other loss."""
    Y, X, _ = signals()
    mask = np.ones(X.shape[:2])
    mask[::2, 15:] = 0
    stack = [Bidirectional(GRU(4, return_sequences=True)), Pyramid(2), Dense(3, activation="softmax")]
    options: dict[str, Any] = {**OPTIONS, "layers": stack, "numepochs": 2}
    weight = np.linspace(0.0, 1.0, 60)
    model = trainr(Y, X, mask=mask, validation=0.2, sample_weight=weight, rng=RRandom(1), **options)
    absent = X.copy()
    absent[mask == 0] = np.nan
    other = trainr(Y, absent, mask="nan", validation=0.2, sample_weight=weight, rng=RRandom(1), **options)
    assert np.array_equal(model.validation_loss, other.validation_loss)
    assert np.isfinite(model.validation_loss).all()
    shorter = trainr(Y, X, validation=(X[:5], Y[:5, :1]), rng=RRandom(1), **options)
    assert np.isfinite(shorter.validation_loss).all()
    wide = np.concatenate([Y, np.full((60, 13, 1), np.nan)], axis=1)  # as many places as steps: no mask leaves any out
    same = trainr(wide, X, mask=mask, validation=0.2, sample_weight=weight, rng=RRandom(1), **options)
    assert np.array_equal(model.validation_loss, same.validation_loss)
    case = case_of(TARGETS, weighted=True)
    case.Y = np.concatenate([case.Y, np.full_like(case.Y, 0.5)], axis=2)
    whole = case_of(TARGETS)
    assert np.allclose(case.gradient(case.weights)[0], 0.5 * whole.gradient(whole.weights)[0], rtol=1e-12)


LABELS = filled([[1, 2]] * 12, length=2)


@pytest.mark.parametrize(
    ("Y", "options", "says"),
    [
        (LABELS + 1, {}, r"Y\[0, 1, 0\] is 3.*whole numbers from 0 to 2.*filled up with 0, the blank"),
        (LABELS + 0.5, {}, r"Y\[0, 0, 0\] is 1.5"),
        (LABELS - 1, {}, r"Y\[0, 1, 0\] is 1.0 after 0, the blank.*labels come first"),
        (LABELS, {"blank": 3}, "blank is the output that means 'no label', from 0 to 2"),
        (LABELS, {"blank": 1}, r"Y\[0, 1, 0\] is 2.0 after 1"),
        (LABELS, {"loss": "squared", "blank": 0}, "blank belongs to loss='ctc'"),
        (np.tile(LABELS, (1, 3, 1)), {}, r"Y\[0\] has 6 labels: they need 6 steps or more, the network puts out 5"),
        (filled([[1, 1, 2, 2]] * 12), {}, r"Y\[0\] has 4 labels, 2 of them equal .* need 6 steps .* puts out 5"),
        (LABELS, {"layers": [Pyramid(5), Dense(3, activation="softmax")]}, "they need 2 steps or more, .* puts out 1"),
        (np.tile(LABELS, 2), {}, "Y has 2 steps of 2 variables"),
        (LABELS, {"layers": [Dense(3)]}, "loss='ctc' reads the probabilities of all labels and the blank"),
        (LABELS, {"layers": None, "output": "softmax"}, "loss='ctc' needs layers"),
        (LABELS, {"bptt_steps": 2}, "bptt_steps .* loss='ctc' needs the whole"),
        (LABELS, {"metrics": ["accuracy"]}, "metrics: with loss='ctc' .* see ctc_decode"),
        (LABELS, {"class_weight": [1.0, 2.0]}, "class_weight needs targets that are classes"),
        (LABELS, {"sample_weight": np.ones((12, 2))}, r"sample_weight should be numbers, one a sample \(12\)"),
    ],
)
def test_errors(Y: np.ndarray, options: dict[str, Any], says: str) -> None:
    X = np.zeros((12, 5, 2))
    with pytest.raises(ArgumentError, match=says):
        trainr(Y, X, **{**OPTIONS, "layers": [Dense(3, activation="softmax")], **options})


def test_too_few_steps_are_found_before_training() -> None:
    """The sample is named in the caller's count: where its mask leaves too few steps, and among those held out."""
    X = np.zeros((12, 5, 2))
    X[10, 1:] = np.nan
    options: dict[str, Any] = {**OPTIONS, "layers": [Dense(3, activation="softmax")], "mask": "nan"}
    for validation in (None, 0.25):
        with pytest.raises(ArgumentError, match=r"Y\[10\] has 2 labels.*puts out 1"):
            trainr(LABELS, X, validation=validation, **options)
    with pytest.raises(ArgumentError, match=r"Y\[10\] of validation has 2 labels"):
        trainr(LABELS[:9], X[:9], validation=(X, LABELS), **options)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((np.full((1, 2, 2), 0.9),), r"source should hold probabilities.*source\[0, 0, 0\]"),
        ((np.full((1, 2, 2), -0.5),), "source should hold probabilities"),
        ((np.full((1, 2, 2), 0.5), np.ones((1, 2, 2))), "source holds probabilities already"),
        ((Model({"loss": "squared"}),), "source should be a model trained with loss='ctc'"),
    ],
)
def test_decoding_errors(arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        ctc_decode(*arguments)
    with pytest.raises(ArgumentError, match="method should be one of 'greedy', 'beam'"):
        ctc_decode(np.full((1, 2, 2), 0.5), method="best")
    with pytest.raises(ArgumentError, match="blank is one of the 2 outputs"):
        ctc_decode(np.full((1, 2, 2), 0.5), blank=2)
