"""The model as a Python object: fields, copies, comparison, pickling, files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from pytrainr import Model, RRandom, predictr, trainr

X = np.random.default_rng(0).uniform(0, 1, (6, 4, 2))
Y = X[:, :, :1]


def trained(**options: object) -> Model:
    return trainr(
        Y, X, learningrate=0.1, hidden_dim=3, network_type="gru", epoch_function=[], rng=RRandom(2), **options
    )  # type: ignore[arg-type]


def test_fields_are_attributes_and_items() -> None:
    model = trained(mine=7)
    assert model.mine == model["mine"] == 7
    assert model.time_synapse is model["time_synapse"]
    assert "error" in model
    assert "nonsense" not in model
    assert set(model.keys()) <= set(dir(model))
    with pytest.raises(AttributeError, match=r"no field 'tyme_synapse'; model\.keys\(\) lists what it has"):
        _ = model.tyme_synapse
    with pytest.raises(KeyError, match="no field 'tyme_synapse'"):
        _ = model["tyme_synapse"]


def test_a_copy_shares_nothing() -> None:
    model = trained()
    copy = model.copy()
    assert copy == model
    copy.time_synapse[0][...] = 0
    copy.error[...] = 0
    assert copy != model
    assert model == trained()


def test_pickling_and_saving_keep_every_bit(tmp_path: Path) -> None:
    model = trained(note="mine")
    assert pickle.loads(pickle.dumps(model)) == model
    model.save(tmp_path / "model.ptr")
    for mmap in (False, True):
        loaded = Model.load(tmp_path / "model.ptr", mmap=mmap)
        assert loaded == model
        assert np.array_equal(predictr(loaded, X), predictr(model, X))
        again, straight = (trainr(Y, X, model=m, rng=RRandom(3)) for m in (loaded, model))
        assert again == straight


def test_store_is_saved_only_when_asked(tmp_path: Path) -> None:
    model = trained(keep_store=True)
    model.save(tmp_path / "small")
    model.save(tmp_path / "large", keep_store=True)
    assert "store" not in Model.load(tmp_path / "small")
    assert Model.load(tmp_path / "large") == model


def test_repr_is_short() -> None:
    assert repr(trained()).startswith("<Model gru 2-3-1, 4 time steps, 1 epoch, mean error ")
