"""Activities 9.1, a fit of sixty numbers by rnn, gru and lstm, and 9.3, the lstm adder as a C program.

python examples/lectures/activities.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from examples.lectures.book import COLOURS, Lecture, figure
from pytrainr import Model, RRandom, bin2int, epoch_annealing, int2bin, predictr, trainr

lecture = Lecture("activities")
KINDS = ("rnn", "gru", "lstm")
BITS = 8


# 9.1 ----------------------------------------------------------------------------------------------------------------

X = np.r_[1:61, 101:161].reshape((15, 4, 2), order="F") / 261  # filled column-major, as R's array() does
Y = np.r_[201:261].reshape((15, 4, 1), order="F") / 261


@cache
def fitted(kind: str, exact: bool, quick: bool) -> Model:
    """The activity's call, seed 7; ``exact`` follows the gradient, where R's gru and lstm do not."""
    options: dict[str, Any] = {"exact": True, "use_bias": True} if exact else {}
    epochs = 3 if quick else 100
    given = {"learningrate": 0.1, "hidden_dim": 30, "network_type": kind, "numepochs": epochs, **options}
    return trainr(Y, X, rng=RRandom(7), epoch_function=epoch_annealing, **given)


def _fitted(kind: str, exact: bool, quick: bool) -> list[str]:
    model = fitted(kind, exact, quick)
    fit = predictr(model, X) * 261
    first, last = model.error[:, [0, -1]].mean(axis=0)
    return [f"{first:.4f}", f"{last:.4f}", f"{np.abs(fit - Y[:, :, 0] * 261).mean():.2f}"]


fit = lecture.table("fit", "mean error", "after the first epoch", "after the last", "|Ŷ − Y|, of 201 to 260")
for exact, name in ((False, "as in R"), (True, "exact")):
    for kind in KINDS:
        fit.row(f"9.1, {kind}, {name}")(partial(_fitted, kind, exact))


# 9.3 ----------------------------------------------------------------------------------------------------------------


def pairs(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Bits of two numbers, the lowest first (count, 8, 2), and their sums (count,)."""
    a, b = (random.integers(0, 2 ** (BITS - 1), count) for _ in range(2))
    return np.stack([int2bin(a, BITS), int2bin(b, BITS)], axis=2), a + b


@cache
def adder(quick: bool) -> Model:
    X, sums = pairs(np.random.default_rng(1), 100 if quick else 3000)
    options: dict[str, Any] = {"exact": True, "network_type": "lstm", "hidden_dim": 10, "use_bias": True}
    options |= {"init": "glorot", "loss": "binary_crossentropy", "update_rule": "adam", "learningrate": 0.02}
    return trainr(
        *(int2bin(sums, BITS), X),
        **{"rng": RRandom(1), "epoch_function": epoch_annealing, "learningrate_decay": 0.9, **options},
        **{"batch_size": 20, "numepochs": 1 if quick else 15},
    )


def in_c(model: Model, X: np.ndarray) -> np.ndarray:
    """What the model says of X, (samples, steps), as a C program that is fed with CSV."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "adder.c"), Path(folder, "adder")
        model.to_c(source)
        compiled = ["cc", "-std=c99", "-O2", "-ffp-contract=off", "-DPYTRAINR_MAIN", source, "-lm", "-o", program]
        subprocess.run(compiled, check=True)
        rows = "\n\n".join("\n".join(",".join(map(str, bits)) for bits in sequence) for sequence in X)
        printed = subprocess.run([program], input=rows, capture_output=True, text=True, check=True).stdout
    return np.array([[float(line) for line in sequence.split()] for sequence in printed.strip().split("\n\n")])


added = lecture.table("added", "1,000 fresh sums of 8 bits", "right", "largest difference from predictr")


def _added(in_language: str, quick: bool) -> list[str]:
    X, sums = pairs(np.random.default_rng(2), 1000)
    said = predictr(adder(quick), X)
    bits = in_c(adder(quick), X) if in_language == "C" else said
    right = bin2int(np.round(bits)) == sums
    return [f"{right.sum():,}", f"{np.abs(bits - said).max():.1e}"]


for language in ("Python", "C"):
    added.row(f"9.3, lstm adder, {language}")(partial(_added, language))


# picture ------------------------------------------------------------------------------------------------------------


@lecture.picture("fit")
def draw_fit(quick: bool, path: Path) -> None:
    """The mean error, epoch by epoch, and what the networks say of the numbers that they were trained on."""
    with figure(path, columns=2) as (left, right):
        right.plot(Y[:, :, 0].ravel(order="F") * 261, "k", label="wanted")
        for colour, kind in zip(COLOURS, KINDS, strict=False):
            for exact, style in ((False, "--"), (True, "-")):
                model = fitted(kind, exact, quick)
                name = f"{kind}, {'exact' if exact else 'as in R'}"
                left.semilogy(model.error.mean(axis=0), style, color=colour, label=name)
                right.plot(predictr(model, X).ravel(order="F") * 261, style, color=colour)
        left.set(xlabel="epoch", ylabel="mean error")
        right.set(xlabel="number", ylabel="Ŷ")
        left.legend(fontsize=7)


if __name__ == "__main__":
    lecture.main()
