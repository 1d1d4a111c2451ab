"""Errors as callers see them: a status with google.rpc details, ErrorInfo always."""

from __future__ import annotations

import errno
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from trainr import wire
from trainr.v1 import error_pb2, model_pb2

from pytrainr import argument_errors
from pytrainr.argument_errors import ArgumentError, Part, Place, Setting, Value
from pytrainr_server.errors import Code, ServiceError, exhausted, invalid, no_descriptor
from pytrainr_server.shown import one_line

DOMAIN = "pytrainr"
MAX_MESSAGE = 4000
_BROKEN = {getattr(errno, name) for name in ("EIO", "ENXIO", "ENODEV", "ESTALE", "EREMOTEIO") if hasattr(errno, name)}


def as_service_error(error: Exception) -> ServiceError | None:
    """The error as callers may see it; None for one that is the server's own affair."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, wire.WireError):
        return invalid(error.field, error.description)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return exhausted("DISK_FULL", f"The server cannot write: {error.strerror}. Nothing was changed.", 30.0)
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return no_descriptor()
    if isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EACCES):
        message = f"The server's storage cannot be written to: {error.strerror}."
        return ServiceError(Code.UNAVAILABLE, "STORE_READ_ONLY", message, retry_seconds=5.0)
    if isinstance(error, OSError) and error.errno in _BROKEN:
        message = f"The server cannot use its disk: {error.strerror}. Nothing was changed."
        return ServiceError(Code.UNAVAILABLE, "STORE_FAILS", message, retry_seconds=5.0)
    return None


def status_of(error: ServiceError) -> status_pb2.Status:
    """The status with its details."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)]
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.argument_error is not None:
        details.append(_argument_error(error.argument_error))
    if error.retry_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=int(error.code), message=one_line(error.message)[:MAX_MESSAGE])
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _argument_error(error: ArgumentError) -> error_pb2.ArgumentError:
    """The message in its parts."""
    parts = map(_message_part, error.parts)
    return error_pb2.ArgumentError(argument=error.argument, index=error.index, part=parts)


def _message_part(part: Part) -> error_pb2.MessagePart:
    if isinstance(part, Place):
        place = error_pb2.MessagePart.Place(name=part.name, index=part.index, of=part.of)
        return error_pb2.MessagePart(place=place)
    if isinstance(part, Value):
        return error_pb2.MessagePart(value=wire.encode_value(part.value))
    if isinstance(part, Setting):
        setting = model_pb2.Option(name=part.name, value=wire.encode_value(part.value))
        return error_pb2.MessagePart(setting=setting)
    if isinstance(part, argument_errors.Code):
        return error_pb2.MessagePart(code=error_pb2.MessagePart.Code(python=part.python, r=part.r))
    return error_pb2.MessagePart(text=part)


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: ServiceError) -> NoReturn:
    """End the call with the error."""
    status = rpc_status.to_status(status_of(error))
    await context.abort(status.code, status.details, status.trailing_metadata)
    raise AssertionError("context.abort always raises")
