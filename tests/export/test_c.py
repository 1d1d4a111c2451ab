"""``model.to_c``: what the C compiler makes of the file computes what ``predictr`` computes (issue 14, item 3)."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pytrainr
from pytrainr.exact.layer_list import described
from pytrainr.export.c_file import c_source
from pytrainr.export.c_rows import CALLS
from pytrainr.export.of_model import NotExportableError
from pytrainr.layers import (
    GRU,
    LSTM,
    NTM,
    AdaptiveComputation,
    Bidirectional,
    Conv1D,
    Decoder,
    Dense,
    EchoState,
    Embedding,
    Jordan,
    Pyramid,
    SimpleRNN,
)
from pytrainr.series import Normalisation
from tests.exact import test_layers
from tests.export.models import cube, model_of, with_gaps

CC = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(CC is None, reason="a C compiler is missing: install gcc or clang")
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-O2", "-ffp-contract=off"]


class Compiled:
    """The file of a model, compiled, called from here."""

    def __init__(
        self, model: pytrainr.Model, folder: Path, name: str = "net", flags: tuple[str, ...] = tuple(STRICT)
    ) -> None:
        source, library = folder / f"{name}.c", folder / f"{name}-{len(list(folder.iterdir()))}.so"
        model.to_c(source)
        text = source.read_text()
        assert not re.search(r"\b(malloc|calloc|realloc|free)\b", text)
        assert CC is not None
        subprocess.run([CC, *flags, "-shared", "-fPIC", source, "-o", library, "-lm"], check=True)
        self.library, self.model, self.name = ctypes.CDLL(str(library)), model, name
        (size,) = re.findall(r"#define STATE (\d+)", text)
        self.memory = np.full(int(size) + 8, np.nan)  # nothing is to rely on zeros

    def call(self, function: str, *given: Any) -> int:
        arrays = [g.ctypes.data_as(ctypes.c_void_p) if isinstance(g, np.ndarray) else g for g in (self.memory, *given)]
        return int(getattr(self.library, f"{self.name}_{function}")(*arrays))

    def predict(self, X: np.ndarray) -> np.ndarray:
        X = np.ascontiguousarray(X)
        steps = getattr(self.library, f"{self.name}_output_steps")(X.shape[1])
        y = np.full((len(X), steps, self.model.output_dim), -7.0)
        assert self.call("predict", X, *X.shape[:2], y) == 0
        return y

    @property
    def steps(self) -> bool:
        return hasattr(self.library, f"{self.name}_step")

    def step_through(self, sequence: np.ndarray) -> np.ndarray:
        self.call("reset")
        out = np.empty((len(sequence), self.model.output_dim))
        for x, y in zip(np.ascontiguousarray(sequence), out, strict=True):
            assert self.call("step", x, y) == 0
        return out


def data(samples: int = 12, steps: int = 6, inputs: int = 2, outputs: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    return random.uniform(0.1, 0.9, (samples, steps, outputs)), random.standard_normal((samples, steps, inputs))


QUIET: dict[str, Any] = {"learningrate": 0.01, "numepochs": 2, "epoch_function": [], "hidden_dim": [3, 4]}


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize(
    ("network_type", "sigmoid"),
    [*(("rnn", sigmoid) for sigmoid in ("logistic", "tanh", "Gompertz")), ("gru", "logistic"), ("lstm", "logistic")],
)
def test_r_arithmetic_to_the_bit(network_type: str, sigmoid: str, use_bias: bool, tmp_path: Path) -> None:
    """R's arithmetic: the bits of predictr, recycled bias and normalisation included, for sequences of any length."""
    Y, X = data(outputs=2)
    scales = Normalisation.by_deviation(X.reshape(-1, 2) * 3.0 + 1.0).fields(target=[0, 1])
    options = {**QUIET, "network_type": network_type, "sigmoid": sigmoid, "use_bias": use_bias, **scales}
    model = pytrainr.trainr(Y, X, rng=pytrainr.RRandom(1), **options)
    compiled = Compiled(model, tmp_path)
    longer = np.random.default_rng(2).standard_normal((7, 11, 2)) * 3.0
    assert np.array_equal(compiled.predict(longer), pytrainr.predictr(model, longer))
    stepper = model.stepper()
    assert np.array_equal(compiled.step_through(longer[0]), [stepper(x) for x in longer[0]])


@pytest.mark.parametrize("network_type", ["rnn", "gru", "lstm"])
def test_r_arithmetic_in_a_hurry(network_type: str, tmp_path: Path) -> None:
    """-O3 -march=native -DPYTRAINR_FAST: exp and tanh of the file's own, other last bits."""
    Y, X = data(outputs=2)
    model = pytrainr.trainr(Y, X, rng=pytrainr.RRandom(1), network_type=network_type, **QUIET)
    flags = ("-O3", "-march=native", "-DPYTRAINR_FAST")
    found = Compiled(model, tmp_path, flags=flags).predict(X)
    assert np.abs(found - pytrainr.predictr(model, X)).max() < 1e-12


@pytest.mark.parametrize("flags", [("-O0",), ("-O3", "-march=native"), ("-O3", "-march=native", "-ffp-contract=off")])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_exact_as_compilers_compute_several_at_once(flags: tuple[str, ...], dtype: str, tmp_path: Path) -> None:
    """Units that fill vectors and others: predictr's numbers whatever the compiler makes of the loops."""
    stack = [GRU(16, reset_after=True, return_sequences=True), LSTM(13, return_sequences=True), Dense(3)]
    model = model_of(stack, 5, 3, dtype=dtype)
    X = np.random.default_rng(1).standard_normal((4, 7, 3))
    found = Compiled(model, tmp_path, flags=flags).predict(X)
    assert np.abs(found - pytrainr.predictr(model, X)).max() < (1e-12 if dtype == "float64" else 1e-5)


def test_output_that_goes_on_after_the_input(tmp_path: Path) -> None:
    """seq_to_seq_unsync, in R's arithmetic and exact: zeros follow the input, the last steps come out."""
    Y, X = data()
    for exact in (False, True):
        options = {**QUIET, "network_type": "gru", "seq_to_seq_unsync": True, "exact": exact, "use_bias": True}
        model = pytrainr.trainr(Y[:, :3], X, **options)
        found = Compiled(model, tmp_path, "exact" if exact else "as_in_r").predict(X)
        expected = cube(pytrainr.predictr(model, X))
        assert np.abs(found - expected).max() <= (1e-12 if exact else 0.0)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stack=st.lists(test_layers.layers, min_size=1, max_size=4),
    steps=st.integers(1, 6),
    width=st.integers(1, 3),
    mask=st.sampled_from([None, "nan"]),
    dtype=st.sampled_from(["float64", "float32"]),
    seed=st.integers(0, 9),
)
def test_any_list_of_layers(
    stack: list[Any], steps: int, width: int, mask: str | None, dtype: str, seed: int, tmp_path: Path
) -> None:
    """Exact networks of random lists of layers, masked or not: predictr's numbers, step by step as well."""
    test_layers.fitting(stack, steps, width, mask)
    check_list(stack, steps, width, tmp_path, mask=mask, dtype=dtype, seed=seed)


def check_list(stack: list[Any], steps: int, width: int, folder: Path, seed: int = 0, **options: Any) -> bool:
    """Whether C has all of the list, whose numbers are then predictr's."""
    model = model_of(stack, steps, width, seed, **options)
    try:
        compiled = Compiled(model, folder)
    except NotExportableError as error:
        kind = str(error).split()[0]
        assert kind not in CALLS or " with " in str(error)
        return False
    X = np.random.default_rng(seed).standard_normal((3, steps + 2 * compiled.steps, width))
    if options.get("mask"):
        X = with_gaps(X)
    found, expected = compiled.predict(X), cube(pytrainr.predictr(model, X))
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    tolerance = 1e-12 if options.get("dtype") != "float32" else 1e-5
    assert np.nanmax(np.abs(found - expected), initial=0.0) <= tolerance * max(
        1.0, np.nanmax(np.abs(expected), initial=0.0)
    )
    if compiled.steps:
        last = compiled.step_through(X[0])[-1]
        assert np.array_equal(last, found[0, -1], equal_nan=True) or np.isnan(X[0, -1]).any()
    return True


EVERY: list[tuple[str, Any]] = [(name, layer) for name, examples in test_layers.EXAMPLES.items() for layer in examples]


@pytest.mark.parametrize("mask", [None, "nan"])
def test_every_layer(mask: str | None, tmp_path: Path) -> None:
    """Each layer by itself: none is refused, and it computes the same."""
    for _, layer in EVERY:
        stack = [Dense(2), layer] if "RepeatVector" not in repr(layer) else [GRU(2), layer]
        try:
            test_layers.LayerList(tuple(stack), 2, 5, padded=mask is not None).check()
        except ValueError:
            continue
        assert check_list(stack, 5, 2, tmp_path, mask=mask)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mask", [None, "nan"])
def test_layers_that_look_at_a_whole_sequence(mask: str | None, dtype: str, tmp_path: Path) -> None:
    """Each attention and position by itself and below others, whole sequences and others: none of it is refused."""
    kinds = ("Attention", "AttentionPooling", "MultiHeadAttention", "PositionalEncoding", "PositionEmbedding")
    for kind in kinds:
        for layer in test_layers.EXAMPLES[kind]:
            for stack in ([layer], [GRU(5, return_sequences=True), layer, Dense(2, activation="tanh")]):
                assert check_list(stack, 6, 3, tmp_path, mask=mask, dtype=dtype)


TOKENS: list[Any] = [Dense(4, activation="softmax"), Embedding(4, 3)]
DECODERS: list[Any] = [
    *test_layers.EXAMPLES["Decoder"],
    Decoder(GRU(3), 6, "dot", "teacher", Dense(2)),
    Decoder(GRU(3), 5, "additive", "own", *TOKENS),
    Decoder(GRU(3), 4, None, "teacher", *TOKENS),
    Decoder(LSTM(3, peephole=True, projection=2), 3, "dot", "own", Dense(2, use_bias=False)),
]


@pytest.mark.parametrize("mask", [None, "nan"])
def test_decoders(mask: str | None, tmp_path: Path) -> None:
    """Decoders of every attention and feed, of numbers and of tokens, over whole sequences and others; as many steps as
    the sequence has, too."""
    for decoder in DECODERS:
        for width in (decoder.cell.outputs,) if decoder.attention == "dot" else (1, 3):
            assert check_list([decoder], 6, width, tmp_path, mask=mask)


def test_decoders_in_single_precision(tmp_path: Path) -> None:
    for decoder in DECODERS[:3]:
        assert check_list([Dense(2), decoder], 6, 2, tmp_path, mask="nan", dtype="float32")


THINKERS: list[Any] = [
    AdaptiveComputation(SimpleRNN(3, return_sequences=True), max_steps=1),
    AdaptiveComputation(GRU(5, dropout=0.2, recurrent_dropout=0.2), max_steps=4),
    AdaptiveComputation(GRU(3, reset_after=False, use_bias=False, return_sequences=True), max_steps=3),
    AdaptiveComputation(LSTM(4, peephole=True, projection=2, return_sequences=True), max_steps=7),
    AdaptiveComputation(Jordan(3, outputs=2, return_sequences=True), max_steps=5),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mask", [None, "nan"])
def test_cells_that_think(mask: str | None, dtype: str, tmp_path: Path) -> None:
    """AdaptiveComputation around each cell, by itself and below others, step by step too; and of a network that needs
    the whole sequence."""
    for layer in THINKERS:
        assert check_list([layer], 5, 2, tmp_path, mask=mask, dtype=dtype)
        assert check_list([Dense(3), layer, Dense(2)], 5, 2, tmp_path, mask=mask, dtype=dtype)
    assert check_list([THINKERS[2], Bidirectional(GRU(2))], 5, 2, tmp_path, mask=mask, dtype=dtype)


def test_cells_think_as_long_as_they_need(tmp_path: Path) -> None:
    """A cell takes fewer steps over some entries than over others, and its C does."""
    model = model_of([AdaptiveComputation(GRU(4, return_sequences=True), max_steps=9)], 8, 2)
    *_, halting_kernel, halting_bias = model.adaptive_computation_weights
    halting_kernel *= 5.0
    halting_bias[:] = -2.0
    X = 2.0 * np.random.default_rng(0).standard_normal((20, 8, 2))
    (states,) = pytrainr.layer_states(model, X).values()
    assert len(np.unique(states["ponder_steps"])) > 2
    assert np.abs(Compiled(model, tmp_path).predict(X) - pytrainr.predictr(model, X)).max() < 1e-12


MACHINES: list[Any] = [
    *test_layers.EXAMPLES["NTM"],
    NTM(3, memory_slots=1, memory_width=1, shift_range=0, use_bias=False),
    NTM(2, memory_slots=9, memory_width=3, read_heads=2, write_heads=3, shift_range=2, return_sequences=True),
    NTM(4, False, 0.2, 0.2, memory_slots=5, memory_width=2, read_heads=2, controller="dense", return_sequences=True),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("mask", [None, "nan"])
def test_neural_turing_machines(mask: str | None, dtype: str, tmp_path: Path) -> None:
    """NTM of either controller, of any heads, slots and shifts, by itself and below others, step by step too."""
    for layer in MACHINES:
        assert check_list([layer], 6, 2, tmp_path, mask=mask, dtype=dtype)
        assert check_list([Dense(3), layer, Dense(2)], 6, 2, tmp_path, mask=mask, dtype=dtype, seed=1)


@pytest.mark.parametrize("mask", [None, "nan"])
def test_neural_turing_machines_inside_of_others(mask: str | None, tmp_path: Path) -> None:
    for layer in (
        AdaptiveComputation(MACHINES[3], max_steps=3),
        Decoder(MACHINES[0], 3),
        Decoder(MACHINES[1], 4, None, "own", Dense(2)),
        Bidirectional(MACHINES[1]),
    ):
        assert check_list([layer], 5, 2, tmp_path, mask=mask)


@pytest.mark.parametrize(
    "stack", [[MACHINES[1]], [AdaptiveComputation(MACHINES[3], max_steps=3)], [THINKERS[3]]], ids=str
)
def test_sequences_that_begin_without_entry(stack: list[Any], tmp_path: Path) -> None:
    """A memory, and a cell that thinks, begin at the first entry, whenever it comes."""
    model = model_of(stack, 5, 2, mask="nan")
    X = np.random.default_rng(0).standard_normal((3, 5, 2))
    X[0, 0], X[1, :3] = np.nan, np.nan
    compiled, expected = Compiled(model, tmp_path), pytrainr.predictr(model, X)
    for found, wanted in zip(
        [*compiled.predict(X), *map(compiled.step_through, X)], [*expected, *expected], strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("mask", [None, "nan"])
def test_state_that_is_learnt(mask: str | None, tmp_path: Path) -> None:
    """Recurrent layers that begin with a learnt state, step by step too, begin with it."""
    stack = [LSTM(3, learn_initial_state=True, return_sequences=True), GRU(2, learn_initial_state=True)]
    assert check_list(stack, 4, 2, tmp_path, mask=mask)


def test_embedding_and_tokens(tmp_path: Path) -> None:
    """Tokens in, with token 0 as none: predictr's numbers, NaN where it has NaN; no other numbers are taken."""
    X = np.random.default_rng(0).integers(0, 7, (5, 6, 1)).astype(float)
    model = model_of([Embedding(7, 3, mask_zero=True), LSTM(4, return_sequences=True), Dense(2)], 6, 1, X=X)
    compiled = Compiled(model, tmp_path)
    found, expected = compiled.predict(X), pytrainr.predictr(model, X)
    assert np.nanmax(np.abs(found - expected)) < 1e-12
    assert np.isnan(expected).any()
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    for wrong in (7.0, -1.0, 1.5, np.nan, np.inf):
        assert compiled.call("step", np.array([wrong]), np.empty(2)) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"network_type": "rnn"},
        {"network_type": "jordan", "output": "tanh"},
        {"network_type": "gru", "bidirectional": True},
        {"network_type": "lstm", "peephole": True, "proj_size": 2, "output": "linear"},
        {"network_type": "lstm", "bidirectional": True, "pyramid": 2},
        {"network_type": "esn", "output": "linear", "leak": 0.3},
    ],
    ids=str,
)
def test_shorthands(options: dict[str, Any], tmp_path: Path) -> None:
    """What the options of exact training build, trained, with its normalisation."""
    Y, X = data(outputs=2)
    Y = Y[:, -1:] if options.get("pyramid") else Y
    scales = Normalisation.by_deviation(X.reshape(-1, 2) * 3.0 + 1.0).fields(target=[0, 1])
    hidden = 4 if options["network_type"] in ("jordan", "esn") else [4, 3]
    model = pytrainr.trainr(Y, X, **{**QUIET, "hidden_dim": hidden}, exact=True, use_bias=True, **options, **scales)
    compiled = Compiled(model, tmp_path)
    assert compiled.steps == (not options.get("bidirectional"))
    found, expected = compiled.predict(X), cube(pytrainr.predictr(model, X))
    assert np.abs(found - expected).max() < 1e-12 * max(1.0, np.abs(expected).max())


def test_the_shorthand_of_attention(tmp_path: Path) -> None:
    """attention=True, trained: the decoder has as many steps as Y."""
    Y, X = data()
    model = pytrainr.trainr(Y[:, :2], X, **{**QUIET, "hidden_dim": 3}, exact=True, network_type="gru", attention=True)
    found = Compiled(model, tmp_path).predict(X)
    assert np.abs(found - cube(pytrainr.predictr(model, X))).max() < 1e-12


def test_one_to_many(tmp_path: Path) -> None:
    Y, X = data()
    model = pytrainr.trainr(Y, X[:, :1], **QUIET, exact=True, network_type="lstm", use_bias=True)
    found = Compiled(model, tmp_path).predict(X[:, :1])
    assert np.abs(found - cube(pytrainr.predictr(model, X[:, :1]))).max() < 1e-12


def test_what_c_cannot_say_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer without a form in C, as one that is new may be, and a network whose training diverged, are errors; no
    file is left."""
    Y, X = data()
    monkeypatch.delitem(CALLS, "Pyramid")
    with pytest.raises(ValueError, match=r"Pyramid has no form in C yet; there are Dense, .*AdaptiveComputation"):
        model_of([Dense(2), Pyramid(2)], 4, 2).to_c(tmp_path / "net.c")
    model = pytrainr.trainr(Y, X, **QUIET)
    model.time_synapse[0][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"a weight is nan: the training diverged"):
        model.to_c(tmp_path / "net.c")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("exact", [False, True])
def test_any_name_compiles(exact: bool, tmp_path: Path) -> None:
    """Also of a file that is called as something inside of it, or in C."""
    Y, X = data()
    model = pytrainr.trainr(Y, X, **QUIET, exact=exact, network_type="gru")
    assert CC is not None
    for name in ("product", "gru", "exp", "x", "real", "network", "NAME", "FILE", "tgamma", "while", "2 nets"):
        source = tmp_path / f"{name}.c"
        model.to_c(source)
        subprocess.run([CC, *STRICT, "-DPYTRAINR_MAIN", source, "-o", tmp_path / "program", "-lm"], check=True)


def run(program: Path, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program], input=text, capture_output=True, text=True, timeout=60, check=False)


def program(model: pytrainr.Model, folder: Path) -> Path:
    """``pytrainr export c`` and the compiler, as a user would call them."""
    model.save(folder / "net.model")
    command = [sys.executable, "-m", "pytrainr", "export", "c", folder / "net.model", "--out", folder / "2 nets.c"]
    subprocess.run(command, check=True)
    assert CC is not None
    target = folder / "net"
    subprocess.run([CC, *STRICT, "-DPYTRAINR_MAIN", folder / "2 nets.c", "-o", target, "-lm"], check=True)
    return target


def test_the_program_reads_csv(tmp_path: Path) -> None:
    """pytrainr export c: the program takes a header, several delimiters, sequences between empty lines; it names the
    line that is wrong."""
    Y, X = data()
    model = pytrainr.trainr(Y, X, **QUIET, network_type="lstm")
    net = program(model, tmp_path)
    text = "a,b\n" + "\n\n".join("\n".join(f"{x[0]!r};\t{x[1]!r}" for x in map(np.ndarray.tolist, s)) for s in X[:3])
    done = run(net, text)
    found = [[float(line) for line in block.split()] for block in done.stdout.strip().split("\n\n")]
    assert done.returncode == 0
    assert np.array_equal(found, pytrainr.predictr(model, X[:3]))
    for wrong, message in (
        ("1,2\n3\n", "line 2 should have 2 numbers"),
        ("1,2\n1,x\n", "line 2"),
        ("1,inf\n", "finite"),
    ):
        done = run(net, wrong)
        assert done.returncode == 1
        assert message in done.stderr


def test_the_program_of_a_whole_sequence(tmp_path: Path) -> None:
    """A network that needs the whole sequence says how many rows that is."""
    stack = [Bidirectional(GRU(3, return_sequences=True)), Pyramid(2), Conv1D(2, 2)]
    model = model_of(stack, 5, 2)
    net = program(model, tmp_path)
    X = data(steps=5)[1]
    rows = ["\n".join(",".join(map(repr, x.tolist())) for x in sequence) for sequence in X[:2]]
    done = run(net, "\n\n".join(rows) + "\n")
    found = [
        [[float(v) for v in line.split(",")] for line in block.split()] for block in done.stdout.strip().split("\n\n")
    ]
    assert np.abs(np.array(found) - pytrainr.predictr(model, X[:2])).max() < 1e-12
    done = run(net, rows[0][: rows[0].rindex("\n")])
    assert done.returncode == 1
    assert "should have 5 rows, this one has 4" in done.stderr


def test_reservoirs_in_a_list(tmp_path: Path) -> None:
    check_list([EchoState(5, leak=0.5, return_sequences=True), Dense(1)], 6, 2, tmp_path)


def test_the_file_says_what_it_is() -> None:
    """The head of the file shows the network and how to compile and call it; names that C has are not taken."""
    stack = [LSTM(3, return_sequences=True), Dense(1)]
    text = c_source(model_of(stack, 4, 2), "pump")
    for line in ("lstm (LSTM)", "Total params", "-DPYTRAINR_MAIN pump.c -lm -o pump", "int pump_step(pump *n"):
        assert line in text
    assert described(stack)[0]["kind"] in text
