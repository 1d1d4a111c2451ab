"""The command line against the same calls in Python."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

import pytrainr
from pytrainr.cli import main
from pytrainr.series import Normalisation, forecast, windows


def read(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def arrays(tmp_path):
    stream = pytrainr.RRandom(3)
    X, Y = stream.runif(10 * 4 * 2).reshape(10, 4, 2), stream.runif(10 * 4).reshape(10, 4, 1)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "Y.npy", Y)
    return Y, X


def test_arrays_in_model_and_predictions_out(tmp_path, arrays):
    Y, X = arrays
    expected = pytrainr.trainr(
        Y, X, learningrate=0.1, hidden_dim=[3, 2], network_type="gru", numepochs=4, clipping=1, rng=pytrainr.RRandom(5)
    )
    options = "--learningrate 0.1 --hidden-dim 3,2 --network-type gru --numepochs 4 --set clipping=1 --seed 5"
    files = ["--Y", f"{tmp_path}/Y.npy", "--X", f"{tmp_path}/X.npy", "--out", f"{tmp_path}/m.model"]
    assert main(["train", *files, *options.split(), "--errors", f"{tmp_path}/errors.csv"]) == 0
    model = pytrainr.Model.load(tmp_path / "m.model")
    assert all(map(np.array_equal, model.time_synapse, expected.time_synapse))
    errors = read(tmp_path / "errors.csv")
    assert errors[0] == ["epoch", "mean_error"]
    assert [float(row[1]) for row in errors[1:]] == expected.mean_error.tolist()

    assert main(["predict", f"{tmp_path}/m.model", "--X", f"{tmp_path}/X.npy", "--out", f"{tmp_path}/P.npy"]) == 0
    predicted = pytrainr.predictr(expected, X)
    assert np.array_equal(np.load(tmp_path / "P.npy")[:, :, 0], predicted)
    assert main(["predict", f"{tmp_path}/m.model", "--X", f"{tmp_path}/X.npy", "--out", f"{tmp_path}/P.csv"]) == 0
    rows = read(tmp_path / "P.csv")
    assert rows[0] == ["sample", "time", "y1"]
    assert [float(row[2]) for row in rows[1:]] == predicted.ravel().tolist()


def test_a_table_keeps_its_names(tmp_path, arrays, capsys):
    Y, X = arrays
    rows = [(f"s{i}", t, *X[i, t], Y[i, t, 0]) for i in range(10) for t in range(4)]
    with open(tmp_path / "data.csv", "w", newline="") as file:
        csv.writer(file).writerows([("id", "t", "a", "b", "c"), *reversed(rows)])
    columns = f"{tmp_path}/data.csv --y c --x a,b --sample id --time t"
    train = f"train {columns} --learningrate 0.5 --numepochs 2 --seed 1 --quiet --out {tmp_path}/m.model"
    assert main(train.split()) == 0
    assert "10 samples x 4 times x a, b" in capsys.readouterr().err
    assert main(["predict", f"{tmp_path}/m.model", f"{tmp_path}/data.csv"]) == 0
    out = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert out[0] == ["id", "t", "c"]
    assert out[1][:2] == ["s9", "0"]
    model = pytrainr.trainr(Y[::-1], X[::-1], learningrate=0.5, numepochs=2, epoch_function=[], rng=pytrainr.RRandom(1))
    assert [float(row[2]) for row in out[1:]] == pytrainr.predictr(model, X[::-1]).ravel().tolist()


def test_a_series_is_forecast_in_its_own_units(tmp_path, capsys):
    values = 50 + 10 * np.sin(np.arange(60) / 2)
    with open(tmp_path / "wave.csv", "w", newline="") as file:
        csv.writer(file).writerows([("month", "level"), *enumerate(values.tolist())])
    columns = f"{tmp_path}/wave.csv --y level --time month --lookback 6"
    train = f"train {columns} --learningrate 0.1 --numepochs 5 --seed 2 --quiet --out {tmp_path}/m.model"
    assert main(train.split()) == 0
    scale = Normalisation.by_range(values)
    cut = windows(scale.apply(values), 6, every_step=True)
    expected = pytrainr.trainr(
        cut.Y, cut.X, learningrate=0.1, numepochs=5, epoch_function=[], rng=pytrainr.RRandom(2), **scale.fields()
    )
    capsys.readouterr()

    assert main(["predict", f"{tmp_path}/m.model", f"{tmp_path}/wave.csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["month", "level"]
    assert rows[1][0] == "6"
    predicted = pytrainr.predictr(expected, windows(values, 6).X)[:, -1]
    assert [float(row[1]) for row in rows[1:]] == predicted.tolist()
    assert 30 < predicted.min() < predicted.max() < 70

    assert main(["predict", f"{tmp_path}/m.model", f"{tmp_path}/wave.csv", "--ahead", "3"]) == 0
    ahead = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert [float(row[1]) for row in ahead[1:]] == forecast(expected, values, 3, 6)[:, 0].tolist()


def test_retraining_goes_on_with_the_model(tmp_path, arrays):
    Y, X = arrays
    files = ["--Y", f"{tmp_path}/Y.npy", "--X", f"{tmp_path}/X.npy", "--quiet"]
    assert main(["train", *files, "--learningrate", "0.1", "--seed", "1", "--out", f"{tmp_path}/first.model"]) == 0
    more = ["--retrain", f"{tmp_path}/first.model", "--seed", "2", "--out", f"{tmp_path}/second.model"]
    assert main(["train", *files, *more]) == 0
    first = pytrainr.Model.load(tmp_path / "first.model")
    expected = pytrainr.trainr(Y, X, model=first, rng=pytrainr.RRandom(2))
    second = pytrainr.Model.load(tmp_path / "second.model")
    assert all(map(np.array_equal, second.recurrent_synapse, expected.recurrent_synapse))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train --out m --learningrate 1", "give either DATA.csv with --y, or both"),
        ("train --out m --X X.npy --learningrate 1", "give either DATA.csv with --y, or both"),
        ("train data.csv --out m --learningrate 1", "--y is missing"),
        ("train --out m --X X.npy --Y Y.npy", "--learningrate is missing"),
        ("train --out m --X X.npy --Y Y.npy --learningrate 1 --hidden-dim big", "--hidden-dim is 'big'"),
        ("train --out m --X X.npy --Y Y.npy --learningrate 1 --set clipping", "NAME=VALUE"),
        ("train --out m --X X.npy --Y Y.npy --learningrate 1 --set hidden_dims=3", "hidden_dim"),
        ("train --out m --X text.npy --Y Y.npy --learningrate 1", "text.npy is no .npy array"),
        ("train --out m --X none.npy --Y Y.npy --learningrate 1", "none.npy"),
        ("train data.csv --y v --sample id --lookback 2 --out m --learningrate 1", "one long series"),
        ("predict none.model --X X.npy", "none.model"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, arrays, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "data.csv").write_text("id,v\n1,1\n1,2\n1,3\n")
    assert main(arguments.split()) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1]
    assert not any("Traceback" in line for line in said)


@pytest.mark.parametrize("command", [[], ["train"], ["predict"], ["demo"]])
def test_help_teaches(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "usage: pytrainr" in capsys.readouterr().out
