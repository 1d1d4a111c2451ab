"""Seen from outside: Prometheus metrics, structured logs, OpenTelemetry spans. No data and no tokens in any of them."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app

from pytrainr_server import clock
from pytrainr_server.shown import one_line
from pytrainr_server.store.schema import State

_LATENCY = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0)

calls = Counter("pytrainr_calls", "Calls answered", ["method", "code"])
call_seconds = Histogram("pytrainr_call_seconds", "Time from a call's arrival to its end", ["method"], buckets=_LATENCY)
calls_in_progress = Gauge("pytrainr_calls_in_progress", "Calls under way")
jobs_by_state = Gauge("pytrainr_jobs", "Jobs in the store", ["state"])
jobs_ended = Counter("pytrainr_jobs_ended", "Jobs ended by this server", ["outcome"])
epochs_trained = Counter("pytrainr_epochs_trained", "Whole epochs trained")
samples_trained = Counter("pytrainr_samples_trained", "Samples in the epochs trained")
samples_predicted = Counter("pytrainr_samples_predicted", "Samples predicted")
checkpoint_seconds = Histogram("pytrainr_checkpoint_seconds", "Time to write a checkpoint", buckets=_LATENCY)
failed_checkpoints = Counter("pytrainr_failed_checkpoints", "Checkpoints that could not be written")
damaged_checkpoints = Counter("pytrainr_damaged_checkpoints", "Checkpoints that could not be read")
damaged_files = Counter("pytrainr_damaged_files", "Files whose bytes are not what was written", ["kind"])
worker_deaths = Counter("pytrainr_worker_deaths", "Processes that died while they trained a job of their own")
left_to_others = Gauge("pytrainr_jobs_left_to_others", "Jobs that wait for a server whose results have other bits")
degraded = Gauge("pytrainr_degraded", "1 where the database, the files or the executor cannot be reached", ["part"])
dask_workers = Gauge("pytrainr_dask_workers", "Workers of the Dask cluster, by whether they may train", ["state"])
clock_jump = Gauge("pytrainr_clock_jump_seconds", "How far the system's clock has moved since the server began")
disk_free = Gauge("pytrainr_disk_free_bytes", "Free space where the data directory is")
received_bytes = Counter("pytrainr_uploaded_bytes", "Bytes of datasets received")

_FIELDS = ("job", "job_key", "owner", "method", "code", "seconds", "epoch", "epochs", "address")


_health: dict[str, str] = {"": "starting"}


def tell_health(part: str, why: str) -> None:
    """Why a part does not work, or nothing where it does; the part without a name is the server itself."""
    _health[part] = why
    if part:
        degraded.labels(part).set(bool(why))


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Who asks is no news."""


class _Threads(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


def serve_metrics(host: str, port: int) -> Any:
    """Answer Prometheus there, and probes that ask for ``/health`` or ``/health/PART``; returns the HTTP server."""
    metrics = make_wsgi_app()

    def answer(environment: dict[str, Any], start: Any) -> Any:
        top, _, part = environment["PATH_INFO"].strip("/").partition("/")
        if top != "health":
            return metrics(environment, start)
        why = _health.get(part, f"there is no part {part}: {', '.join(filter(None, _health))}")
        status = "404 Not Found" if part not in _health else "503 Service Unavailable" if why else "200 OK"
        start(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{why or 'works'}\n".encode()]

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = type("_Listening", (_Threads,), {"address_family": family})
    server: Any = make_server(host, port, answer, listening, _Quiet)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def set_state(counts: Mapping[State, int], data_dir: str) -> None:
    """Show how many jobs are in each state, and what else an operator watches."""
    clock_jump.set(clock.jump())
    with contextlib.suppress(OSError):
        disk_free.set(shutil.disk_usage(data_dir).free)
    for state in State:
        jobs_by_state.labels(state.name.lower()).set(counts.get(state, 0))


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        more = "".join(f" {name}={one_line(str(value))}" for name, value in _extra(record).items())
        first, *rest = record.getMessage().split("\n")  # our own messages may have lines, which begin with a space
        if record.exc_info:
            rest += self.formatException(record.exc_info).split("\n")
        line = f"{_timestamp(record)} {record.levelname.lower():7} {one_line(first)}{more}"
        return "\n    ".join([line, *map(one_line, rest)])


class _JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {"time": _timestamp(record), "level": record.levelname.lower(), "message": record.getMessage()}
        entry |= _extra(record)
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}


def _timestamp(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


def set_up_logs(level: str, format: str) -> None:
    """Log to standard error, in lines of text or of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JSONFormatter() if format == "json" else _TextFormatter())
    logger = logging.getLogger("pytrainr_server")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def speak_for(library: str) -> None:
    """What a library logs goes where the server's own log goes, in its form; what it has to say of an exception is one
    line, for an operator has no use for where in the library it came up."""
    for ours in logging.getLogger("pytrainr_server").handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(ours.formatter)
        handler.addFilter(_in_one_line)
        known = [name for name in logging.root.manager.loggerDict if f"{name}.".startswith(f"{library}.")]
        for logger in map(logging.getLogger, {library, *known}):
            logger.handlers[:] = [handler]
            logger.propagate = False
            logger.setLevel(logging.WARNING)


def _in_one_line(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    said = record.getMessage().split("\n")[0]
    record.msg, record.args = f"{record.name}: {said}" + (f": {error!r}" if error else ""), ()
    record.exc_info = record.exc_text = None
    return True


class _Tracing:
    """The tracer, once there is one."""

    tracer: Any = None


def set_up_tracing(exporter: str) -> None:
    """Send spans to the console, or by OTLP to where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says; needs the extra
    ``telemetry``."""
    if exporter == "none":
        return
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

        if exporter == "otlp":
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

            sink: Any = OTLPSpanExporter()
        else:
            sink = ConsoleSpanExporter(out=sys.stderr)
    except ImportError as error:
        raise RuntimeError(
            f"--tracing={exporter} needs a package that is not installed ({error.name}): "
            "pip install 'pytrainr[telemetry]'"
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": "pytrainr-server"}))
    provider.add_span_processor(BatchSpanProcessor(sink))
    trace.set_tracer_provider(provider)
    _Tracing.tracer = trace.get_tracer("pytrainr_server")


@contextlib.contextmanager
def span(name: str, attributes: Mapping[str, str], parent: Mapping[str, str] | None = None) -> Iterator[None]:
    """A span around some work, below the caller's own span if ``parent`` has its ``traceparent``."""
    if _Tracing.tracer is None:
        yield
        return
    from opentelemetry.propagate import extract

    with _Tracing.tracer.start_as_current_span(name, context=extract(dict(parent or {})), attributes=dict(attributes)):
        yield


def job_span(key: str) -> contextlib.AbstractContextManager[None]:
    """A span around one worker's work on a job."""
    return span("training job", {"pytrainr.job_key": key})
