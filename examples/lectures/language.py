"""Language and music: what comes next in Python's documentation, letter by letter, and in Bach's chorales.

python examples/lectures/language.py
"""

from __future__ import annotations

import io
import struct
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from examples.lectures.book import COLOURS, MADE, Lecture, downloaded, figure
from pytrainr import Model, RRandom, epoch_annealing, generate, predictr, trainr
from pytrainr.layers import GRU, LSTM, TCN, Dense, Embedding, Layer, SimpleRNN

lecture = Lecture("language")


class Parts(NamedTuple):
    """Sequences to train on, to choose the epoch by, and to test on."""

    train: Any
    validation: Any
    test: Any


def trained(layers: list[Layer], train: Any, validation: Any, epochs: int, **options: Any) -> Model:
    """A network trained quietly with adam from seed 1; its weights are those of the epoch best on validation."""
    given = {"learningrate": 0.003, "learningrate_decay": 0.95, "update_rule": "adam", "batch_size": 16, **options}
    X, Y = train
    held: dict[str, Any] = {"validation": validation, "patience": epochs, "clip_norm": 1.0}
    return trainr(
        *(Y, X),
        exact=True,
        layers=layers,
        numepochs=epochs,
        rng=RRandom(1),
        epoch_function=epoch_annealing,
        **held,
        **given,
    )


# letters ------------------------------------------------------------------------------------------------------------

PIECE = 100
UNKNOWN = 0


@cache
def documentation() -> tuple[Parts, list[str]]:
    """The texts of Python's help on 79 topics, which come with Python: six in eight, and the characters in them."""
    from pydoc_data.topics import topics

    texts = [topics[name] for name in sorted(topics)]
    parts = Parts(
        [text for k, text in enumerate(texts) if k % 8 < 6],
        [text for k, text in enumerate(texts) if k % 8 == 6],
        [text for k, text in enumerate(texts) if k % 8 == 7],
    )
    found = Counter("".join(parts.train))
    return parts, ["?", *sorted(letter for letter, count in found.items() if count >= 10)]


def letters_of(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """X and Y (pieces, 100, 1): the characters by number, and after each the next."""
    number = {letter: k for k, letter in enumerate(documentation()[1])}
    pieces = []
    for text in texts:
        tokens = np.array([number.get(letter, UNKNOWN) for letter in text])
        pieces += [tokens[at : at + PIECE + 1] for at in range(0, len(tokens) - PIECE, PIECE)]
    whole = np.array(pieces)[:, :, np.newaxis]
    return whole[:, :-1], whole[:, 1:]


def network(kind: str, outputs: Dense) -> list[Layer]:
    """About 50,000 weights on letters."""
    cells: dict[str, list[Layer]] = {
        "rnn": [SimpleRNN(150, return_sequences=True)],
        "gru": [GRU(96, return_sequences=True)],
        "lstm": [LSTM(84, return_sequences=True)],
        "tcn": [TCN(44, dilations=(1, 2, 4, 8), return_sequences=True)],
    }
    return [*cells[kind], outputs]


@cache
def writer(kind: str, quick: bool) -> tuple[Model, float]:
    """The trained network, and its bits per character on texts that it never read: −Σ log₂ p(next) / characters."""
    parts, alphabet = documentation()
    train, validation, test = ([array[:60] if quick else array for array in letters_of(texts)] for texts in parts)
    layers = [Embedding(len(alphabet), 32), *network(kind, Dense(len(alphabet), activation="softmax"))]
    options = {"loss": "sparse_categorical_crossentropy"}
    model = trained(layers, train, tuple(validation), 1 if quick else 12, **options)
    p = np.take_along_axis(predictr(model, test[0]), test[1].astype(int), axis=2)
    return model, float(-np.log2(p).mean())


letters = lecture.table("letters", "network", "bits per character", "weights")


def frequencies(order: int) -> float:
    """Bits per character by counts of the letters alone, or of pairs of them, each with 1 added."""
    parts, alphabet = documentation()
    (X, Y), (X_test, Y_test) = letters_of(parts.train), letters_of(parts.test)
    counts = np.ones((len(alphabet), len(alphabet)))
    np.add.at(counts, (X.ravel() * (order > 0), Y.ravel()), 1.0)
    p = counts / counts.sum(axis=1, keepdims=True)
    return float(-np.log2(p[X_test.ravel() * (order > 0), Y_test.ravel()]).mean())


@letters.row("letters, by how frequent each is")
def _frequent(quick: bool) -> list[str]:
    return [f"{frequencies(0):.2f}", "–"]


@letters.row("letters, by how often it follows the last")
def _pairs(quick: bool) -> list[str]:
    return [f"{frequencies(1):.2f}", "–"]


def _letters(kind: str, quick: bool) -> list[str]:
    model, bits = writer(kind, quick)
    return [f"{bits:.2f}", f"{model.count_params():,}"]


KINDS = ("rnn", "gru", "lstm", "tcn")
for kind in KINDS:
    letters.row(f"letters, {kind}")(partial(_letters, kind))

texts = lecture.table("texts", "temperature τ", 'what the gru writes after "The "')


def _text(temperature: float, quick: bool) -> list[str]:
    """Each letter is drawn from softmax(y / τ), y the logarithms of the probabilities."""
    alphabet = documentation()[1]
    begun = np.array([[alphabet.index(letter) for letter in "The "]])[:, :, np.newaxis]
    (tokens,) = generate(writer("gru", quick)[0], begun, 40 if quick else 280, temperature=temperature, rng=RRandom(1))
    text = "".join(alphabet[int(token)] for token in tokens)
    return ["The " + " ".join(text.split()).replace("|", "/").replace("`", "'").replace("<", "‹").replace("*", "∗")]


for temperature in (0.3, 0.7, 1.0):
    texts.row(f"τ = {temperature}")(partial(_text, temperature))


# chorales -----------------------------------------------------------------------------------------------------------

PACKAGE, CORPUS = "music21==9.9.1", "music21/corpus/bach/"
LOWEST, PITCHES = 36, 46  # C2 to A5
STEPS = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))


@cache
def chorales() -> list[np.ndarray]:
    """Bach's chorales of four voices that come with music21 (Cuthbert & Ariza 2010): for each quarter note, which of 46
    pitches sound (quarters, 46). Fetched once with pip."""
    file = MADE / "chorales.npz"
    if not file.exists():
        with downloaded(PACKAGE) as package:
            found = {name: rolled for name, rolled in _rolls(package) if rolled is not None}
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".npz", delete=False) as made:
            np.savez_compressed(made, **found)
        Path(made.name).replace(file)
    with np.load(file) as kept:
        return [kept[name].astype(float) for name in sorted(kept)]


def _rolls(package: Path) -> Iterator[tuple[str, np.ndarray | None]]:
    with zipfile.ZipFile(package) as archive:
        for name in archive.namelist():
            if name.startswith(CORPUS) and name.endswith((".mxl", ".xml")):
                yield name.removeprefix(CORPUS), _roll(_score(archive.read(name), zipped=name.endswith(".mxl")))


def _score(data: bytes, *, zipped: bool) -> ElementTree.Element:
    """A score in MusicXML."""
    if not zipped:
        return ElementTree.fromstring(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
        (root,) = [file.attrib["full-path"] for file in container.iter() if file.tag.endswith("rootfile")][:1]
        return ElementTree.fromstring(archive.read(root))


def _roll(score: ElementTree.Element) -> np.ndarray | None:
    """What sounds as each quarter begins (quarters, 46), of a score with four voices."""
    voices = [list(_notes(part)) for part in score.findall("part")]
    if len(voices) != 4:
        return None
    roll = np.zeros((int(max(end for voice in voices for _, end, _ in voice)), PITCHES), bool)
    for begin, end, pitch in (note for voice in voices for note in voice):
        roll[int(np.ceil(begin)) : int(np.ceil(end)), pitch - LOWEST] = True
    return roll


def _notes(part: ElementTree.Element) -> Iterator[tuple[float, float, int]]:
    """Beginning and end of each note in quarters, and its pitch as MIDI numbers it."""
    now, divisions, last = 0.0, 1.0, 0.0
    for entry in (entry for measure in part.iter("measure") for entry in measure):
        divisions = float(entry.findtext("divisions") or divisions)
        if entry.tag not in ("note", "backup", "forward") or entry.find("grace") is not None:
            continue
        length = float(entry.findtext("duration") or 0.0) / divisions
        if entry.tag == "backup":
            now -= length
            continue
        if entry.find("chord") is not None:
            now -= last
        if (pitch := entry.find("pitch")) is not None:
            key = STEPS[pitch.findtext("step") or ""] + int(float(pitch.findtext("alter") or 0))
            yield now, now + length, key + 12 * (int(pitch.findtext("octave") or 0) + 1)
        now, last = now + length, length


def music(quick: bool) -> Parts:
    """X (chorales, quarters, 46) and what sounds a quarter later, Y; behind the end both are NaN."""
    rolls = chorales()[: 40 if quick else None]
    longest = max(len(roll) for roll in rolls) - 1

    def padded(chosen: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        X, Y = np.full((2, len(chosen), longest, PITCHES), np.nan)
        for k, roll in enumerate(chosen):
            X[k, : len(roll) - 1], Y[k, : len(roll) - 1] = roll[:-1], roll[1:]
        return X, Y

    return Parts(
        padded([roll for k, roll in enumerate(rolls) if k % 5 < 3]),
        padded([roll for k, roll in enumerate(rolls) if k % 5 == 3]),
        padded([roll for k, roll in enumerate(rolls) if k % 5 == 4]),
    )


def loss_per_chord(p: np.ndarray, Y: np.ndarray) -> float:
    """−Σ over the pitches of y·ln p + (1 − y)·ln(1 − p), the mean over quarters: the lecture's "nll"."""
    p = np.clip(p, 1e-12, 1.0 - 1e-12)
    losses = -(Y * np.log(p) + (1.0 - Y) * np.log1p(-p)).sum(axis=2)
    return float(losses[~np.isnan(losses)].mean())


@cache
def composer(kind: str, quick: bool) -> tuple[Model, float]:
    """The trained network, and its loss per chord on chorales that it never read."""
    parts = music(quick)
    layers = network(kind, Dense(PITCHES, activation="sigmoid"))
    options = {"loss": "binary_crossentropy", "mask": "nan", "batch_size": 8}
    model = trained(layers, parts.train, parts.validation, 1 if quick else 40, **options)
    X, Y = parts.test
    return model, loss_per_chord(predictr(model, X, mask="nan"), Y)


chords = lecture.table("chords", "network", "loss per chord", "weights")


@chords.row("chords, by how frequent each pitch is")
def _frequent_pitches(quick: bool) -> list[str]:
    parts = music(quick)
    p = np.nanmean(parts.train[1], axis=(0, 1))
    return [f"{loss_per_chord(np.broadcast_to(p, parts.test[1].shape), parts.test[1]):.2f}", "–"]


@chords.row("chords, the last one again")
def _last_again(quick: bool) -> list[str]:
    """Each pitch by how often one that sounds goes on, and one that does not begins."""
    parts = music(quick)
    (X, Y), (X_test, Y_test) = parts.train, parts.test
    goes_on, begins = Y[X == 1.0].mean(), Y[X == 0.0].mean()
    return [f"{loss_per_chord(np.where(X_test == 1.0, goes_on, begins), Y_test):.2f}", "–"]


def _chords(kind: str, quick: bool) -> list[str]:
    model, loss = composer(kind, quick)
    return [f"{loss:.2f}", f"{model.count_params():,}"]


for kind in KINDS:
    chords.row(f"chords, {kind}")(partial(_chords, kind))


def composed(quick: bool, given: int = 8, quarters: int = 24) -> np.ndarray:
    """The beginning of a chorale that was not trained on, and how the gru goes on (quarters, 46): each pitch is drawn
    by its own probability."""
    model, X = composer("gru", quick)[0], music(quick).test[0]
    step, random = model.stepper(), np.random.default_rng(1)
    played = [*X[0, :given]]
    p = [step(chord) for chord in played][-1]
    while len(played) < quarters:
        played.append((random.random(PITCHES) < p).astype(float))
        p = step(played[-1])
    return np.array(played)


def write_midi(path: Path, roll: np.ndarray, ticks: int = 96) -> None:
    """A Standard MIDI File of one track: what sounds each quarter; a pitch that stays is held."""
    edges = np.diff(np.vstack([np.zeros(PITCHES), roll, np.zeros(PITCHES)]), axis=0)
    events, waited = bytearray(), 0
    for changes in edges:
        for pitch in np.flatnonzero(changes):
            events += bytes(_variable(waited)) + bytes([0x90, LOWEST + pitch, 80 if changes[pitch] > 0 else 0])
            waited = 0
        waited += ticks
    events += b"\x00\xff\x2f\x00"
    path.write_bytes(
        struct.pack(">4sIHHH", b"MThd", 6, 0, 1, ticks) + struct.pack(">4sI", b"MTrk", len(events)) + events
    )


def _variable(number: int) -> list[int]:
    """A number as MIDI writes it, seven bits a byte, all but the last marked."""
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.insert(0, 0x80 | (number & 0x7F))
    return digits


# pictures -----------------------------------------------------------------------------------------------------------


@lecture.picture("learning")
def draw_learning(quick: bool, path: Path) -> None:
    """The loss on validation after each epoch."""
    with figure(path, columns=2) as axes:
        for ax, made, title in zip(axes, (writer, composer), ("letters", "chorales"), strict=True):
            for kind, colour in zip(KINDS, COLOURS, strict=False):
                loss = made(kind, quick)[0].validation_loss
                ax.plot(np.arange(1, len(loss) + 1), loss, color=colour, label=kind)
            ax.set(title=title, xlabel="epoch", ylabel="loss on validation")
            ax.legend()


@lecture.picture("chorale")
def draw_chorale(quick: bool, path: Path) -> None:
    """What the gru makes of eight quarters of a chorale; beside the picture it stands as MIDI."""
    roll = composed(quick)
    write_midi(path.with_suffix(".mid"), roll)
    with figure(path, size=(7.0, 3.0)) as (ax,):
        ax.imshow(roll.T, aspect="auto", origin="lower", cmap="Greys", extent=(0, len(roll), LOWEST, LOWEST + PITCHES))
        ax.axvline(8, color=COLOURS[1])
        ax.set(xlabel="quarter; from the line on it is the network's", ylabel="pitch (60 is middle C)")


if __name__ == "__main__":
    lecture.main()
