"""The server's settings: flags, then environment variables, then a TOML file, then the defaults below."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainr.addresses import Address, AddressError, parse_address

from pytrainr.memory import memory_limit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PREFIX = "PYTRAINR_SERVER_"
_HTTP = {
    "metrics": "Prometheus asks at HOST:PORT, such as 127.0.0.1:9090",
    "web": "browsers ask at HOST:PORT, such as 127.0.0.1:7273",
}
KIBIBYTE, MEBIBYTE, GIBIBYTE = 1 << 10, 1 << 20, 1 << 30
DAY = 86_400.0
MIN_MESSAGES = 8
UNLIMITED = 1 << 62


class ConfigError(ValueError):
    """A setting that makes no sense; the message says which and what it should be."""


def _setting(default: Any, help: str, choices: tuple[str, ...] = ()) -> Any:
    metadata = {"help": help, "choices": choices}
    if isinstance(default, (list, tuple)):
        return dataclasses.field(default_factory=lambda: tuple(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def _default_data_dir() -> str:
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return str(Path(base) / "pytrainr-server")


@dataclass(frozen=True)
class Config:
    """All settings. Sizes are in bytes, times in seconds."""

    # where
    listen: tuple[str, ...] = _setting(
        ("127.0.0.1:7272",), "address to listen on, HOST, HOST:PORT or unix:/PATH; may be given several times"
    )
    data_dir: str = _setting(
        "", "directory for everything that is kept (default: ~/.local/share/pytrainr-server or under $XDG_DATA_HOME)"
    )
    store_url: str = _setting("", "SQLAlchemy URL of the database (default: SQLite, store.db in the data directory)")
    files: str = _setting(
        "",
        "where servers on one database share datasets, models and checkpoints: s3://BUCKET/PREFIX, perhaps with "
        "?endpoint_url=URL, or file:///DIRECTORY (default: the data directory, for one server)",
    )
    cache_bytes: int = _setting(10 * GIBIBYTE, "bytes of shared files that are kept in the data directory as well")
    # who
    tls_certificate: str = _setting("", "PEM file with the server's certificate chain; read again when it changes")
    tls_key: str = _setting("", "PEM file with the private key of the certificate; read again when it changes")
    tls_client_ca: str = _setting(
        "", "PEM file with the authorities whose clients are let in (mutual TLS); read again when it changes"
    )
    tokens: str = _setting(
        "auto",
        "whether callers need a token: always; never; auto: once a token exists, and on addresses beyond loopback "
        "unless mutual TLS says who calls",
        ("auto", "always", "never"),
    )
    insecure: bool = _setting(False, "allow addresses beyond loopback without TLS: everyone on the way can read along")
    executor: str = _setting(
        "threads",
        "where jobs train: threads; processes; dask-local:N, a Dask cluster of N processes on this machine; "
        "dask://HOST:PORT, the workers of that scheduler, which need --store-url and --files",
    )
    # how much
    training_threads: int = _setting(0, "trainings at the same time (0: one per processor)")
    prediction_threads: int = _setting(0, "predictions at the same time (0: one per processor)")
    max_message_bytes: int = _setting(128 * MEBIBYTE, "largest message read")
    chunk_bytes: int = _setting(512 * KIBIBYTE, "size of the pieces in which large things are sent")
    inline_bytes: int = _setting(MEBIBYTE, "arrays up to this size travel inside a request; kept in the database")
    memory_bytes: int = _setting(
        0, "memory that trainings and predictions may take together (0: three quarters of the machine's or container's)"
    )
    max_message_seconds: float = _setting(120.0, "how long one message may be on its way")
    max_calls: int = _setting(1000, "calls in progress at the same time")
    max_owner_calls: int = _setting(500, "calls in progress at the same time, of one owner")
    max_queue: int = _setting(2000, "jobs waiting or running, of all owners")
    max_jobs: int = _setting(1000, "jobs waiting or running, of one owner")
    max_owner_places: int = _setting(
        0, "jobs of one owner that train at the same time, on all servers of the store (0: as many as have places)"
    )
    max_owner_memory_bytes: int = _setting(
        0, "memory that the jobs of one owner may take at the same time, on all servers of the store (0: as there is)"
    )
    max_waiting_predictions: int = _setting(256, "predictions waiting for a thread")
    max_importing_bytes: int = _setting(4 * GIBIBYTE, "bytes of models that are being imported at the same time")
    max_stored_bytes: int = _setting(20 * GIBIBYTE, "bytes that one owner may store: datasets, models, jobs")
    max_epoch_samples: float = _setting(1e12, "largest epochs × samples of one job")
    max_direct_operations: float = _setting(
        2e12, "largest number of operations that one job may do without a pause: a reservoir, orthogonal weights"
    )
    model_cache_bytes: int = _setting(256 * MEBIBYTE, "stored models kept in memory for prediction")
    # how long
    checkpoint_seconds: float = _setting(3.0, "time between checkpoints of a running job: at most this much is lost")
    lease_seconds: float = _setting(15.0, "a job whose server shows no life for so long may be taken by another server")
    grace_seconds: float = _setting(60.0, "how long a job of Train goes on after its caller's connection was lost")
    pause_seconds: float = _setting(3600.0, "how long a training waits for its caller's epoch function")
    shutdown_seconds: float = _setting(20.0, "time to checkpoint and leave after SIGTERM")
    job_ttl_seconds: float = _setting(7 * DAY, "how long ended jobs, and models that were given no id, are kept")
    dataset_ttl_seconds: float = _setting(7 * DAY, "how long datasets that no job uses are kept")
    upload_ttl_seconds: float = _setting(DAY, "how long a broken upload can be resumed")
    # seen from outside
    metrics: str = _setting("", "HOST:PORT on which Prometheus finds /metrics (default: none)")
    web: str = _setting("", "HOST:PORT of the page that shows what is training (default: none)")
    web_operators: tuple[str, ...] = _setting((), "owners whose page lists the jobs of all, the queue, disk and tokens")
    tracing: str = _setting(
        "none",
        "OpenTelemetry spans: none, console, or otlp (to $OTEL_EXPORTER_OTLP_ENDPOINT)",
        ("none", "console", "otlp"),
    )
    log_level: str = _setting("info", "least severe messages logged", ("debug", "info", "warning", "error"))
    log_format: str = _setting("text", "form of the log on standard error", ("text", "json"))
    reflection: bool = _setting(True, "let clients such as buf curl ask for the service's description")
    channelz: bool = _setting(False, "show gRPC's channelz statistics to callers")

    def __post_init__(self) -> None:
        if not self.data_dir:
            object.__setattr__(self, "data_dir", _default_data_dir())
        processors = os.cpu_count() or 1
        for name in ("training_threads", "prediction_threads"):
            if not getattr(self, name):
                object.__setattr__(self, name, processors)
        for name in ("max_owner_places", "max_owner_memory_bytes"):
            if not getattr(self, name):
                object.__setattr__(self, name, UNLIMITED)
        if not self.memory_bytes:
            object.__setattr__(self, "memory_bytes", int(0.75 * (memory_limit() or 4 * GIBIBYTE)))
        self._check()

    @property
    def job_memory_bytes(self) -> int:
        """What one job may take."""
        return min(self.memory_bytes // 2, self.max_owner_memory_bytes)

    @property
    def training_memory_bytes(self) -> int:
        """What all jobs that run may take together."""
        return self.memory_bytes * 3 // 4

    @property
    def prediction_memory_bytes(self) -> int:
        """What one prediction may take."""
        return max(64 * MEBIBYTE, self.memory_bytes // 4 // self.prediction_threads)

    @property
    def messages_under_way(self) -> int:
        """How many messages may be on their way at the same time: a quarter of the memory, were each the largest."""
        return max(MIN_MESSAGES, self.memory_bytes // 4 // self.max_message_bytes)

    def _check(self) -> None:
        if not self.listen:
            raise ConfigError("listen is empty; it needs an address such as 127.0.0.1:7272")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0:
                raise ConfigError(f"{field.name} is {value}; it must be greater than zero")
            if field.metadata["choices"] and value not in field.metadata["choices"]:
                raise ConfigError(
                    f"{field.name} is {value!r}; it must be one of {', '.join(field.metadata['choices'])}"
                )
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ConfigError("TLS needs both tls_certificate and tls_key")
        if self.tls_client_ca and not self.tls_certificate:
            raise ConfigError("tls_client_ca (mutual TLS) needs tls_certificate and tls_key as well")
        if self.metrics:
            _listening(self.metrics, "metrics")
        self._check_executor()
        exposed = [address.target for address in (*self.addresses, *self._web) if not address.loopback]
        if exposed and not self.tls_certificate and not self.insecure:
            raise ConfigError(
                f"{exposed[0]} can be reached from other machines: give --tls-certificate and --tls-key, "
                "or --insecure if everyone on the way may read along"
            )
        if exposed and self.tokens == "never" and not self.tls_client_ca and not self.insecure:
            raise ConfigError(
                f"{exposed[0]} can be reached from other machines: --tokens=never would let in everyone; "
                "use tokens, or mutual TLS (--tls-client-ca)"
            )

    def _check_executor(self) -> None:
        if not re.fullmatch(r"threads|processes|dask-local:[1-9]\d{0,3}|dask://[^/\s]+:\d+", self.executor):
            raise ConfigError(
                f"executor is {self.executor!r}; it must be threads, processes, dask-local:N or dask://HOST:PORT"
            )
        if self.executor.startswith("dask:") and not (self.files and self.store_url):
            raise ConfigError(
                f"executor is {self.executor}: its workers find jobs and data by --store-url and --files, give both"
            )

    @property
    def addresses(self) -> list[Address]:
        """``listen``, read."""
        return [_listening(text, "listen") for text in self.listen]

    @property
    def metrics_address(self) -> tuple[str, int]:
        """Host and port of ``metrics``."""
        return _host_and_port(_listening(self.metrics, "metrics"))

    @property
    def _web(self) -> list[Address]:
        return [_listening(self.web, "web")] if self.web else []

    @property
    def web_address(self) -> tuple[str, int]:
        """Host and port of ``web``."""
        return _host_and_port(self._web[0])

    @property
    def web_loopback(self) -> bool:
        """Whether the page is for this machine only."""
        return all(address.loopback for address in self._web)

    @property
    def exposed(self) -> bool:
        """Whether an address can be reached from other machines."""
        return not all(address.loopback for address in (*self.addresses, *self._web))

    @property
    def database_url(self) -> str:
        """URL of the database."""
        return self.store_url or f"sqlite:///{Path(self.data_dir) / 'store.db'}"


def _host_and_port(address: Address) -> tuple[str, int]:
    host, _, port = address.target.rpartition(":")
    return host.strip("[]"), int(port)


def _listening(text: str, setting: str) -> Address:
    """The address to listen on; for HTTP a port is needed, and ``:9090`` is one of this machine's own."""
    for_http = _HTTP.get(setting)
    try:
        address = parse_address("127.0.0.1" + text if for_http and text.startswith(":") else text)
    except AddressError as error:
        raise ConfigError(f"{setting}: {error}") from None
    if for_http and (address.target.startswith("unix:") or not text.rpartition(":")[2].isdigit()):
        raise ConfigError(f"{setting} is {text!r}; {for_http}")
    if address.scheme:
        raise ConfigError(f"{setting} is {text!r}; give {address.target}: the TLS settings say whether it is https")
    return address


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Give the parser a flag for every setting, and --config."""
    parser.add_argument("--config", metavar="FILE", help=f"TOML file with settings (${PREFIX}CONFIG)")
    for field in dataclasses.fields(Config):
        flag = "--" + field.name.replace("_", "-")
        default = _default(field)
        options: dict[str, Any] = {"dest": field.name, "default": None}
        shown = "" if default in ("", 0) or "(default" in field.metadata["help"] else f" (default: {_shown(default)})"
        options["help"] = f"{field.metadata['help']}{shown} [${PREFIX}{field.name.upper()}]".replace("%", "%%")
        if isinstance(default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
        elif isinstance(default, tuple):
            parser.add_argument(flag, action="append", metavar="ADDRESS", **options)
        elif field.metadata["choices"]:
            parser.add_argument(flag, choices=field.metadata["choices"], **options)
        else:
            metavar = {int: "N", float: "X"}.get(type(default), "TEXT")
            parser.add_argument(flag, type=type(default), metavar=metavar, **options)


def load(arguments: argparse.Namespace | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """The settings from parsed flags, the environment and the TOML file that one of them names.

    Raises :class:`ConfigError` that names the setting for unknown names and values of the wrong kind.
    """
    environment = os.environ if environment is None else environment
    flags = {} if arguments is None else vars(arguments)
    path = flags.get("config") or environment.get(PREFIX + "CONFIG")
    values: dict[str, Any] = _from_toml(Path(path)) if path else {}
    for field in dataclasses.fields(Config):
        if (text := environment.get(PREFIX + field.name.upper())) is not None:
            values[field.name] = _parsed(field.name, text, _default(field))
        if flags.get(field.name) is not None:
            value = flags[field.name]
            values[field.name] = tuple(value) if isinstance(value, list) else value
    return Config(**values)


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _from_toml(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the settings file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the settings file {path} is not TOML: {error}") from error
    defaults = {field.name: _default(field) for field in dataclasses.fields(Config)}
    values = {}
    for name, value in table.items():
        if name not in defaults:
            raise ConfigError(f"{path}: there is no setting {name!r}; pytrainr-server serve --help lists them")
        values[name] = _coerced(f"{path}: {name}", value, defaults[name])
    return values


def _coerced(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        value = [value] if isinstance(value, str) else value
        if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif isinstance(default, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif type(value) is type(default):
        return value
    raise ConfigError(f"{name} is {value!r}; it should be like {default!r}")


def _parsed(name: str, text: str, default: Any) -> Any:
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(default, bool):
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off", ""):
            return False
        raise ConfigError(f"{PREFIX}{name.upper()} is {text!r}; it should be true or false")
    try:
        return type(default)(text)
    except ValueError:
        raise ConfigError(f"{PREFIX}{name.upper()} is {text!r}; it should be a number") from None


def with_changes(config: Config, **changes: Any) -> Config:
    """The same settings but for some."""
    return dataclasses.replace(config, **changes)
