"""Is a movie review for or against the movie? Networks on words against a bag of words.

python examples/lectures/sentiment.py
"""

from __future__ import annotations

import io
import re
import sys
import tarfile
from collections import Counter
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from examples.lectures.book import MADE, Lecture, downloaded, figure
from pytrainr import Model, RRandom, epoch_annealing, layer_states, predictr, trainr
from pytrainr.layers import (
    GRU,
    LSTM,
    AttentionPooling,
    Bidirectional,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    Layer,
    SimpleRNN,
)

lecture = Lecture("sentiment")
PACKAGE, ARCHIVE = "vaderSentiment==3.3.2", "additional_resources/hutto_ICWSM_2014.tar.gz"
SNIPPETS = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
ABSENT, UNKNOWN = 0, 1  # tokens


# data ---------------------------------------------------------------------------------------------------------------


@cache
def snippets() -> list[tuple[float, str]]:
    """Rating from −4 to 4 (the mean of twenty people) and text of 10,604 sentences from reviews; C. J. Hutto & E.
    Gilbert (2014), "VADER". Fetched once with pip: they are not ours to give away."""
    file = MADE / "movie_reviews.txt"
    if not file.exists():
        with downloaded(PACKAGE, "--no-binary", ":all:") as package, tarfile.open(package) as outer:
            (inner,) = (member for member in outer if member.name.endswith(ARCHIVE))
            with tarfile.open(fileobj=io.BytesIO(_read(outer, inner))) as archive:
                text = _read(archive, archive.getmember(SNIPPETS)).decode("utf-8", errors="replace")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    lines = (line.split("\t", 2) for line in file.read_text(encoding="utf-8").splitlines() if line.count("\t") >= 2)
    return [(float(rating), text) for _, rating, text in lines]


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def words_of(text: str) -> list[str]:
    """Words in lower case, "n't" and "'s" among them, and the signs ! and ?."""
    return re.findall(r"[a-z]+(?:'[a-z]+)?|[!?]", text.lower())


class Reviews(NamedTuple):
    """``words`` of each review, its tokens X (samples, steps), 0 behind the end, and Y (samples, 1, 1): 1 is for."""

    words: list[list[str]]
    X: np.ndarray
    Y: np.ndarray

    @property
    def liked(self) -> np.ndarray:
        return self.Y[:, 0, 0] > 0.5


class Corpus(NamedTuple):
    train: Reviews
    validation: Reviews
    test: Reviews
    vocabulary: dict[str, int]


STEPS, COMMON = 40, 2  # words that are read of a review; how often a word comes at least


@cache
def corpus(quick: bool) -> Corpus:
    """60, 20, 20 % of the reviews, shuffled; the vocabulary is that of the first."""
    rated = [(rating > 0.0, words_of(text)) for rating, text in snippets() if rating != 0.0]
    order = np.random.default_rng(1).permutation(len(rated))[: 300 if quick else None]
    first, second = int(0.6 * len(order)), int(0.8 * len(order))
    counts = Counter(word for place in order[:first] for word in rated[place][1])
    common = (word for word, times in counts.most_common() if times >= COMMON)
    vocabulary = {word: token for token, word in enumerate(common, UNKNOWN + 1)}

    def reviews(places: np.ndarray) -> Reviews:
        words = [rated[place][1][:STEPS] for place in places]
        X = np.full((len(words), STEPS), ABSENT)
        for row, said in zip(X, words, strict=True):
            row[: len(said)] = [vocabulary.get(word, UNKNOWN) for word in said]
        return Reviews(words, X, np.array([rated[place][0] for place in places], dtype=float).reshape(-1, 1, 1))

    return Corpus(reviews(order[:first]), reviews(order[first:second]), reviews(order[second:]), vocabulary)


# networks -----------------------------------------------------------------------------------------------------------


def networks(units: int) -> dict[str, list[Layer]]:
    """What stands between the words' vectors and the answer, P(for) = σ(y·w + b)."""
    return {
        "mean of the words": [GlobalAveragePooling1D()],
        "rnn": [SimpleRNN(units)],
        "lstm": [LSTM(units)],
        "lstm, bidirectional": [Bidirectional(LSTM(units))],
        "convolution, maximum": [Conv1D(units, 3, padding="same", activation="relu"), GlobalMaxPooling1D()],
        "attention pooling": [AttentionPooling()],
        "gru, attention pooling": [Bidirectional(GRU(units, return_sequences=True)), AttentionPooling()],
    }


WIDTH, UNITS, EPOCHS = 32, 32, 6


@cache
def trained(name: str, seed: int, quick: bool) -> Model:
    """Of its epochs the one with the smallest loss on the validation data."""
    data, width = corpus(quick), 4 if quick else WIDTH
    words: list[Layer] = [Embedding(len(data.vocabulary) + 2, width, mask_zero=True), Dropout(0.5)]
    layers = [*words, *networks(4 if quick else UNITS)[name], Dropout(0.5), Dense(1, activation="sigmoid")]
    options: dict[str, Any] = {"update_rule": "adam", "learningrate": 0.003, "batch_size": 32, "clip_norm": 10.0}
    return trainr(
        *(data.train.Y, data.train.X),
        **{"exact": True, "layers": layers, "loss": "binary_crossentropy", "dtype": "float32", "rng": RRandom(seed)},
        **{"numepochs": 1 if quick else EPOCHS, "validation": (data.validation.X, data.validation.Y), **options},
        epoch_function=epoch_annealing,
    )


def bag_of_words(quick: bool) -> list[np.ndarray]:
    """What scikit-learn says of the validation and the test data: logistic regression on the words that there are,
    its regularisation chosen on the validation data."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    data = corpus(quick)
    bag = CountVectorizer(binary=True, vocabulary=list(data.vocabulary), analyzer=lambda words: words)
    train, *others = (bag.transform(reviews.words) for reviews in data[:3])
    fitted = [LogisticRegression(C=C, max_iter=1000).fit(train, data.train.liked) for C in (0.03, 0.1, 0.3, 1.0, 3.0)]
    best = max(fitted, key=lambda model: model.score(others[0], data.validation.liked))
    return [best.predict(bags) for bags in others]


table = lecture.table("right", "network", "parameters", "best epochs", "validation, right", "test, right")


def _right(said: list[list[np.ndarray]], quick: bool) -> list[str]:
    """Of each seed's answers for validation and test: the mean share that is right, from the worst to the best."""
    cells = []
    for reviews, answers in zip(corpus(quick)[1:3], zip(*said, strict=True), strict=True):
        right = [100 * (answer == reviews.liked).mean() for answer in answers]
        spread = f" ({min(right):.1f} to {max(right):.1f})" if len(right) > 1 else ""
        cells.append(f"{np.mean(right):.1f} %{spread}")
    return cells


def _guessed(quick: bool) -> list[str]:
    data = corpus(quick)
    more = data.train.liked.mean() > 0.5
    return ["0", "–", *_right([[np.full(len(reviews.liked), more) for reviews in data[1:3]]], quick)]


def _bag(quick: bool) -> list[str]:
    return [f"{len(corpus(quick).vocabulary) + 1:,}", "–", *_right([bag_of_words(quick)], quick)]


def _network(name: str, quick: bool) -> list[str]:
    models = [trained(name, seed, quick) for seed in ((1,) if quick else SEEDS)]
    said = [[predictr(model, reviews.X)[:, 0] > 0.5 for reviews in corpus(quick)[1:3]] for model in models]
    epochs = ", ".join(str(model.best_epoch) for model in models)
    return [f"{models[0].count_params():,}", epochs, *_right(said, quick)]


SEEDS = (1, 2)
table.row("the more frequent answer")(_guessed)
table.row("bag of words, logistic regression")(_bag)
for name in networks(UNITS):
    table.row(name)(partial(_network, name))


# pictures -----------------------------------------------------------------------------------------------------------


@lecture.picture("attention")
def draw_attention(quick: bool, path: Path) -> None:
    """α of the words of eight reviews of the test data, by both networks that pool with it."""
    data = corpus(quick)
    short = [k for k, words in enumerate(data.test.words) if 5 <= len(words) <= 12][:8]
    with figure(path, columns=2, size=(7.2, 4.4)) as axes:
        for ax, name in zip(axes, ("attention pooling", "gru, attention pooling"), strict=True):
            model = trained(name, 1, quick)
            X = data.test.X[short]
            shares, says = layer_states(model, X)["attention_pooling"]["attention"], predictr(model, X)[:, 0]
            ax.imshow(shares[:, :12], aspect="auto", cmap="Oranges", vmin=0.0, vmax=0.6)
            for row, place in enumerate(short):
                for column, word in enumerate(data.test.words[place]):
                    ax.text(column, row, word, ha="center", va="center", fontsize=6, rotation=20)
            right = ["for" if data.test.liked[place] else "against" for place in short]
            ax.set(title=name, xticks=[], yticks=range(len(short)))
            ax.set_yticklabels([f"{truth}, P(for) = {p:.2f}" for truth, p in zip(right, says, strict=True)], fontsize=7)


if __name__ == "__main__":
    lecture.main()
