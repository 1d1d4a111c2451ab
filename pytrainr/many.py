"""``trainr_many``: independent models of the same data, a grid of options and seeds, on all cores."""

from __future__ import annotations

import itertools
import math
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from copy import deepcopy
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from pytrainr import arguments
from pytrainr.epoch_functions import epoch_annealing
from pytrainr.halving import Halving, Rung, best, dropped, error_so_far, halving_of
from pytrainr.model import Model
from pytrainr.r_random import RRandom
from pytrainr.r_text import message
from pytrainr.threads import limited_threads, thread_count
from pytrainr.training import DivergedError, Stopped, Training
from pytrainr.trainr import TrainingInterrupted

__all__ = [
    "Trained",
    "TrainingDropped",
    "check_options",
    "combinations",
    "common_epochs",
    "described",
    "outcome",
    "trainr_many",
]


class TrainingDropped(Exception):  # noqa: N818 - it was asked for
    """Successive halving did not let the training go on; the message says after which epoch and why."""


class Trained(NamedTuple):
    """One model of :func:`trainr_many`.

    ``seed`` and ``options``
        what it was trained with; ``options`` are those of the grid alone.
    ``model``
        the trained model. Where ``error`` is not None, the model of the last whole epoch; None if there is none.
    ``error``
        None, or why it was not trained to the end: a ``DivergedError``, with ``halving`` a ``TrainingDropped``, after
        Ctrl-C a ``TrainingInterrupted``; at a server also a ``ServerError``.
    """

    seed: int
    options: dict[str, Any]
    model: Model | None
    error: Exception | None


def trainr_many(
    Y: ArrayLike,
    X: ArrayLike,
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] = ({},),
    *,
    seeds: Iterable[int] = (1,),
    progress: bool = True,
    halving: int | Halving | None = None,
    **options: Any,
) -> list[Trained]:
    """Train a model for each combination of options and each seed, as many at a time as there are threads.

    Each is to the bit what ``trainr(Y, X, rng=RRandom(seed), ...)`` makes of it.

        trained = trainr_many(Y, X, {"learningrate": [0.1, 0.3], "hidden_dim": [8, (16, 8)]}, seeds=range(5))
        best = min((t for t in trained if t.error is None), key=lambda t: t.model.mean_error[-1])

    Parameters
    ----------
    Y, X
        As ``trainr`` takes them; all models share them.
    grid
        Alternatives by option, of which every combination is trained, the last option changing first; or a list of
        options, each trained as it is.
    seeds
        Each combination is trained once with each seed; they change before any option.
    progress
        Whether to say on the standard error stream which model is done.
    halving
        Successive halving: all models train for a part of their epochs, the best 1 of so many (2 or more) go on, and so
        forth to the end; a ``Halving(eta, epochs)`` says also for how many epochs all train at least. Those that go on
        do so as if nothing had been between, to the bit; they are compared by the loss of the data held out
        (``validation``), without that by the mean error. All of them are in memory at the same time.
    **options
        What all models have in common: any argument of ``trainr`` but ``rng``. ``epoch_function`` is
        ``epoch_annealing`` unless given; each model has a copy of it, and it is called in several threads at once.

    Returns
    -------
    list of Trained
        In the order of the combinations. A model that diverges stops no other: its ``DivergedError`` is in its place.
        One that was dropped is in its place as it was then, with a ``TrainingDropped``.
        After Ctrl-C, with a ``TrainingInterrupted`` warning, what was finished and the other models as they were after
        their last whole epoch.

    Raises
    ------
    TypeError, ValueError
        For an argument that cannot be what it should, as ``trainr``; whatever a function of the caller's raises. The
        other models are stopped then.
    """
    check_options(options)
    data = arguments.as_samples(Y, "Y"), arguments.as_samples(X, "X")
    options = {"epoch_function": epoch_annealing, **options}
    rule, numbers = None if halving is None else halving_of(halving), list(seeds)
    found = combinations(grid, options)
    jobs = [_Job(data, seed, chosen, options) for chosen in found for seed in numbers]
    rungs = rule.rungs(len(jobs), common_epochs(found, options)) if rule else []
    progress = arguments.flag(progress, "progress")
    with ThreadPoolExecutor(max(1, min(thread_count(), len(jobs))), thread_name_prefix="pytrainr-many") as pool:
        futures: dict[Future[None], _Job] = {}
        try:
            for rung in (*rungs, None):
                going_on = [job for job in jobs if not job.ended]
                futures = {pool.submit(job.run, rung): job for job in going_on}
                _follow(futures, len(jobs), sum(job.ended for job in jobs), progress)
                if rung:
                    _drop(jobs, rung, progress)
        except KeyboardInterrupt:
            _stop(futures)
            whole = sum(job.finished for job in jobs)
            warnings.warn(
                f"interrupted: {whole} of {len(jobs)} models are trained to the end, the others are as they were after "
                "their last whole epoch",
                TrainingInterrupted,
                stacklevel=2,
            )
        except BaseException:
            _stop(futures)
            raise
    return [job.trained() for job in jobs]


class _Job:
    """One model: trained in a thread, stopped from another."""

    def __init__(self, data: tuple[Any, Any], seed: int, chosen: dict[str, Any], shared: dict[str, Any]) -> None:
        self.data, self.seed, self.chosen, self.shared = data, seed, chosen, shared
        self.model: Model | None = None
        self.error: Exception | None = None
        self.finished = False
        self._training: Training | None = None
        self._stopped = threading.Event()
        self.error_so_far = math.inf

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to train."""
        return self.finished or self.error is not None

    def run(self, rung: Rung | None) -> None:
        """Train to the end, or to a rung, in a thread that shares the machine with others like it."""
        with limited_threads(1):
            training = self._training = self._training or self._begun()
            last = rung.epochs if rung else training.numepochs
            try:
                while training.epoch < last and not training.finished and not self._stopped.is_set():
                    training.advance()
            except DivergedError as error:
                self.model, self.error, self._training = error.model, error, None
                return
            except Stopped:
                pass
            if training.epoch:
                self.error_so_far = error_so_far(training)
            self.finished = training.finished
            if self.finished:
                self.model, self._training = training.result(), None

    def _begun(self) -> Training:
        options = {**self.shared, **self.chosen}
        options["epoch_function"] = deepcopy(options["epoch_function"])
        return Training(*self.data, rng=RRandom(self.seed), **options)

    def stop(self) -> None:
        """End the training after the group it is at."""
        self._stopped.set()
        if (training := self._training) is not None:
            training.stop()

    def drop(self, rung: Rung, models: int) -> None:
        """It does not go on."""
        training = self._training
        assert training is not None
        why = dropped(training.epoch, training.numepochs, self.error_so_far, rung, models)
        self.model, self.error, self._training = training.last_whole_epoch(), TrainingDropped(why), None

    def trained(self) -> Trained:
        if not self.ended:
            training = self._training
            self.model = training.last_whole_epoch() if training is not None and training.epoch else None
            epoch = self.model.current_epoch if self.model is not None else 0
            self.error = TrainingInterrupted(f"interrupted after {epoch} whole epochs")
        return Trained(self.seed, self.chosen, self.model, self.error)


def described(seed: int, chosen: Mapping[str, Any]) -> str:
    """What a model is trained with, in words."""
    what = ", ".join(f"{name}={getattr(value, '__name__', value)}" for name, value in chosen.items())
    return f"{what}, seed {seed}" if what else f"seed {seed}"


def outcome(model: Model | None, error: Exception | None) -> str:
    """What became of it, in words."""
    if error is not None:
        return "diverged" if isinstance(error, DivergedError) else str(error)
    return f"mean error {model.mean_error[-1]:.6g}" if model is not None else ""


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ``TypeError`` for what many models cannot have in common."""
    if "rng" in options:
        raise TypeError("rng cannot be shared by several models: use seeds, each model has a stream of its own")


def common_epochs(found: Iterable[Mapping[str, Any]], options: Mapping[str, Any]) -> int:
    """How many epochs the models of these :func:`combinations` have: with halving it has to be the same number."""
    if any("numepochs" in chosen for chosen in found):
        raise TypeError("numepochs cannot be in the grid where halving compares models: give it beside the grid")
    model = options.get("model")
    return int(model.numepochs if isinstance(model, Model) else options.get("numepochs", 1))


def combinations(grid: Any, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The options of each model beyond those that all have. Raises ``TypeError`` for what is no grid."""
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
                raise TypeError(
                    f"grid[{name!r}] should be a list of alternatives, it is {values!r}; what all models have "
                    f"in common is given beside the grid: {name}={values!r}"
                )
        found = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    elif isinstance(grid, (list, tuple)) and all(isinstance(chosen, Mapping) for chosen in grid):
        found = [dict(chosen) for chosen in grid]
    else:
        raise TypeError(
            f"grid should be a dict of alternatives by option, or a list of dicts of options; it is {grid!r}"
        )
    for name in {name for chosen in found for name in chosen}:
        if name in options and name != "epoch_function":
            raise TypeError(f"{name} is in the grid and beside it: give it once")
        if name in ("X", "Y", "rng"):
            raise TypeError(f"{name} cannot be in the grid: all models share X and Y, and seeds gives each its stream")
    return found


def _follow(futures: dict[Future[None], _Job], models: int, ended: int, progress: bool) -> None:
    """Wait for all; raise what one of them raises. Python hears Ctrl-C between two waits."""
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        for job in (futures[future] for future in done):
            ended += job.ended
            if progress and job.ended:
                what = f"{described(job.seed, job.chosen)}: {outcome(job.model, job.error)}"
                message(f"{ended} of {models} models: {what}")


def _drop(jobs: list[_Job], rung: Rung, progress: bool) -> None:
    """Let only the best go on; what has finished before, by a function that stopped it, is compared with them."""
    compared = {job: job.error_so_far for job in jobs if job.finished or not job.ended}
    kept = set(best(compared, rung.kept))
    for job in compared:
        if job not in kept and not job.ended:
            job.drop(rung, len(compared))
    if progress:
        message(f"after {rung.epochs} epochs the best {len(kept)} of {len(compared)} models go on")


def _stop(futures: dict[Future[None], _Job]) -> None:
    for future in futures:
        future.cancel()
    for job in futures.values():
        job.stop()
    wait([future for future in futures if not future.cancelled()])
