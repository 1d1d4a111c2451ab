"""What goes wrong, in the terms of gRPC's status codes but without gRPC: the layers below the service raise these."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from pytrainr.argument_errors import ArgumentError


class Code(IntEnum):
    """gRPC's status codes, as far as this server uses them."""

    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    OUT_OF_RANGE = 11
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServiceError(Exception):
    """An error that the caller is told: a code, a constant ``reason`` for programs and a message for people.

    ``field`` names the wrong argument as R does, ``argument_error`` has the message in parts that callers can put into
    the words of their language; ``retry_seconds`` says when trying again may help.
    """

    def __init__(
        self,
        code: Code,
        reason: str,
        message: str,
        *,
        field: str = "",
        argument_error: ArgumentError | None = None,
        retry_seconds: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.field = field
        self.argument_error = argument_error
        self.retry_seconds = retry_seconds
        self.metadata = dict(metadata or {})

    def __reduce__(self) -> Any:
        """Errors come from a job's own process too; one that could not be read there would look like its death."""
        return type(self), (self.code, self.reason, self.message), self.__dict__


def invalid(field: str, description: str) -> ServiceError:
    """The argument ``field`` is wrong: ``description`` says what it is and what it should be."""
    message = description if field in description else f"{field} {description}"
    return ServiceError(Code.INVALID_ARGUMENT, "INVALID_ARGUMENT", message, field=field)


def invalid_argument(error: ArgumentError) -> ServiceError:
    """What the library says about an argument."""
    return ServiceError(
        Code.INVALID_ARGUMENT,
        "INVALID_ARGUMENT",
        str(error),
        field=error.argument.removeprefix("model."),
        argument_error=error,
    )


def not_found(name: str) -> ServiceError:
    """There is nothing of that name, or it belongs to someone else: the caller cannot tell which."""
    return ServiceError(Code.NOT_FOUND, "NOT_FOUND", f"{name!r} does not exist.", metadata={"name": name})


def exhausted(reason: str, message: str, retry_seconds: float | None = None) -> ServiceError:
    """A limit is reached."""
    return ServiceError(Code.RESOURCE_EXHAUSTED, reason, message, retry_seconds=retry_seconds)


def precondition(reason: str, message: str) -> ServiceError:
    """The thing is not in a state in which this can be done."""
    return ServiceError(Code.FAILED_PRECONDITION, reason, message)


def going_down(more: str = "") -> ServiceError:
    """The server ends; ``more`` says what becomes of what was asked for."""
    message = f"The server is going down{more and f'; {more}'}."
    return ServiceError(Code.UNAVAILABLE, "GOING_DOWN", message, retry_seconds=1.0)


def no_descriptor() -> ServiceError:
    """The process has as many files and connections open as it may."""
    message = "The server has no file descriptor left; try again later."
    return ServiceError(Code.UNAVAILABLE, "TOO_MANY_FILES", message, retry_seconds=1.0)
