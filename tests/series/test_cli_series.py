"""Series and samples of unequal length on the command line; what a model to go on with fixes; what is checked first."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import pytrainr
from pytrainr import Model
from pytrainr.cli import main
from pytrainr.series import Normalisation, forecast, gaps, windows


def wave(rows: int, start: int = 0, size: float = 10.0) -> np.ndarray:
    return 50 + size * np.sin(np.arange(start, start + rows) / 2)


def write(path: Path, header: list[str], *columns: object) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *zip(*columns, strict=True)])  # type: ignore[call-overload]


def run(command: str, *more: str) -> int:
    return main([*command.split(), *more])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a series, a newer and smaller one, and a model of the first."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "wave.csv", ["month", "level"], range(60), wave(60).tolist())
    write(tmp_path / "small.csv", ["month", "level"], range(40), wave(40, 7, 2.0).tolist())
    assert (
        run("train wave.csv --y level --time month --lookback 6 --learningrate 0.1 --seed 2 --quiet --out h.model") == 0
    )
    return tmp_path


# going on with a model ------------------------------------------------------------------------------------------------


def test_retraining_a_series_keeps_the_model_s_scale_and_windows(here: Path) -> None:
    """11.2: the new file was scaled by its own range while the model kept the old one: mean error 1.46 for 0.40."""
    assert run("train small.csv --retrain h.model --numepochs 5 --seed 3 --quiet --out again.model") == 0
    model = Model.load("h.model")
    scale = Normalisation.of_model(model)
    assert np.array_equal(scale.center, Normalisation.by_range(wave(60)).center)
    cut = windows(scale.apply(wave(40, 7, 2.0)), 6, every_step=True)
    model.numepochs = 5
    expected = pytrainr.trainr(cut.Y, cut.X, model=model, rng=pytrainr.RRandom(3))
    again = Model.load("again.model")
    assert all(map(np.array_equal, again.time_synapse, expected.time_synapse))
    assert again.error.shape == (34, 5)
    for name in ("input_center", "input_scale", "output_center", "output_scale", "table"):
        assert np.array_equal(again[name], model[name])


def test_python_s_retraining_refuses_another_scale(here: Path) -> None:
    """11.2: ``trainr(model=)`` ignored the fields of another normalisation, and the model kept the old."""
    model = Model.load("h.model")
    own, other = Normalisation.of_model(model), Normalisation.by_range(wave(40, 7, 2.0))
    cut = windows(own.apply(wave(40, 7, 2.0)), 6, every_step=True)
    pytrainr.trainr(cut.Y, cut.X, model=model, **own.fields())
    with pytest.raises(ValueError, match=r"input_center is .* the model's is .* scale the new data by that"):
        pytrainr.trainr(cut.Y, cut.X, model=model, **other.fields())
    plain = pytrainr.trainr(cut.Y, cut.X, learningrate=0.1, epoch_function=[])
    with pytest.raises(ValueError, match=r"input_center is .* the model's is None"):
        pytrainr.trainr(cut.Y, cut.X, model=plain, **own.fields())
    with pytest.raises(ValueError, match="keeps no normalisation"):
        Normalisation.of_model(plain)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--delay 5", "--delay is 5, the model's is 1"),
        ("--delay 1,2", "--delay is 1,2, the model's is 1"),
        ("--lookback 12", "--lookback is 12, the model's is 6"),
        ("--step 2", "--step is 2, the model's is 1"),
        ("--y month", "--y is month, the model's is level"),
        ("--x month", "--x is level,month, the model's is level"),
        ("--sample month", "--sample is month, the model's is None"),
        ("--time level", "--time is level, the model's is month"),
        ("--hidden-dim 5", "--hidden-dim is 5, the model's is 10"),
        ("--network-type lstm", "--network-type is lstm, the model's is rnn"),
        ("--sigmoid tanh", "--sigmoid is tanh, the model's is logistic"),
        ("--update-rule adagrad", "--update-rule is adagrad, the model's is sgd"),
        ("--use-bias", "--use-bias is True, the model's is False"),
        ("--exact", "--exact is True, the model's is not set"),
        ("--seq-to-seq-unsync", "--seq-to-seq-unsync is True, the model's is False"),
        ("--set clipping=1", "--set clipping is 1, the model's is not set"),
        ("--numepochs 0", "numepochs should be a whole number, 1 or more"),
    ],
)
def test_what_a_model_fixes_cannot_be_asked_for_otherwise(
    here: Path, capsys: pytest.CaptureFixture[str], option: str, message: str
) -> None:
    """11.2: ``--delay 5 --retrain`` of a model of delay 1 kept 1 and said nothing."""
    assert run(f"train small.csv --retrain h.model --out again.model {option}") == 1
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (here / "again.model").exists()


def test_the_model_s_own_options_may_be_repeated(here: Path) -> None:
    """11.2: what is asked for and is so is no error."""
    same = "--y level --x level --time month --lookback 6 --step 1 --delay 1 --hidden-dim 10 --network-type rnn"
    assert run(f"train small.csv --retrain h.model --quiet --out again.model {same} --set use_bias=false") == 0


def test_what_may_change_is_changed(here: Path) -> None:
    """11.2: what R users set on the model before they train on, the command line sets: it was ignored."""
    changes = "--numepochs 3 --learningrate 0.05 --learningrate-decay 0.5 --momentum 0.1 --batch-size 2"
    assert run(f"train small.csv --retrain h.model --quiet --out again.model {changes}") == 0
    model = Model.load("again.model")
    assert (model.numepochs, model.learningrate_decay, model.momentum, model.batch_size) == (3, 0.5, 0.1, 2)
    assert model.learningrate == pytest.approx(0.05 * 0.5**3)


def test_retraining_a_table_of_a_scaled_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """11.2: the neighbour without windows: a table's numbers are raw, so the model's scale is applied."""
    monkeypatch.chdir(tmp_path)
    raw = np.random.default_rng(3).uniform(20, 80, (8, 4, 2))
    scale = Normalisation.by_range(raw.reshape(-1, 2))
    scaled = scale.apply(raw)
    source = json.dumps({"y": ["b"], "x": ["a", "b"], "sample": "id", "time": "t"})
    first = pytrainr.trainr(
        scaled[:, :, 1:], scaled, learningrate=0.1, epoch_function=[], table=source, **scale.fields(1)
    )
    first.save("first.model")
    write(
        tmp_path / "t.csv",
        ["id", "t", "a", "b"],
        np.repeat(range(8), 4).tolist(),
        list(range(4)) * 8,
        raw[:, :, 0].ravel().tolist(),
        raw[:, :, 1].ravel().tolist(),
    )
    assert run("train t.csv --retrain first.model --quiet --seed 1 --out second.model") == 0
    expected = pytrainr.trainr(scaled[:, :, 1:], scaled, model=first, rng=pytrainr.RRandom(1))
    assert all(map(np.array_equal, Model.load("second.model").time_synapse, expected.time_synapse))


def test_a_model_of_arrays_is_not_retrained_on_a_series(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """11.2: there is no scale to go on with."""
    X = np.random.default_rng(1).random((5, 3, 1))
    pytrainr.trainr(X, X, learningrate=0.1, epoch_function=[]).save("arrays.model")
    assert run("train small.csv --y level --lookback 3 --retrain arrays.model --out again.model") == 1
    assert "keeps no scale of a series" in capsys.readouterr().err


# several steps at once, gaps, unequal lengths -------------------------------------------------------------------------


def test_several_delays_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """11.24: ``--delay 1,2,3`` trains, predicts and forecasts three rows at once."""
    train = "train wave.csv --y level --time month --lookback 6 --delay 1,2,3 --learningrate 0.1 --seed 2 --quiet"
    assert run(train + " --out three.model") == 0
    scale = Normalisation.by_range(wave(60))
    cut = windows(scale.apply(wave(60)), 6, delay=[1, 2, 3], every_step=True)
    expected = pytrainr.trainr(
        cut.Y, cut.X, learningrate=0.1, epoch_function=[], rng=pytrainr.RRandom(2), **scale.fields(0, [1, 2, 3])
    )
    capsys.readouterr()
    assert run("predict three.model wave.csv") == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["month", "ahead", "level"]
    assert [row[:2] for row in rows[1:5]] == [["6", "1"], ["7", "2"], ["8", "3"], ["7", "1"]]
    raw = windows(wave(60), 6, delay=[1, 2, 3])
    predicted = pytrainr.predictr(expected, raw.X)[:, -1]
    assert [float(row[2]) for row in rows[1:]] == predicted.ravel().tolist()
    assert run("predict three.model wave.csv --ahead 7") == 0
    ahead = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    expected_ahead = forecast(expected, wave(60), 7, 6, delay=[1, 2, 3])
    assert [float(row[1]) for row in ahead[1:]] == expected_ahead[:, 0].tolist()


def test_ahead_needs_rows_one_after_the_other(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """11.24: delays with a hole cannot be fed back."""
    train = "train wave.csv --y level --lookback 6 --delay 2,4 --learningrate 0.1 --quiet --out m.model"
    assert run(train) == 0
    assert run("predict m.model wave.csv --ahead 3") == 1
    assert "a forecast needs delay=1, or [1, 2, ...]" in capsys.readouterr().err


def test_windows_of_a_file_with_gaps_do_not_cross_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """11.24: gaps in dates are said, and no window reaches across one, in training and in prediction."""
    monkeypatch.chdir(tmp_path)
    days = [*np.arange("2024-01-01", "2024-01-31", dtype="datetime64[D]")]
    days += [*np.arange("2024-02-10", "2024-03-10", dtype="datetime64[D]")]
    values = wave(len(days))
    write(tmp_path / "gap.csv", ["day", "level"], days, values.tolist())
    train = "train gap.csv --y level --time day --lookback 6 --learningrate 0.1 --seed 2 --quiet"
    assert run(train + " --out apart.model") == 0
    said = capsys.readouterr().err
    assert "time is left out 1 time, first between 2024-01-30 and 2024-02-10" in said
    assert f"{len(days) - 12} windows" in said
    assert "none reaches across a gap (--across-gaps would)" in said
    scale = Normalisation.by_range(values)
    cut = windows(scale.apply(values), 6, every_step=True, breaks=gaps(days))
    expected = pytrainr.trainr(cut.Y, cut.X, learningrate=0.1, epoch_function=[], rng=pytrainr.RRandom(2))
    assert all(map(np.array_equal, Model.load("apart.model").time_synapse, expected.time_synapse))
    assert run("predict apart.model gap.csv") == 0
    rows = [row[0] for row in csv.reader(io.StringIO(capsys.readouterr().out))][1:]
    assert rows == [str(day) for row, day in enumerate(days) if row >= 6 and not 30 <= row < 36]
    assert run(train + " --across-gaps --out across.model") == 0
    assert f"{len(days) - 6} windows" in capsys.readouterr().err
    assert run("predict across.model gap.csv") == 0
    assert len(list(csv.reader(io.StringIO(capsys.readouterr().out)))) == len(days) - 6 + 1
    assert run(train + " --across-gaps --retrain apart.model --out x.model") == 1
    assert "--across-gaps is True, the model's is False" in capsys.readouterr().err


def test_samples_of_unequal_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """11.24: ``--pad`` trains exactly on samples of unequal length; a row is predicted for each that there is."""
    monkeypatch.chdir(tmp_path)
    lengths = [4, 2, 3, 4, 1]
    names = [f"s{k}" for k, length in enumerate(lengths) for _ in range(length)]
    times = [step for length in lengths for step in range(length)]
    a, b = np.random.default_rng(4).random((2, len(names)))
    write(tmp_path / "t.csv", ["id", "t", "a", "b"], names, times, a.tolist(), b.tolist())
    columns = "train t.csv --y b --x a --sample id --time t --learningrate 0.1 --quiet --seed 1 --out m.model"
    assert run(columns) == 1
    assert "pad=True, --pad, for exact training" in capsys.readouterr().err
    assert run(columns + " --pad") == 1
    assert "--pad needs --exact" in capsys.readouterr().err
    assert run(columns + " --pad --exact --network-type gru") == 0
    X, Y = np.full((2, 5, 4, 1), np.nan)
    X[[int(name[1]) for name in names], times, 0] = a
    Y[[int(name[1]) for name in names], times, 0] = b
    expected = pytrainr.trainr(
        Y,
        X,
        learningrate=0.1,
        exact=True,
        network_type="gru",
        mask="nan",
        epoch_function=[],
        rng=pytrainr.RRandom(1),
    )
    model = Model.load("m.model")
    assert all(map(np.array_equal, model.recurrent_synapse, expected.recurrent_synapse))
    capsys.readouterr()
    assert run("predict m.model t.csv") == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))[1:]
    assert [(row[0], int(row[1])) for row in rows] == list(zip(names, times, strict=True))
    predicted = pytrainr.predictr(expected, X)
    assert [float(row[2]) for row in rows] == predicted[~np.isnan(predicted)].tolist()
    shorter = [row for row in range(len(names)) if times[row] < 2]
    write(tmp_path / "short.csv", ["id", "t", "a", "b"], *([x[row] for row in shorter] for x in (names, times, a, b)))
    assert run("train short.csv --retrain m.model --quiet --out again.model") == 0


# what is checked before training --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--out nowhere/m.model", "--out nowhere/m.model: there is no folder nowhere; make it first"),
        ("--out .", "--out . is a folder"),
        ("--out wave.csv/m.model", "wave.csv is no folder"),
        ("--out wave.csv", "--out wave.csv is a file which is read"),
        ("--out m.model --errors nowhere/e.csv", "--errors nowhere/e.csv: there is no folder nowhere"),
        ("--out m.model --errors m.model", "--errors m.model is a file that --out names"),
        ("--out m.model --errors wave.csv", "--errors wave.csv is a file which is read"),
        ("--out m.model --plot nowhere/e.png", "--plot nowhere/e.png: there is no folder nowhere"),
        ("--out m.model --plot e.xyz", "--plot e.xyz: pictures are .*.png"),
        ("--out m.model --y nothing", "y='nothing' is not a column; the table has 'month', 'level'"),
        ("--out m.model --time nothing", "time='nothing' is not a column"),
        ("--out m.model --delay 0", None),
        ("--out m.model --delay 1,1", None),
        ("--out m.model --hidden-dim 3 --set hidden_dim=4", "hidden_dim is given twice"),
    ],
)
def test_what_can_be_checked_is_checked_before_training(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: str, message: str | None
) -> None:
    """11.16: ``--out`` in a folder that does not exist was noticed after training."""

    def trained(*_: object, **__: object) -> None:
        raise AssertionError("training has begun")

    monkeypatch.setattr(pytrainr, "trainr", trained)
    command = ["train", "wave.csv", "--y", "level", "--lookback", "6", "--learningrate", "0.1", *options.split()]
    if message is None:
        with pytest.raises(SystemExit):
            main(command)
        assert "argument --delay: delay is" in capsys.readouterr().err
        return
    assert main(command) == 1
    assert re.search(message, capsys.readouterr().err)


def test_a_folder_that_may_not_be_written_is_noticed_first(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """11.16: also where only the rights are missing; root may write everywhere, so the answer is made here."""
    monkeypatch.setattr("pytrainr.cli.files.os.access", lambda *_: False)
    assert run("train wave.csv --y level --lookback 6 --learningrate 0.1 --out m.model") == 1
    assert "you may not write in ." in capsys.readouterr().err
    assert run("predict h.model wave.csv --out p.csv") == 1
    assert "you may not write in ." in capsys.readouterr().err
    assert run("demo --out plots") == 1
    assert "you may not write in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("predict h.model wave.csv --out nowhere/p.csv", "there is no folder nowhere"),
        ("predict h.model wave.csv --out h.model", "--out h.model is a file which is read"),
        ("predict h.model wave.csv --out wave.csv", "--out wave.csv is a file which is read"),
        ("demo --out wave.csv", "wave.csv is no folder"),
        ("demo --out wave.csv/plots", "wave.csv is no folder"),
    ],
)
def test_other_commands_check_their_outputs_first(
    here: Path, capsys: pytest.CaptureFixture[str], command: str, message: str
) -> None:
    """11.16: the neighbours; predictions are not written over the data they are made from."""
    assert run(command) == 1
    assert message in capsys.readouterr().err


# names and files ------------------------------------------------------------------------------------------------------


def test_columns_with_commas_and_spaces_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """11.15: ``"temp, C"`` and ``" a"`` could not be named on the command line."""
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(2).random((3, 12)).tolist()
    write(tmp_path / "t.csv", ["temp, C", " a", "b"], *values)
    for names in ("temp, C,a", '"temp, C", a', '" a","temp, C"', " a,temp, C"):
        command = ["train", "t.csv", "--y", "b", "--x", names, "--learningrate", "0.1", "--out", "m.model", "--quiet"]
        assert main(command) == 0
        assert sorted(json.loads(Model.load("m.model").table)["x"]) == [" a", "temp, C"]
    assert main(["predict", "m.model", "t.csv"]) == 0
    assert main(["train", "t.csv", "--y", "temp, C", "--x", "b", "--learningrate", "0.1", "--out", "m.model"]) == 0
    assert json.loads(Model.load("m.model").table)["y"] == ["temp, C"]


def test_encoding_and_decimal_commas_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """11.15: a cp1252 file was an error without the file's name and without a way round."""
    monkeypatch.chdir(tmp_path)
    values = wave(30)
    lines = ["Zeit;°C", *(f"{k};{value:.6f}".replace(".", ",") for k, value in enumerate(values.tolist()))]
    (tmp_path / "t.csv").write_bytes("\r\n".join(lines).encode("cp1252"))
    train = "train t.csv --y °C --time Zeit --lookback 4 --learningrate 0.1 --quiet --out m.model"
    assert run(train) == 1
    assert "t.csv: line 1 has the byte 0xb0, which is no utf-8" in capsys.readouterr().err
    assert run(train + " --encoding cp1252") == 0
    scale = Normalisation.by_range(np.round(values, 6))
    assert np.allclose(Model.load("m.model").input_center, scale.center)
    assert run("predict m.model t.csv") == 1
    assert run("predict m.model t.csv --encoding cp1252 --decimal ,") == 0
