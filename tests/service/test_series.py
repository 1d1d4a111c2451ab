"""Issue 11.2 and 11.5 at a distance: masked arrays and the scale of a model to go on with, as without a server."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import InvalidArgumentError
from pytrainr_server import LocalServer

import pytrainr
from pytrainr import RRandom
from pytrainr.series import Normalisation, windows

OPTIONS: dict[str, Any] = {"learningrate": 0.1, "hidden_dim": 3, "epoch_function": pytrainr.epoch_annealing}


def test_a_masked_entry_is_a_missing_value(plain: LocalServer) -> None:
    """11.5: the fill value under a mask was sent and trained on."""
    generator = np.random.default_rng(5)
    Y, X = generator.random((6, 4, 1)), generator.random((6, 4, 2))
    masked = np.ma.array(
        np.where(np.arange(48).reshape(6, 4, 2) == 11, 1e20, X), mask=np.arange(48).reshape(6, 4, 2) == 11
    )
    gaps = masked.filled(np.nan)
    with pytrainr_client.connect(plain.address) as server:
        for call in (
            lambda: server.trainr(Y, masked, **OPTIONS),
            lambda: server.predictr(pytrainr.trainr(Y, X, **OPTIONS), masked),
        ):
            with pytest.raises(InvalidArgumentError, match=r"X\[1, 1, 1\] is nan"):
                call()
        exact: dict[str, Any] = {**OPTIONS, "exact": True, "mask": "nan"}
        model = server.trainr(Y, masked, rng=RRandom(1), **exact)
        assert np.array_equal(model.error, pytrainr.trainr(Y, gaps, rng=RRandom(1), **exact).error)
        predicted = server.predictr(model, masked)
        assert np.array_equal(predicted, pytrainr.predictr(model, gaps), equal_nan=True)
        assert np.isnan(predicted[1, 1])


def test_a_model_goes_on_in_its_own_scale(plain: LocalServer) -> None:
    """11.2: another normalisation was ignored in retraining; the server refuses it as ``trainr`` does."""
    values = 50 + 10 * np.sin(np.arange(40) / 2)
    scale, other = Normalisation.by_range(values), Normalisation.by_range(2 * values)
    cut = windows(scale.apply(values), 4, every_step=True)
    with pytrainr_client.connect(plain.address) as server:
        model = server.trainr(cut.Y, cut.X, rng=RRandom(1), **OPTIONS, **scale.fields())
        again = server.trainr(cut.Y, cut.X, model=model, rng=RRandom(2), **scale.fields())
        here = pytrainr.trainr(cut.Y, cut.X, model=model, rng=RRandom(2))
        assert all(map(np.array_equal, again.time_synapse, here.time_synapse))
        with pytest.raises(InvalidArgumentError, match=r"the model's is .* scale the new data by that"):
            server.trainr(cut.Y, cut.X, model=model, **other.fields())
