"""Timing contestants in turns, on a machine that may have other things to do."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

_PROCESSORS = Path("/proc/stat")
_MOST_OTHERS = 0.1  # processors' worth of other processes' work in a fair round
_MOST_SPREAD = 1.2  # upper over lower quartile of a contestant's times
_FEWEST_FAIR = 3


class _Moment(NamedTuple):
    wall: float
    ours: float
    all: float | None

    @classmethod
    def now(cls) -> _Moment:
        return cls(time.perf_counter(), time.process_time(), _busy_seconds())


def _busy_seconds() -> float | None:
    """Seconds that all processors together have worked, or were taken by other guests, where the system tells."""
    if not _PROCESSORS.exists():
        return None
    user, nice, system, _, _, interrupts, soft, stolen = map(int, _PROCESSORS.read_text().split()[1:9])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


class Rounds:
    """Rounds in which each of ``contestants`` runs once; unfair ones are repeated, twice as many at most."""

    def __init__(self, contestants: Mapping[str, Callable[[], object]], rounds: int) -> None:
        self._rounds: list[tuple[dict[str, float], float]] = []
        for _ in range(2 * rounds):
            self._rounds.append(_round(contestants))
            if len(self._fair()) == rounds:
                break
        self._asked = rounds

    def _fair(self) -> list[dict[str, float]]:
        return [times for times, others in self._rounds if others <= _MOST_OTHERS]

    def _used(self) -> list[dict[str, float]]:
        fair = self._fair()
        return fair if len(fair) >= min(_FEWEST_FAIR, self._asked) else [times for times, _ in self._rounds]

    def seconds(self) -> dict[str, list[float]]:
        """Each contestant's times in the fair rounds, or in all if hardly one was."""
        used = self._used()
        return {name: [times[name] for times in used] for name in used[0]}

    def complaints(self) -> list[str]:
        """What makes these times doubtful."""
        found = []
        if len(self._fair()) < min(_FEWEST_FAIR, self._asked):
            others = statistics.median(others for _, others in self._rounds)
            found.append(f"other processes kept {others:.1f} of {os.cpu_count()} processors busy")
        for name, times in self.seconds().items():
            if len(times) >= 4:
                lower, _, upper = statistics.quantiles(times, n=4)
                if upper > _MOST_SPREAD * lower:
                    found.append(f"the times of {name} vary by {100 * (upper / lower - 1):.0f} % between quartiles")
        return found


def _round(contestants: Mapping[str, Callable[[], object]]) -> tuple[dict[str, float], float]:
    """Each one's seconds, and how many processors' worth of work others did meanwhile."""
    times, started = {}, _Moment.now()
    for name, function in contestants.items():
        before = _Moment.now()
        function()
        after = _Moment.now()
        times[name] = after.wall - before.wall if "threads" in name else after.ours - before.ours
    ended = _Moment.now()
    if started.all is None or ended.all is None:
        return times, 0.0
    others = (ended.all - started.all) - (ended.ours - started.ours)
    return times, others / (ended.wall - started.wall)
