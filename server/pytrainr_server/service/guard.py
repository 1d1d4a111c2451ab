"""What every call passes through: who calls, is the message whole, how long did it take, what went wrong."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError, Message
from grpc.aio import ServicerContext as Context

from pytrainr_server import telemetry
from pytrainr_server.errors import Code, ServiceError, exhausted, going_down
from pytrainr_server.security.callers import Callers
from pytrainr_server.service.receiving import Receiving
from pytrainr_server.service.status import abort, as_service_error

OURS = "/trainr.v1."
Metadata = Iterable[tuple[str, str | bytes]]
Peer = Mapping[str, Iterable[bytes]]
RETRY_SECONDS = 1.0
_owner: ContextVar[str] = ContextVar("owner")
log = logging.getLogger("pytrainr_server.calls")


def current_owner() -> str:
    """In whose name the call under way is made."""
    return _owner.get()


def current_owner_or_none() -> str:
    """The same before it is known: then empty."""
    return _owner.get("")


class Guard(grpc.aio.ServerInterceptor):
    """Wraps every method of this service; health and reflection stay open to all."""

    def __init__(
        self,
        callers: Callers,
        run: Callable[..., Awaitable[Any]],
        receiving: Receiving,
        max_calls: int,
        max_owner_calls: int,
        checks: Mapping[str, Callable[[bytes], None]],
    ) -> None:
        """``checks``: by method, what looks at a message's bytes before it is taken apart."""
        self._callers = callers
        self._run = run
        self._receiving = receiving
        self._max_calls = max_calls
        self._max_owner_calls = max_owner_calls
        self._checks = checks
        self._open: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def close(self, seconds: float) -> None:
        """The server is going down: refuse new calls, and after some time end those that are still open, with a status
        to try again elsewhere."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
        for task in self._tasks:
            task.cancel()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Replace the method's handler by a guarded one that reads the raw bytes itself, once it knows who calls."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(OURS):
            return handler
        many, parse = handler.request_streaming, handler.request_deserializer
        if method in self._checks:
            parse = _checked(self._checks[method], parse)
        if handler.response_streaming:
            behaviour = handler.stream_stream if many else handler.unary_stream
            guarded: Any = self._streaming(method, behaviour, parse, many)
            wrap = grpc.stream_stream_rpc_method_handler
        else:
            behaviour = handler.stream_unary if many else handler.unary_unary
            guarded = self._single(method, behaviour, parse, many)
            wrap = grpc.stream_unary_rpc_method_handler
        return wrap(guarded, request_deserializer=None, response_serializer=handler.response_serializer)

    def _single(self, method: str, behaviour: Any, parse: Any, many: bool) -> Any:
        async def guarded(raw: AsyncIterator[bytes], context: Context[Any, Any]) -> Message:
            try:
                async with self.call(method, context.invocation_metadata() or (), context.auth_context()):
                    return await behaviour(await self._request(raw, parse, many), context)
            except ServiceError as error:
                await self._refuse(raw, context, error, many)

        return guarded

    def _streaming(self, method: str, behaviour: Any, parse: Any, many: bool) -> Any:
        async def guarded(raw: AsyncIterator[bytes], context: Context[Any, Any]) -> AsyncIterator[Message]:
            try:
                async with self.call(method, context.invocation_metadata() or (), context.auth_context()):
                    async for response in behaviour(await self._request(raw, parse, many), context):
                        yield response
            except ServiceError as error:
                await self._refuse(raw, context, error, many)

        return guarded

    async def _refuse(
        self, raw: AsyncIterator[bytes], context: Context[Any, Any], error: ServiceError, many: bool
    ) -> NoReturn:
        if not many:
            await self._receiving.drop(raw)
        await abort(context, error)

    async def _request(self, raw: AsyncIterator[bytes], parse: Any, many: bool) -> Any:
        """The call's message, or where it may have many an iterator over them."""
        if many:
            return _parsed_all(raw, parse)
        return _parsed(await self._receiving.one(raw, current_owner()), parse)

    @asynccontextmanager
    async def call(self, method: str, metadata: Metadata, peer: Peer) -> AsyncIterator[None]:
        """What is done inside is one call in the caller's name: counted, timed, refused beyond the limits.

        Raises :class:`ServiceError` for whatever goes wrong inside.
        """
        task = asyncio.current_task()
        assert task is not None
        with _Observed(method, metadata) as observed:
            self._tasks.add(task)
            try:
                if self._closed:
                    raise going_down()
                await self._identify(metadata, peer)
                with self._place():
                    yield
            except asyncio.CancelledError as error:
                if not self._closed:
                    raise  # by its caller, who is not there to be told
                raise observed.error(going_down()) from error
            except Exception as error:
                raise observed.error(error) from error
            finally:
                self._tasks.discard(task)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the calls that all, and this owner, may have open."""
        owner = current_owner()
        if self._open.total() >= self._max_calls or self._open[owner] >= self._max_owner_calls:
            raise exhausted(
                "TOO_MANY_CALLS",
                f"You have {self._open[owner]} calls open, of {self._max_owner_calls}; all callers together have "
                f"{self._open.total()} of {self._max_calls}. Try again later.",
                RETRY_SECONDS,
            )
        self._open[owner] += 1
        try:
            yield
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]

    async def _identify(self, metadata: Metadata, peer: Peer) -> None:
        owner = self._callers.known_owner(metadata, peer)
        _owner.set(owner if owner is not None else await self._run(self._callers.owner, metadata, peer))


def _parsed(raw: bytes, parse: Callable[[bytes], Message]) -> Message:
    try:
        return parse(raw)
    except DecodeError as error:
        raise ServiceError(
            Code.INVALID_ARGUMENT, "BROKEN_MESSAGE", "The message is not a valid protocol buffer of its type."
        ) from error


def _checked(check: Callable[[bytes], None], parse: Callable[[bytes], Message]) -> Callable[[bytes], Message]:
    def checked(raw: bytes) -> Message:
        check(raw)
        return parse(raw)

    return checked


async def _parsed_all(raw: AsyncIterator[bytes], parse: Callable[[bytes], Message]) -> AsyncIterator[Message]:
    async for message in raw:
        yield _parsed(message, parse)


class _Observed:
    """Counts and times one call, and traces it."""

    def __init__(self, method: str, metadata: Metadata) -> None:
        self._method = method.removeprefix(OURS)
        self._code = "OK"
        parent = {name: str(value) for name, value in metadata if name == "traceparent"}
        self._span = telemetry.span(self._method, {"rpc.system": "grpc", "rpc.method": self._method}, parent)

    def __enter__(self) -> _Observed:
        self._started = time.perf_counter()
        telemetry.calls_in_progress.inc()
        self._span.__enter__()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            self._code = "CANCELLED"
        seconds = time.perf_counter() - self._started
        telemetry.calls_in_progress.dec()
        telemetry.calls.labels(self._method, self._code).inc()
        telemetry.call_seconds.labels(self._method).observe(seconds)
        self._span.__exit__(None, None, None)
        level = logging.DEBUG if self._code == "OK" else logging.INFO
        if log.isEnabledFor(level):
            owner = _owner.get("")
            more = {"method": self._method, "code": self._code, "seconds": round(seconds, 4), "owner": owner}
            log.log(level, "call", extra=more)

    def error(self, error: Exception) -> ServiceError:
        """The error to tell the caller; what is the server's own fault is logged and not told."""
        known = as_service_error(error)
        if known is None:
            log.error("call failed", exc_info=error, extra={"method": self._method})
            known = ServiceError(Code.INTERNAL, "INTERNAL", "The server failed; its log says why.")
        self._code = known.code.name
        return known
