"""``trainr(exact=True)`` and ``predictr`` as users call them."""

from __future__ import annotations

import numpy as np
import pytest

from pytrainr import Model, RRandom, bin2int, int2bin, predictr, preparation, trainr
from pytrainr.exact.reservoir import ridge
from pytrainr.threads import limited_threads
from pytrainr.training import Training

QUIET = {"epoch_function": []}


def sums(count: int, seed: int = 0):
    random = np.random.default_rng(seed)
    a, b = random.integers(0, 127, (2, count))
    return np.stack([int2bin(a), int2bin(b)], axis=2), int2bin(a + b)


def series(samples=30, steps=6, inputs=2, seed=0):
    random = np.random.default_rng(seed)
    X = random.standard_normal((samples, steps, inputs))
    return X, 1 / (1 + np.exp(-np.cumsum(X.sum(axis=2), axis=1)))[:, :, np.newaxis]


@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.3}, {"hidden_dim": (7, 5)}, {"batch_size": 11}, {"clipping": 0.05}]
)
def test_logistic_rnn_without_bias_equals_r(options):
    """There R's gradient is right, so both arithmetics train the same network."""
    X, Y = sums(300)
    arguments = {"learningrate": 0.1, "hidden_dim": 10, "numepochs": 3, **QUIET, **options}
    ours, theirs = (trainr(Y, X, **arguments, exact=exact, rng=RRandom(1)) for exact in (True, False))
    for field in ("time_synapse", "recurrent_synapse", "time_synapse_update", "recurrent_synapse_update"):
        for a, b in zip(ours[field], theirs[field], strict=True):
            assert np.abs(a - b).max() < 1e-12
    assert np.abs(ours.error - theirs.error).max() < 1e-12
    assert np.abs(predictr(ours, X) - predictr(theirs, X)).max() < 1e-12


@pytest.mark.parametrize("network_type", ["rnn", "gru", "lstm"])
def test_initial_weights_are_rs(network_type):
    """The same seed draws the same weights in both arithmetics: a rate of 0 shows them."""
    X, Y = sums(5)
    arguments = {
        "learningrate": 0.0,
        "hidden_dim": (4, 3) if network_type == "rnn" else 4,
        "network_type": network_type,
    }
    ours, theirs = (trainr(Y, X, **arguments, **QUIET, exact=exact, rng=RRandom(3)) for exact in (True, False))
    for field in ("time_synapse", "recurrent_synapse"):
        for a, b in zip(ours[field], theirs[field], strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("network_type", ["gru", "lstm"])
def test_gates_learn_to_add(network_type):
    X, Y = sums(2000)
    options = {
        "hidden_dim": 12,
        "use_bias": True,
        "update_rule": "adam",
        "init": "glorot",
        "loss": "binary_crossentropy",
    }
    model = trainr(
        Y,
        X,
        learningrate=0.02,
        network_type=network_type,
        batch_size=20,
        numepochs=25,
        exact=True,
        rng=RRandom(1),
        **options,
        **QUIET,
    )
    X, Y = sums(500, seed=1)
    assert np.array_equal(bin2int(np.round(predictr(model, X))), bin2int(Y))


def test_without_exact_a_message_says_so(capsys):
    preparation._note_gradient.cache_clear()  # it is said once a process
    X, Y = sums(5)
    trainr(Y, X, learningrate=0.1, network_type="gru", hidden_dim=2, **QUIET)
    assert "exact=True" in capsys.readouterr().err


SHAPES = {
    "many to one": ((6, 1), {}),
    "one to many": ((1, 5), {}),
    "shifted": ((4, 3), {"seq_to_seq_unsync": True}),
    "attention": ((6, 4), {"attention": True, "bidirectional": True}),
    "pyramid": ((6, 3), {"hidden_dim": (3, 3), "pyramid": 2}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape):
    (steps, output_steps), options = SHAPES[shape]
    random = np.random.default_rng(0)
    X, Y = random.standard_normal((20, steps, 2)), random.uniform(size=(20, output_steps, 1))
    arguments = {
        "learningrate": 0.05,
        "hidden_dim": 3,
        "network_type": "gru",
        "numepochs": 30,
        "update_rule": "adam",
        **options,
    }
    model = trainr(Y, X, exact=True, rng=RRandom(1), **arguments, **QUIET)
    assert predictr(model, X).shape == (20, output_steps)
    assert model.mean_error[-1] < model.mean_error[0]


@pytest.mark.parametrize("network_type", ["rnn", "jordan", "gru", "lstm", "esn"])
def test_step_by_step_equals_the_whole(network_type):
    X, Y = series()
    model = trainr(
        Y,
        X,
        learningrate=0.1,
        network_type=network_type,
        hidden_dim=(5, 4),
        use_bias=True,
        exact=True,
        rng=RRandom(1),
        **QUIET,
    )
    whole, state = predictr(model, X), None
    pieces = []
    for t in range(X.shape[1]):
        piece, state = predictr(model, X[:, t : t + 1], state=state, return_state=True)
        pieces.append(piece)
    assert np.array_equal(np.concatenate(pieces, axis=1), whole)


def test_state_has_its_limits():
    X, Y = series()
    model = trainr(Y, X, learningrate=0.1, bidirectional=True, exact=True, rng=RRandom(1), **QUIET)
    with pytest.raises(ValueError, match="bidirectional"):
        predictr(model, X, return_state=True)


def test_masked_steps_do_not_matter():
    """A sample padded to a greater length trains and predicts as it does alone."""
    X, Y = series(samples=12)
    padded_X, padded_Y = (np.concatenate([a, np.full((12, 3, a.shape[2]), np.nan)], axis=1) for a in (X, Y))
    options = {"learningrate": 0.1, "network_type": "lstm", "bidirectional": True, "exact": True, **QUIET}
    alone = trainr(Y, X, rng=RRandom(1), **options)
    padded = trainr(padded_Y, padded_X, mask="nan", rng=RRandom(1), **options)
    for a, b in zip(alone.time_synapse, padded.time_synapse, strict=True):
        assert np.abs(a - b).max() < 1e-13
    prediction = predictr(padded, padded_X)
    assert np.abs(prediction[:, :6] - predictr(alone, X)).max() < 1e-13
    assert np.isnan(prediction[:, 6:]).all()
    mask = np.ones((12, 9))
    mask[:, 6:] = 0
    filled = [np.nan_to_num(a, nan=5.0) for a in (padded_Y, padded_X)]
    again = trainr(*filled, mask=mask, rng=RRandom(1), **options)
    assert np.array_equal(again.time_synapse[0], padded.time_synapse[0])


def test_truncated_backpropagation_with_its_state():
    """As one piece it is the ordinary kind; in pieces the state goes on, so a long memory still shows in the output."""
    X, Y = series()
    options = {"learningrate": 0.05, "network_type": "gru", "exact": True, **QUIET}
    whole, one_piece, pieces = (trainr(Y, X, rng=RRandom(1), bptt_steps=k, **options) for k in (None, 6, 2))
    assert np.array_equal(whole.time_synapse[0], one_piece.time_synapse[0])
    assert pieces.updates_done == 3 * whole.updates_done
    still = trainr(Y, X, rng=RRandom(1), bptt_steps=2, **{**options, "learningrate": 0.0})
    assert np.abs(still.error[:, 0] - np.abs(Y[:, :, 0] - predictr(still, X)).sum(axis=1)).max() < 1e-12


def test_validation_restores_the_best_weights():
    X, Y = series(samples=40)
    model = trainr(
        Y,
        X,
        learningrate=0.3,
        hidden_dim=8,
        numepochs=60,
        update_rule="adam",
        validation=0.25,
        patience=5,
        exact=True,
        rng=RRandom(2),
        **QUIET,
    )
    losses = model.validation_loss
    assert losses.size == model.current_epoch == min(60, model.best_epoch + 5)
    assert model.error.shape == (30, losses.size)
    assert losses[model.best_epoch - 1] == losses.min() == model.best_validation_loss
    remaining = predictr(model, X[30:])
    assert np.isclose(0.5 * ((remaining - Y[30:, :, 0]) ** 2).sum() / 10, losses.min(), rtol=1e-12)
    assert not [field for field in model if field.endswith("_best")]


def test_dropout_is_reproducible_and_ends_with_training():
    X, Y = series()
    options = {
        "learningrate": 0.1,
        "network_type": "lstm",
        "dropout": 0.3,
        "recurrent_dropout": 0.2,
        "exact": True,
        "numepochs": 3,
        **QUIET,
    }
    one, two, other = (trainr(Y, X, rng=RRandom(seed), **options) for seed in (1, 1, 2))
    assert one == two
    assert not np.array_equal(one.time_synapse[0], other.time_synapse[0])
    whole = one.copy()
    whole.dropout = whole.recurrent_dropout = 0.0
    assert np.array_equal(predictr(one, X), predictr(whole, X))


def test_slices_and_checkpoints_change_nothing():
    X, Y = series(samples=60)
    options = {
        "learningrate": 0.05,
        "network_type": "gru",
        "dropout": 0.2,
        "update_rule": "adam",
        "exact": True,
        "numepochs": 4,
        **QUIET,
    }
    whole = trainr(Y, X, rng=RRandom(1), **options)
    training = Training(Y, X, rng=RRandom(1), **options)
    while training.epoch < 2:
        training.advance(0.0)
    saved, errors = training.checkpoint(), training.model.error[:, :2].copy()
    resumed = Training(Y, X, rng=RRandom(7), **options)
    resumed.restore(saved, errors)
    while not resumed.finished:
        resumed.advance(0.0)
    assert np.array_equal(resumed.result().error, whole.error)
    assert np.array_equal(resumed.result().recurrent_synapse[0], whole.recurrent_synapse[0])


def test_threads_change_no_bit(monkeypatch):
    """A large group is cut into shares by its shape alone; one thread or several sum the same shares."""
    from pytrainr.exact import network

    monkeypatch.setattr(network, "_SHARED_FROM", 1e3)
    X, Y = series(samples=200)
    models = []
    for threads in (1, 3):
        with limited_threads(threads):
            models.append(
                trainr(
                    Y,
                    X,
                    learningrate=0.05,
                    batch_size=200,
                    network_type="lstm",
                    l2=0.01,
                    exact=True,
                    rng=RRandom(1),
                    **QUIET,
                )
            )
    assert models[0] == models[1]


def test_single_precision_is_close():
    X, Y = series()
    options = {
        "learningrate": 0.1,
        "network_type": "rnn",
        "hidden_activation": "tanh",
        "numepochs": 5,
        "exact": True,
        **QUIET,
    }
    double, single = (trainr(Y, X, rng=RRandom(1), dtype=dtype, **options) for dtype in ("float64", "float32"))
    difference = np.abs(double.time_synapse[0] - single.time_synapse[0]).max()
    assert 0 < difference < 1e-4
    assert np.array_equal(single.time_synapse[0], single.time_synapse[0].astype(np.float32))


def test_echo_state_readout_is_the_direct_solution():
    X, Y = series(samples=50, steps=10)
    model = trainr(
        Y,
        X,
        learningrate=0.1,
        network_type="esn",
        hidden_dim=40,
        leak=0.5,
        ridge=1e-3,
        use_bias=True,
        exact=True,
        rng=RRandom(1),
        **QUIET,
    )
    recurrent = model.recurrent_synapse[0]
    assert np.isclose(np.abs(np.linalg.eigvals(recurrent)).max(), 0.9)
    assert 0.02 < np.mean(recurrent != 0) < 0.2
    states = predictr(model, X, hidden=True)[0].reshape(-1, 40)
    centred, targets = states - states.mean(axis=0), Y.reshape(-1, 1) - Y.mean()
    direct = np.linalg.solve(centred.T @ centred + 1e-3 * np.eye(40), centred.T @ targets)
    assert np.abs(model.time_synapse[1] - direct).max() < 1e-7 * np.abs(direct).max()
    assert np.allclose(ridge(states, Y.reshape(-1, 1), 1e-3, True)[0], direct, rtol=1e-6)
    expected = np.abs(predictr(model, X) - Y[:, :, 0]).sum(axis=1)
    assert np.allclose(model.error[:, 0], expected)


@pytest.mark.parametrize("init", ["glorot", "orthogonal"])
def test_init(init):
    X, Y = series()
    model = trainr(
        Y,
        X,
        learningrate=0.0,
        network_type="lstm",
        hidden_dim=6,
        use_bias=True,
        init=init,
        forget_bias=1.5,
        exact=True,
        rng=RRandom(1),
        **QUIET,
    )
    assert np.array_equal(model.bias_synapse[0], np.tile([1.5, 0, 0, 0], (6, 1)))
    for gate in range(4):
        matrix = model.recurrent_synapse[0][:, :, gate]
        if init == "orthogonal":
            assert np.allclose(matrix @ matrix.T, np.eye(6))
        else:
            assert np.abs(matrix).max() <= np.sqrt(6 / 12)


def test_model_survives_the_disk(tmp_path):
    X, Y = series()
    model = trainr(
        Y,
        X,
        learningrate=0.1,
        network_type="lstm",
        peephole=True,
        bidirectional=True,
        mask="nan",
        exact=True,
        rng=RRandom(1),
        **QUIET,
    )
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded == model
    assert np.array_equal(predictr(loaded, X), predictr(model, X))
    further = trainr(Y, X, loaded, rng=RRandom(2))
    assert further.updates_done > model.updates_done


ERRORS = {
    "network_type": ({"network_type": "transformer"}, "network_type"),
    "loss": ({"loss": "hinge"}, "loss should be one of"),
    "peephole": ({"peephole": True}, "lstm"),
    "misspelt": ({"drop_out": 0.2}, "dropout"),
    "dropout": ({"dropout": 1.0}, "dropout"),
    "forget_bias": ({"network_type": "lstm", "forget_bias": 1.0}, "use_bias"),
    "softmax": ({"output": "softmax"}, "one variable per class"),
    "crossentropy": ({"output": "linear", "loss": "binary_crossentropy"}, "between 0 and 1"),
    "bptt": ({"bptt_steps": 2, "bidirectional": True}, "whole of it"),
    "validation": ({"validation": 2}, "validation"),
    "mask": ({"mask": np.ones((2, 2))}, "mask should be"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_teach(case):
    options, expected = ERRORS[case]
    X, Y = series()
    with pytest.raises((ValueError, TypeError), match=expected):
        trainr(Y, X, learningrate=0.1, exact=True, **options, **QUIET)


def test_nan_without_mask_names_it():
    X, Y = series()
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"X\[3, 2, 0\] is nan.*mask='nan'"):
        trainr(Y, X, learningrate=0.1, exact=True, **QUIET)
