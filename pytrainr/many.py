"""``trainr_many``: independent models of the same data, a grid of options and seeds, on all cores."""

from __future__ import annotations

import itertools
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from copy import deepcopy
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from pytrainr import arguments
from pytrainr.epoch_functions import epoch_annealing
from pytrainr.model import Model
from pytrainr.r_random import RRandom
from pytrainr.r_text import message
from pytrainr.threads import limited_threads, thread_count
from pytrainr.training import DivergedError, Stopped, Training
from pytrainr.trainr import TrainingInterrupted

__all__ = ["Trained", "trainr_many"]


class Trained(NamedTuple):
    """One model of :func:`trainr_many`.

    ``seed`` and ``options``
        what it was trained with; ``options`` are those of the grid alone.
    ``model``
        the trained model. Where ``error`` is not None, the model of the last whole epoch; None if there is none.
    ``error``
        None, or why it was not trained to the end: a ``DivergedError``, or after Ctrl-C a ``TrainingInterrupted``.
    """

    seed: int
    options: dict[str, Any]
    model: Model | None
    error: DivergedError | TrainingInterrupted | None


def trainr_many(
    Y: ArrayLike,
    X: ArrayLike,
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] = ({},),
    *,
    seeds: Iterable[int] = (1,),
    progress: bool = True,
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
    **options
        What all models have in common: any argument of ``trainr`` but ``rng``. ``epoch_function`` is
        ``epoch_annealing`` unless given; each model has a copy of it, and it is called in several threads at once.

    Returns
    -------
    list of Trained
        In the order of the combinations. A model that diverges stops no other: its ``DivergedError`` is in its place.
        After Ctrl-C, with a ``TrainingInterrupted`` warning, what was finished and the other models as they were after
        their last whole epoch.

    Raises
    ------
    TypeError, ValueError
        For an argument that cannot be what it should, as ``trainr``; whatever a function of the caller's raises. The
        other models are stopped then.
    """
    if "rng" in options:
        raise TypeError("rng cannot be shared by several models: use seeds, each model has a stream of its own")
    data = arguments.as_samples(Y, "Y"), arguments.as_samples(X, "X")
    options = {"epoch_function": epoch_annealing, **options}
    numbers = list(seeds)
    jobs = [_Job(data, seed, chosen, options) for chosen in _combinations(grid, options) for seed in numbers]
    with ThreadPoolExecutor(max(1, min(thread_count(), len(jobs))), thread_name_prefix="pytrainr-many") as pool:
        futures = {pool.submit(job.run): job for job in jobs}
        try:
            _follow(futures, arguments.flag(progress, "progress"))
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
        self.error: DivergedError | TrainingInterrupted | None = None
        self.finished = False
        self._training: Training | None = None
        self._stopped = threading.Event()

    def run(self) -> None:
        """Train, in a thread that shares the machine with others like it."""
        options = {**self.shared, **self.chosen}
        options["epoch_function"] = deepcopy(options["epoch_function"])
        with limited_threads(1):
            training = self._training = Training(*self.data, rng=RRandom(self.seed), **options)
            try:
                while not training.finished and not self._stopped.is_set():
                    training.advance()
            except DivergedError as error:
                self.model, self.error = error.model, error
                return
            except Stopped:
                pass
            self.finished = training.finished
            if self.finished:
                self.model = training.result()
            else:
                self.model = training.last_whole_epoch() if training.epoch else None

    def stop(self) -> None:
        """End the training after the group it is at."""
        self._stopped.set()
        if self._training is not None:
            self._training.stop()

    def trained(self) -> Trained:
        if not self.finished and self.error is None:
            epoch = self.model.current_epoch if self.model is not None else 0
            self.error = TrainingInterrupted(f"interrupted after {epoch} whole epochs")
        return Trained(self.seed, self.chosen, self.model, self.error)

    def __str__(self) -> str:
        what = ", ".join(f"{name}={getattr(value, '__name__', value)}" for name, value in self.chosen.items())
        return f"{what}, seed {self.seed}" if what else f"seed {self.seed}"


def _combinations(grid: Any, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
                raise TypeError(
                    f"grid[{name!r}] should be a list of alternatives, it is {values!r}; what all models have "
                    f"in common is given beside the grid: {name}={values!r}"
                )
        combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    elif isinstance(grid, (list, tuple)) and all(isinstance(chosen, Mapping) for chosen in grid):
        combinations = [dict(chosen) for chosen in grid]
    else:
        raise TypeError(
            f"grid should be a dict of alternatives by option, or a list of dicts of options; it is {grid!r}"
        )
    for name in {name for chosen in combinations for name in chosen}:
        if name in options and name != "epoch_function":
            raise TypeError(f"{name} is in the grid and beside it: give it once")
        if name in ("X", "Y", "rng"):
            raise TypeError(f"{name} cannot be in the grid: all models share X and Y, and seeds gives each its stream")
    return combinations


def _follow(futures: dict[Future[None], _Job], progress: bool) -> None:
    """Wait for all; raise what one of them raises. Python hears Ctrl-C between two waits."""
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        if progress:
            for future in done:
                job, count = futures[future], len(futures) - len(waiting)
                how = "diverged" if job.error else f"mean error {job.model.mean_error[-1]:.6g}" if job.model else ""
                message(f"{count} of {len(futures)} models: {job}: {how}")


def _stop(futures: dict[Future[None], _Job]) -> None:
    for future in futures:
        future.cancel()
    for job in futures.values():
        job.stop()
    wait([future for future in futures if not future.cancelled()])
