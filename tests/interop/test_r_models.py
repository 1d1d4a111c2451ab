"""R's model files. recorded/: a model that R saved, with byte-compiled functions within functions; see make.R there."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pytrainr
from pytrainr import Model, RModelFileError, RRandom, predictr, read_r_model, trainr, write_r_model
from pytrainr.interop.r_functions import RClosure, known_function
from pytrainr.layers import GRU, Bidirectional, Dense

RECORDED = Path(__file__).resolve().parent / "recorded"
FUNCTIONS = ("epoch_function", "loss_function")


def without_functions(model: Model) -> Model:
    return Model({name: value for name, value in model.items() if name not in FUNCTIONS})


@pytest.mark.parametrize("name", ["model.rds", "model_xz.rds"])
def test_a_model_of_r_predicts_to_the_bit(name: str) -> None:
    model = read_r_model(RECORDED / name)
    X = np.fromfile(RECORDED / "X.f8").reshape((5, 4, 2), order="F")
    expected = np.fromfile(RECORDED / "predicted.f8").reshape((5, 4), order="F")
    assert np.array_equal(predictr(model, X), expected)


def test_fields_have_pythons_types() -> None:
    model = read_r_model(RECORDED / "model.rds")
    assert (model.input_dim, model.hidden_dim, model.synapse_dim) == (2, (2, 3), (2, 2, 3, 1))
    assert (model.numepochs, model.current_epoch, model.time_dim) == (2, 2, 4)
    assert model.use_bias is True
    assert model.network_type == "rnn"
    assert model.error.shape == (5, 2)
    assert [bias.shape for bias in model.bias_synapse] == [(2,), (3,), (1,)]
    assert [states.shape for states in model.store] == [(5, 4, 2), (5, 4, 3), (5, 4, 1)]
    assert model.note == "ein Satz über R"
    assert model.nothing is None
    assert list(model.table) == ["a", "b"]
    assert model.epoch_function[:2] == [pytrainr.epoch_print, pytrainr.epoch_annealing]
    assert model.loss_function is pytrainr.loss_L1


def test_a_function_of_the_r_user_says_that_it_cannot_run_here() -> None:
    model = read_r_model(RECORDED / "model.rds")
    with pytest.raises(ValueError, match=r"model\.epoch_function is a function that was written in R"):
        model.epoch_function[2](model)
    replaced = read_r_model(RECORDED / "model.rds", functions={"epoch_function": [pytrainr.epoch_annealing]})
    X = np.fromfile(RECORDED / "X.f8").reshape((5, 4, 2), order="F")
    assert trainr(X[:, :, 0], X, model=replaced).current_epoch == 2


def test_writing_and_reading_loses_nothing(tmp_path: Path) -> None:
    model = read_r_model(RECORDED / "model.rds", functions={"epoch_function": [pytrainr.epoch_print]})
    write_r_model(model, tmp_path / "again.rds", keep_store=True)
    again = read_r_model(tmp_path / "again.rds")
    assert without_functions(again) == without_functions(model)
    assert again.epoch_function == [pytrainr.epoch_print]
    assert again.loss_function is pytrainr.loss_L1


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_a_model_trained_here_goes_to_r_and_back(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    X, Y = rng.random((6, 4, 2)), rng.random((6, 4))
    model = trainr(Y, X, learningrate=0.1, hidden_dim=(3, 3), network_type=kind, epoch_function=(), note="x")
    write_r_model(model, tmp_path / "m.rds")
    back = read_r_model(tmp_path / "m.rds")
    assert back.keys() == model.keys()
    assert np.array_equal(predictr(back, X), predictr(model, X))
    write_r_model(model, tmp_path / "with_store.rds", keep_store=True)
    store = read_r_model(tmp_path / "with_store.rds").store
    assert [states.shape[:2] for states in store] == [(6, 4)] * 3


EXACT: dict[str, dict[str, Any]] = {
    "gru": {"network_type": "gru", "output": "linear", "update_rule": "adam"},
    "projected lstm": {"network_type": "lstm", "hidden_dim": (4, 3), "proj_size": 2, "peephole": True},
    "bidirectional": {"network_type": "rnn", "bidirectional": True, "sigmoid": "tanh", "dropout": 0.2},
    "attention": {"network_type": "rnn", "attention": True, "dtype": "float32"},
    "one unit": {"network_type": "jordan", "hidden_dim": 1, "use_bias": True, "clipping": 1.0},
    "masked": {"network_type": "rnn", "mask": "nan", "hidden_dim": 1},
}


@pytest.mark.parametrize("name", EXACT)
def test_a_model_of_exact_goes_to_r_and_back(name: str, tmp_path: Path) -> None:
    """Issue 11, number 1: every option comes back from R's file, and with it the same numbers."""
    rng = np.random.default_rng(1)
    X, Y = rng.random((6, 4, 2)), rng.random((6, 4))
    options = {"learningrate": 0.1, "hidden_dim": 3, "epoch_function": (), **EXACT[name]}
    model = trainr(Y, X, exact=True, rng=RRandom(2), **options)
    write_r_model(model, tmp_path / "m.rds")
    back = read_r_model(tmp_path / "m.rds")
    assert without_functions(back) == without_functions(model)
    assert np.array_equal(predictr(back, X), predictr(model, X))
    further = [trainr(Y, X, model=start, rng=RRandom(3)).time_synapse for start in (model, back)]
    assert all(np.array_equal(a, b) for a, b in zip(*further, strict=True))


@pytest.mark.parametrize("missing", ["exact", "output", "output_time_dim", "use_bias"])
def test_a_file_that_lacks_what_says_how_it_computes_is_refused(missing: str, tmp_path: Path) -> None:
    """Issue 11, number 1."""
    X = np.random.default_rng(1).random((6, 4, 2))
    options: dict[str, Any] = {"learningrate": 0.1, "hidden_dim": 2, "epoch_function": ()}
    model = trainr(X, X, exact=True, rng=RRandom(2), **options)
    delattr(model, missing)
    write_r_model(model, tmp_path / "m.rds")
    with pytest.raises(RModelFileError, match=f"{missing} is missing"):
        read_r_model(tmp_path / "m.rds")


def test_a_variant_of_rs_annealing_is_not_taken_for_it() -> None:
    """Issue 11, number 14: what trains is the user's function, or nothing does."""
    words = frozenset({"{", "<-", "$", "model", "*", "learningrate", "learningrate_decay", "return"})
    assert known_function(RClosure(words, frozenset())) is pytrainr.epoch_annealing
    assert known_function(RClosure(words | {"if", "current_epoch", ">"}, frozenset())) is None
    assert known_function(RClosure(words, frozenset(), numbers=True)) is None


def test_a_value_r_has_no_form_for_is_named(tmp_path: Path) -> None:
    model = read_r_model(RECORDED / "model.rds")
    model.mine = {"deep": object()}
    with pytest.raises(TypeError, match=r"model\.mine\['deep'\] is of type object"):
        write_r_model(model, tmp_path / "m.rds")


def test_other_files_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(RModelFileError, match=r"save\(\)"):
        read_r_model(RECORDED / "saved.RData")
    with pytest.raises(RModelFileError, match="no file of saveRDS"):
        read_r_model(RECORDED / "X.f8")
    cut = tmp_path / "cut.rds"
    cut.write_bytes((RECORDED / "model.rds").read_bytes()[:1000])
    with pytest.raises(RModelFileError, match="cut off"):
        read_r_model(cut)
    with pytest.raises(FileNotFoundError):
        read_r_model(tmp_path / "nothing.rds")


@pytest.mark.parametrize("size", range(3, 20_000, 997))
def test_cut_off_data_never_does_more_than_raise(size: int, tmp_path: Path) -> None:
    content = gzip.decompress((RECORDED / "model.rds").read_bytes())
    cut = tmp_path / "cut.rds"
    if size >= len(content):
        shutil.copy(RECORDED / "model.rds", cut)
        assert read_r_model(cut).input_dim == 2
        return
    cut.write_bytes(content[:size])
    with pytest.raises(RModelFileError):
        read_r_model(cut)


def test_a_list_of_layers_in_r_and_back(tmp_path: Path) -> None:
    """12.6: R keeps a layer as a list of its kind and its options, whole numbers as doubles."""
    X = np.random.default_rng(1).random((6, 4, 2))
    layers = [Bidirectional(GRU(3, return_sequences=True)), Dense(1, activation="sigmoid", use_bias=False)]
    model = trainr(X[:, :, :1], X, exact=True, layers=layers, learningrate=0.1, update_rule="adam", rng=RRandom(1))
    write_r_model(model, tmp_path / "model.rds")
    again = read_r_model(tmp_path / "model.rds")
    assert again.layers == tuple(layers)
    assert np.array_equal(predictr(again, X), predictr(model, X))
    further = [trainr(X[:, :, :1], X, one, rng=RRandom(2)) for one in (again, model)]
    assert all(map(np.array_equal, further[0].bidirectional_weights, further[1].bidirectional_weights))
