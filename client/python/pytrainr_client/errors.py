"""What a server refuses, as exceptions: those that the local calls raise, where they have one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from trainr.v1 import error_pb2

__all__ = ["InvalidArgumentError", "NotFoundError", "ServerError"]


class ServerError(RuntimeError):
    """The server could not do what it was asked.

    ``code`` is gRPC's status code, ``reason`` a constant such as "QUEUE_FULL", ``field`` the wrong argument in R's
    name, ``index`` the entry of it that is wrong, counted from 0, or (), ``retry_seconds`` when trying again may help
    (or None), ``metadata`` more about it.
    """

    def __init__(
        self,
        message: str,
        code: grpc.StatusCode,
        reason: str = "",
        field: str = "",
        index: tuple[int, ...] = (),
        retry_seconds: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.field = field
        self.index = index
        self.retry_seconds = retry_seconds
        self.metadata = dict(metadata or {})

    def __str__(self) -> str:
        return f"{super().__str__()} [{self.code.name}{', ' + self.reason if self.reason else ''}]"


class InvalidArgumentError(ServerError, ValueError):
    """An argument cannot be what it should; a ``ValueError`` as from the local call."""

    def __str__(self) -> str:
        return RuntimeError.__str__(self)


class NotFoundError(ServerError, LookupError):
    """There is nothing of that name, or it belongs to someone else."""


_CLASSES: dict[grpc.StatusCode, type[ServerError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
}


_CANCELLED_HERE = {"Locally cancelled by application!", "Channel closed!"}


def server_error(error: grpc.RpcError) -> ServerError:
    """The exception for a failed call."""
    code, message = error.code(), error.details() or "no message"  # type: ignore[attr-defined]
    reason = field = ""
    index: tuple[int, ...] = ()
    retry_seconds: float | None = None
    metadata: Mapping[str, str] = {}
    status = rpc_status.from_call(error)
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        argument = error_pb2.ArgumentError()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad) and bad.field_violations:
            field = bad.field_violations[0].field
        elif detail.Unpack(argument):
            index = tuple(argument.index)
        elif detail.Unpack(retry):
            retry_seconds = retry.retry_delay.ToTimedelta().total_seconds()
    return _CLASSES.get(code, ServerError)(message, code, reason, field, index, retry_seconds, metadata)


def went_away(error: grpc.RpcError) -> bool:
    """Whether the server cannot be reached, or has ended the call without a word: so it does with one that comes just
    as it goes down."""
    code = error.code()  # type: ignore[attr-defined]
    if code != grpc.StatusCode.CANCELLED:
        return bool(code == grpc.StatusCode.UNAVAILABLE)
    return error.details() not in _CANCELLED_HERE and rpc_status.from_call(error) is None  # type: ignore[attr-defined]


def raise_server_error(error: grpc.RpcError) -> NoReturn:
    """Raise the exception for a failed call, without the noise of gRPC's own."""
    raise server_error(error) from None
