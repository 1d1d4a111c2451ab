"""Sequence to sequence: dates in any spelling to ISO dates, answers to questions, digits to words, tones to letters.

python examples/lectures/sequences.py
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from examples.lectures.book import Lecture, figure
from pytrainr import Model, RRandom, ctc_decode, epoch_annealing, generate, layer_states, predictr, trainr
from pytrainr.layers import GRU, Bidirectional, Conv1D, Decoder, Dense, Embedding, Layer, SimpleRNN

lecture = Lecture("sequences")
NOTHING, END = 0, 1  # tokens: what fills up, and what ends an answer


def trained(layers: list[Layer], X: np.ndarray, Y: np.ndarray, epochs: int, **options: Any) -> Model:
    """A network trained quietly with adam, its gradient at most 1 long, from seed 1."""
    given = {"learningrate": 0.004, "update_rule": "adam", "clip_norm": 1.0, "batch_size": 32, **options}
    return trainr(
        Y, X, exact=True, layers=layers, numepochs=epochs, rng=RRandom(1), epoch_function=epoch_annealing, **given
    )


def tokens(texts: Sequence[Sequence[str]], words: Sequence[str], length: int) -> np.ndarray:
    """Each text's words by number, from 2 on, then END, filled up with NOTHING (texts, length)."""
    number = {word: place + 2 for place, word in enumerate(words)}
    rows = [[*(number[word] for word in text if word in number), END] for text in texts]
    return np.array([row[:length] + [NOTHING] * (length - len(row)) for row in rows])


def written(answer: np.ndarray, words: Sequence[str]) -> list[str]:
    """The words of what was generated."""
    return [words[token - 2] for token in answer if token > END]


def translator(attention: str | None, read: Layer | None, said: int, length: int, units: int = 32) -> list[Layer]:
    """An encoder from both ends; a decoder that reads, beside its own last word, what its attention finds:
    x_t = [Σ_j α_tj k_j, y_{t−1}], α_t = softmax(e_t), e_tj = vᵀ tanh(k_j K + h_{t−1} Q)."""
    encoder = Bidirectional(GRU(units, return_sequences=True))
    writer = Dense(said, activation="softmax")
    decoder = Decoder(GRU(2 * units), length, attention, "teacher", writer, Embedding(said, 16))
    return [*([read] if read else []), encoder, decoder]


SPARSE = {"loss": "sparse_categorical_crossentropy"}


# dates --------------------------------------------------------------------------------------------------------------

MONTHS = tuple(datetime.date(2000, month, 1).strftime("%B").lower() for month in range(1, 13))
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SPELLINGS: tuple[Callable[[datetime.date], str], ...] = (
    lambda d: f"{d.day} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{MONTHS[d.month - 1]} {d.day}, {d.year}",
    lambda d: f"{DAYS[d.weekday()]}, {d.day} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{d.day} {MONTHS[d.month - 1][:3]} {d.year}",
    lambda d: f"{MONTHS[d.month - 1][:3]} {d.day:02} {d.year}",
    lambda d: f"{d.month}/{d.day}/{d.year}",
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{d.day:02}.{d.month:02}.{d.year % 100:02}",
    lambda d: f"{DAYS[d.weekday()][:3]} {d.day} {MONTHS[d.month - 1][:3]} {d.year % 100:02}",
    lambda d: f"{d.year}/{d.month:02}/{d.day:02}",
)
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz ,./-"
LONGEST, ISO = 29, 10


def dates(count: int, random: np.random.Generator) -> tuple[list[str], list[str]]:
    """Days from 1950 to 2049, spelt in one of ten ways, and as ISO 8601 has them."""
    first, last = datetime.date(1950, 1, 1).toordinal(), datetime.date(2049, 12, 31).toordinal()
    days = [datetime.date.fromordinal(int(day)) for day in random.integers(first, last + 1, count)]
    spelt = [
        SPELLINGS[int(kind)](day) for kind, day in zip(random.integers(0, len(SPELLINGS), count), days, strict=True)
    ]
    return spelt, [day.isoformat() for day in days]


@cache
def date_translator(attention: str | None, quick: bool) -> tuple[Model, list[str], list[str], list[str]]:
    """The trained network; of days it was not trained on the spelling, the ISO date, and what it makes of it."""
    spelt, iso = dates(300 if quick else 12_000, np.random.default_rng(1))
    X, Y = tokens(spelt, LETTERS, LONGEST), tokens(iso, LETTERS, ISO)[:, :, np.newaxis]
    read, said = Embedding(len(LETTERS) + 2, 16, mask_zero=True), len(LETTERS) + 2
    model = trained(translator(attention, read, said, ISO), X, Y, 1 if quick else 12, **SPARSE)
    known = set(iso)
    fresh = [pair for pair in zip(*dates(2_000, np.random.default_rng(2)), strict=True) if pair[1] not in known]
    spelt, iso = [pair[0] for pair in fresh], [pair[1] for pair in fresh]
    answers = generate(model, tokens(spelt, LETTERS, LONGEST), stop_token=END)
    return model, spelt, iso, ["".join(written(answer, LETTERS)) for answer in answers]


def right(wanted: Sequence[Any], said: Sequence[Any]) -> str:
    return f"{100 * np.mean([one == other for one, other in zip(wanted, said, strict=True)]):.1f} %"


of_dates = lecture.table("dates", "network", "exact ISO dates", "its year right")


def _dates(attention: str | None, quick: bool) -> list[str]:
    _, _, iso, said = date_translator(attention, quick)
    return [right(iso, said), right([date[:4] for date in iso], [date[:4] for date in said])]


for attention in ("additive", None):
    of_dates.row(f"dates, {attention or 'no'} attention")(partial(_dates, attention))


# questions and answers ----------------------------------------------------------------------------------------------

ASKED = (
    "what is {}", "what does {} do", "tell me about {}", "can you explain {}", "{} ?", "i do not know {}",
    "please describe {}", "how would you explain {} to me",
)  # fmt: skip
FACTS = {
    "trainr": "it trains a recurrent network as the package rnn of r does",
    "predictr": "it predicts with a trained network",
    "exact": "with it the gradient is the true one",
    "hidden_dim": "the numbers of hidden units from the input up",
    "learningrate": "how far each update goes",
    "numepochs": "how often all samples are gone through",
    "batch_size": "how many samples share an update",
    "momentum": "the share of the last update that is added to the next",
    "dropout": "the share of units that are left out at random while training",
    "validation": "samples that are held out to see how well others are predicted",
    "patience": "training ends after so many epochs without a better validation loss",
    "stepper": "it predicts one step at a time and keeps the state",
    "generate": "it writes tokens each the next after those before it",
    "a gru": "a cell with two gates reset and update",
    "an lstm": "a cell with three gates and a memory of its own",
    "clipping": "the largest value that a gradient may have",
    "a mask": "it says which steps have no entry",
    "attention": "a mean of all steps by how well each fits",
    "the server": "it trains for callers and never loses a job",
    "an epoch": "once through all samples",
}
WORDS = sorted({word for text in (*ASKED, *FACTS, *FACTS.values()) for word in text.replace("{}", "").split()})
QUESTION, ANSWER = 9, 16


def pairs(phrases: Sequence[str]) -> tuple[list[list[str]], list[list[str]]]:
    """Every fact asked for in each of these ways: the words of question and answer."""
    asked = [(phrase.format(about).split(), answer.split()) for about, answer in FACTS.items() for phrase in phrases]
    return [question for question, _ in asked], [answer for _, answer in asked]


@cache
def chat(quick: bool) -> tuple[Model, list[list[str]], list[list[str]], list[list[str]]]:
    """The trained network; of two ways to ask that it never read the questions, the answers, and what it says."""
    questions, answers = pairs(ASKED[:-2])
    said = len(WORDS) + 2
    X, Y = tokens(questions, WORDS, QUESTION), tokens(answers, WORDS, ANSWER)[:, :, np.newaxis]
    model = trained(
        translator("additive", Embedding(said, 24, mask_zero=True), said, ANSWER), X, Y, 2 if quick else 60, **SPARSE
    )
    questions, answers = pairs(ASKED[-2:])
    spoken = generate(model, tokens(questions, WORDS, QUESTION), stop_token=END)
    return model, questions, answers, [written(answer, WORDS) for answer in spoken]


of_chat = lecture.table("chat", "questions", "answered word for word", "first word right")


@of_chat.row("chat, questions put as in training")
def _known(quick: bool) -> list[str]:
    questions, answers = pairs(ASKED[:-2])
    spoken = generate(chat(quick)[0], tokens(questions, WORDS, QUESTION), stop_token=END)
    said = [written(answer, WORDS) for answer in spoken]
    return [right(answers, said), right([answer[:1] for answer in answers], [answer[:1] for answer in said])]


@of_chat.row("chat, questions put in new ways")
def _fresh(quick: bool) -> list[str]:
    _, _, answers, said = chat(quick)
    return [right(answers, said), right([answer[:1] for answer in answers], [answer[:1] for answer in said])]


# digits to words ----------------------------------------------------------------------------------------------------

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ALPHABET = sorted(set("".join(NAMES)))
SPELT = 6


@cache
def speller(attention: str | None, quick: bool) -> tuple[Model, np.ndarray, list[str], list[str]]:
    """The trained network; of images it was not trained on (samples, 8 columns, 8), the words and what it spells."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images, names = found.images.transpose(0, 2, 1) / 16.0, [NAMES[digit] for digit in found.target]
    fresh = np.arange(len(names)) % 5 == 4
    X, Y = images[~fresh], tokens([name for name, new in zip(names, fresh, strict=True) if not new], ALPHABET, SPELT)
    if quick:
        X, Y = X[:200], Y[:200]
    layers = translator(attention, None, len(ALPHABET) + 2, SPELT, 24)
    model = trained(layers, X, Y[:, :, np.newaxis], 1 if quick else 30, **SPARSE)
    answers = generate(model, images[fresh], stop_token=END)
    wanted = [name for name, new in zip(names, fresh, strict=True) if new]
    return model, images[fresh], wanted, ["".join(written(answer, ALPHABET)) for answer in answers]


of_digits = lecture.table("digits", "network", "whole word right", "spells some digit")


def _digits(attention: str | None, quick: bool) -> list[str]:
    _, _, wanted, said = speller(attention, quick)
    return [right(wanted, said), f"{100 * np.mean([word in NAMES for word in said]):.1f} %"]


for attention in ("additive", None):
    of_digits.row(f"digits, {attention or 'no'} attention")(partial(_digits, attention))


# tones to letters ---------------------------------------------------------------------------------------------------

TONES = "abcdef"  # 300 · 2^(k/3) Hz
RATE, FRAME, BANDS, FRAMES, SPOKEN = 4_000, 80, 16, 50, 7


def sounds(count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two to six letters, each a tone of 60 to 140 ms between silences, in noise: the logarithms of its power in 16
    bands of frequency, 50 times 20 ms (count, 50, 16), and the letters by number, from 1 (count, 7), then 0."""
    X, Y = np.zeros((count, FRAMES, BANDS)), np.zeros((count, SPOKEN))
    window, edges = np.hanning(FRAME), np.geomspace(4, FRAME // 2 + 1, BANDS + 1)
    bands = np.array([(np.arange(FRAME // 2 + 1) >= low) & (np.arange(FRAME // 2 + 1) < high) for low, high in
                      zip(edges[:-1], np.maximum(edges[1:], np.ceil(edges[:-1]) + 1), strict=True)])  # fmt: skip
    for sample in range(count):
        wave = 0.3 * random.standard_normal(FRAMES * FRAME)
        letters, at = random.integers(0, len(TONES), random.integers(2, 7)), random.integers(80, 320)
        for place, letter in enumerate(letters):
            length = random.integers(240, 560)
            pitch = 300.0 * 2.0 ** (letter / 3.0) * random.uniform(0.97, 1.03)
            wave[at : at + length] += random.uniform(0.5, 1.0) * np.sin(
                2.0 * np.pi * pitch / RATE * np.arange(length) + random.uniform(0.0, 6.0)
            )
            at += length + random.integers(20, 120)
            Y[sample, place] = letter + 1
        power = np.abs(np.fft.rfft(wave.reshape(FRAMES, FRAME) * window)) ** 2
        X[sample] = np.log(power @ bands.T + 0.1)
    return X, Y


HEARERS: dict[str, list[Layer]] = {
    "rnn": [SimpleRNN(24, return_sequences=True)],
    "gru": [GRU(24, return_sequences=True)],
    "bidirectional gru": [Bidirectional(GRU(24, return_sequences=True))],
    "convolution": [Conv1D(24, 5, padding="same", activation="relu"), Conv1D(24, 5, padding="same", activation="relu")],
}


@cache
def hearer(kind: str, quick: bool) -> tuple[Model, np.ndarray, np.ndarray]:
    """The trained network, and sounds it was not trained on. The loss, −ln p(l | x), knows letters, not when they
    sound: p(l | x) = Σ over the paths π that read l  Π_t y_t(π_t)."""
    random = np.random.default_rng(1)
    X, Y = sounds(100 if quick else 2_000, random)
    center, scale = X.mean(axis=(0, 1)), X.std(axis=(0, 1))
    layers = [*HEARERS[kind], Dense(len(TONES) + 1, activation="softmax")]
    model = trained(layers, (X - center) / scale, Y, 1 if quick else 15, loss="ctc")
    X, Y = sounds(500, random)
    return model, (X - center) / scale, Y


def distance(wanted: Sequence[int], said: Sequence[int]) -> int:
    """Levenshtein's: how many letters are to be put in, left out or exchanged."""
    before = list(range(len(said) + 1))
    for row, one in enumerate(wanted, start=1):
        now = [row]
        for column, other in enumerate(said, start=1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (one != other)))
        before = now
    return before[-1]


of_tones = lecture.table("tones", "network", "letters wrong", "all letters right")


def _tones(kind: str, quick: bool) -> list[str]:
    model, X, Y = hearer(kind, quick)
    wanted = [[int(label) for label in row if label] for row in Y]
    said = [list(map(int, labels)) for labels in ctc_decode(predictr(model, X))]
    wrong = sum(distance(one, other) for one, other in zip(wanted, said, strict=True))
    return [f"{100 * wrong / sum(map(len, wanted)):.1f} %", right(wanted, said)]


for kind in HEARERS:
    of_tones.row(f"tones, {kind}")(partial(_tones, kind))


# pictures -----------------------------------------------------------------------------------------------------------


@lecture.picture("dates")
def draw_dates(quick: bool, path: Path) -> None:
    """Where the decoder looks as it writes each letter of three dates: α_tj."""
    model, spelt, _, said = date_translator("additive", quick)
    shown = [next(k for k, text in enumerate(spelt) if begins(text)) for begins in (
        lambda text: text[0].isalpha() and text.count(",") == 1 and len(text) > 20, lambda text: "/" in text[:3],
        lambda text: text[0].isdigit() and " " in text)]  # fmt: skip
    share = layer_states(model, tokens([spelt[k] for k in shown], LETTERS, LONGEST))["decoder"]["attention"]
    with figure(path, columns=3, size=(4.6, 2.8)) as axes:
        for ax, k, alpha in zip(axes, shown, share, strict=True):
            ax.imshow(alpha[:, : len(spelt[k]) + 1], aspect="auto", cmap="Blues", vmin=0.0, vmax=1.0)
            ax.set(xticks=range(len(spelt[k])), xticklabels=list(spelt[k]), title=f"{spelt[k]}")
            ax.set(yticks=range(len(said[k])), yticklabels=list(said[k]))


@lecture.picture("digits")
def draw_digits(quick: bool, path: Path) -> None:
    """Six digits, and at which of their columns the decoder looks as it spells them."""
    model, images, wanted, said = speller("additive", quick)
    shown = [wanted.index(name) for name in NAMES[2:8]]
    images, said = images[shown], [said[k] for k in shown]
    share = layer_states(model, images)["decoder"]["attention"]
    with figure(path, columns=6, rows=2, size=(1.9, 1.7)) as axes:
        for k in range(6):
            axes[k].imshow(images[k].T, cmap="gray_r")
            axes[k].set(title=said[k], xticks=[], yticks=[])
            axes[6 + k].imshow(share[k, : max(1, len(said[k]))], aspect="auto", cmap="Blues", vmin=0.0, vmax=1.0)
            axes[6 + k].set(xticks=[], yticks=range(len(said[k])), yticklabels=list(said[k]))


@lecture.picture("tones")
def draw_tones(quick: bool, path: Path) -> None:
    """A sound, and the probability of each letter over time: peaks, and the blank between them."""
    model, X, Y = hearer("gru", quick)
    y = predictr(model, X[:1])[0]
    with figure(path, rows=2, size=(8.0, 2.2)) as (sound, heard):
        sound.imshow(X[0].T, aspect="auto", origin="lower", cmap="magma")
        sound.set(ylabel="band", title="said: " + " ".join(TONES[int(label) - 1] for label in Y[0] if label))
        heard.plot(y[:, 0], color="#bbbbbb", label="blank")
        for k, letter in enumerate(TONES, start=1):
            heard.plot(y[:, k], label=letter)
        heard.set(xlim=(-0.5, FRAMES - 0.5), xlabel="20 ms", ylabel="probability")
        heard.legend(ncols=7, fontsize=8)


if __name__ == "__main__":
    lecture.main()
