"""Trying again: only where the server cannot be reached, only what is safe to repeat, ever less often."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import grpc

from pytrainr_client.errors import raise_server_error, went_away

FIRST_SECONDS, LONGEST_SECONDS = 0.05, 5.0
Result = TypeVar("Result")


class Patience:
    """How long to try. ``seconds`` counts from the last success; ``wait`` sleeps before the next attempt."""

    def __init__(self, seconds: float, cancelled: threading.Event | None = None) -> None:
        self._seconds = seconds
        self._cancelled = cancelled or threading.Event()
        self.succeeded()

    def succeeded(self) -> None:
        """It worked: the next failure is a first one again."""
        self._until = time.monotonic() + self._seconds
        self._next = FIRST_SECONDS

    def wait(self, error: grpc.RpcError) -> None:
        """Sleep a while after this failure, or raise it when it is of another kind or the time is over."""
        if not went_away(error) or time.monotonic() >= self._until or self._cancelled.is_set():
            raise_server_error(error)
        # With chance in it, so that a thousand clients do not all come back at once.
        self._cancelled.wait(self._next * random.uniform(0.5, 1.5))
        self._next = min(2 * self._next, LONGEST_SECONDS)


def retried(call: Callable[[], Result], seconds: float) -> Result:
    """The result of ``call``, which may be repeated safely."""
    patience = Patience(seconds)
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            patience.wait(error)
