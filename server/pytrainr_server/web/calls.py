"""The page's calls of the service: in the name of who is signed in, through the guard that all others pass."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, NamedTuple, TypeVar

from pytrainr_server.service.follow import Run
from pytrainr_server.service.guard import OURS, Guard, current_owner

Result = TypeVar("Result")


class Caller(NamedTuple):
    """What tells who calls: a call's metadata, and its certificate."""

    metadata: tuple[tuple[str, str], ...]
    peer: dict[str, list[bytes]]


class Calls:
    """The service as the page calls it. Raises ``ServiceError`` for whatever goes wrong."""

    def __init__(self, guard: Guard, run: Run, services: Sequence[Any]) -> None:
        self._guard = guard
        self._run = run
        self._services = services

    def _method(self, name: str) -> Callable[..., Any]:
        return next(getattr(service, name) for service in self._services if hasattr(type(service), name))

    async def one(self, caller: Caller, name: str, request: Any) -> Any:
        """The answer of a call of the service."""
        async with self.held(caller, name):
            return await self._method(name)(request, None)

    async def many(self, caller: Caller, name: str, request: Any) -> AsyncGenerator[Any, None]:
        """The answers of a call that streams them."""
        async with self.held(caller, name), aclosing(self._method(name)(request, None)) as responses:
            async for response in responses:
                yield response

    def held(self, caller: Caller, name: str) -> AbstractAsyncContextManager[None]:
        """One call for as long as it lasts."""
        return self._guard.call(f"{OURS}web/{name}", *caller)

    async def look(self, caller: Caller, name: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """What a function finds in the store for the owner, its first argument."""
        async with self.held(caller, name):
            result: Result = await self._run(function, current_owner(), *arguments)
            return result

    async def aside(self, caller: Caller, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a coroutine finds that sees to its own threads."""
        async with self.held(caller, name):
            return await function(*arguments)

    async def owner(self, caller: Caller) -> str:
        """In whose name the caller's calls are made. Raises UNAUTHENTICATED."""
        async with self.held(caller, "SignIn"):
            return current_owner()
