"""Training where there is always more to learn from: round after round on new sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pytrainr import Model, RRandom, trainr
from pytrainr.r_text import without_messages

__all__ = ["Learner"]


@dataclass
class Learner:
    """A network of ``options``, trained round by round: its ``losses`` on validation, and the ``best`` it was.

    The rounds' random numbers follow from ``seed``.
    """

    options: dict[str, Any]
    seed: int = 0
    losses: list[float] = field(default_factory=list)
    best: Model | None = None
    _last: Model | None = None

    def learn(self, loss: Callable[[Model], float], numepochs: int = 1, **drawn: Any) -> None:
        """A round on the sequences X and Y that were ``drawn`` for it; ``loss`` says how good it has become."""
        options = self.options if self._last is None else {"model": self._last}
        with without_messages():
            self._last = trainr(**drawn, **options, numepochs=numepochs, rng=RRandom(self.seed + len(self.losses) + 1))
        self.losses.append(loss(self._last))
        if self.losses[-1] <= min(self.losses):
            self.best = self._last

    def slow(self, factor: float) -> None:
        """From now on the learning rate is multiplied by ``factor``."""
        assert self._last is not None
        self._last.learningrate *= factor

    @property
    def waited(self) -> int:
        """How many rounds since the best."""
        return len(self.losses) - 1 - self.losses.index(min(self.losses))
