"""The database: SQLite in WAL mode, or PostgreSQL.

Whoever writes looks first (is there room in the queue, which version is the newest) and decides by what it saw. So
there is one writer at a time: SQLite has no other way, in PostgreSQL a lock held to the transaction's end sees to it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from pytrainr_server.descriptors import none_left
from pytrainr_server.errors import Code, ServiceError, exhausted, no_descriptor
from pytrainr_server.store.migrations import migrate

BUSY_SECONDS = 30
SILENT_SECONDS = 15
"""A line to PostgreSQL on which nothing is heard for so long is cut off; a session that holds a transaction open for so
long without a word ends, and with it the lock on which all others wait."""
_EACH_BY_ITSELF = {"isolation_level": "AUTOCOMMIT"}
log = logging.getLogger("pytrainr_server.store")
WRITERS_LOCK = 0x7472_6169_6E72  # "trainr": the one writer's lock in PostgreSQL


class DamagedDatabaseError(RuntimeError):
    """The database cannot be used: it is broken, is not one, or cannot be reached."""


class Database:
    """Transactions on the database at ``url``, from any thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self.embedded = make_url(url).get_backend_name() == "sqlite"
            self.engine = _sqlite(url) if self.embedded else _postgresql(url)
            # There a transaction of its own for every statement saves two messages of three.
            self._reading = self.engine if self.embedded else self.engine.execution_options(**_EACH_BY_ITSELF)
        except ArgumentError as error:
            raise DamagedDatabaseError(
                f"the database's URL should be sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME: {error}"
            ) from error
        except ImportError as error:
            raise DamagedDatabaseError(
                f"this database needs a package that is not installed ({error.name}): pip install 'pytrainr[postgres]'"
            ) from error

    def open(self) -> None:
        """Check the database and bring its schema up to date."""
        try:
            if self.embedded:
                with self.read() as connection:
                    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if found != "ok":
                    raise DamagedDatabaseError(self._damage(str(found)))
            with self.write() as connection:
                migrate(connection)
        except ServiceError as error:
            if error.code == Code.DATA_LOSS:
                raise DamagedDatabaseError(self._damage(error.message)) from error
            raise DamagedDatabaseError(f"the database {self._name} cannot be used. {error.message}") from error
        except SQLAlchemyError as error:
            found = str(getattr(error, "orig", None) or error)
            raise DamagedDatabaseError(f"the database {self._name} cannot be opened: {found}") from error

    @property
    def _name(self) -> str:
        return make_url(self.url).render_as_string(hide_password=True)

    def _damage(self, found: str) -> str:
        return (
            f"the database {self._name} is damaged ({found}). Nothing was changed. Restore a backup with "
            "`pytrainr-server restore`, or move the file away to begin anew; the models' files are untouched"
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; in PostgreSQL each statement sees what was committed before it."""
        with _reported(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True, alone: bool = True) -> Iterator[Connection]:
        """A transaction that writes. Once it is left, a ``durable`` one outlives even a power failure; any outlives
        the process.

        One that decides by nothing but one row, which it changes or locks first, need not be ``alone``: in PostgreSQL
        those of many jobs go on at the same time.
        """
        options = {"pytrainr_write": True, "pytrainr_durable": durable, "pytrainr_alone": alone}
        with _reported(), self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _sqlite(url: str) -> Engine:
    engine = create_engine(
        url, pool_size=8, max_overflow=64, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def set_up(dbapi: Any, record: Any) -> None:
        dbapi.isolation_level = None  # the driver's own idea of when a transaction begins is in the way
        dbapi.execute("PRAGMA journal_mode=WAL")
        dbapi.execute("PRAGMA synchronous=FULL")
        record.info["pytrainr_durable"] = True

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("pytrainr_write"):
            connection.exec_driver_sql("BEGIN")
            return
        durable = options["pytrainr_durable"]
        if connection.info["pytrainr_durable"] != durable:
            connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            connection.info["pytrainr_durable"] = durable
        # A reader that turns writer midway can fail at once, whatever the timeout; who begins as a writer waits.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql(url: str) -> Engine:
    engine = create_engine(url, pool_size=8, max_overflow=64, pool_pre_ping=True, connect_args=_lines(url))
    if engine.dialect.name != "postgresql":
        raise ArgumentError(f"{engine.dialect.name} is not among the databases that are supported")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("pytrainr_write"):
            return
        settings = [f"pg_advisory_xact_lock({WRITERS_LOCK})"] if options["pytrainr_alone"] else []
        if not options["pytrainr_durable"]:
            settings.append("set_config('synchronous_commit', 'off', true)")
        if settings:
            connection.exec_driver_sql(f"SELECT {', '.join(settings)}")

    return engine


def _lines(url: str) -> dict[str, Any]:
    """How libpq, and PostgreSQL at its end, notice that the other is gone without a word; what the URL says goes
    before."""
    given = make_url(url).query
    third = max(SILENT_SECONDS // 3, 1)
    keepalives = {"keepalives_idle": third, "keepalives_interval": third, "keepalives_count": 2}
    options = {f"tcp_{name}": value for name, value in keepalives.items()}
    options["idle_in_transaction_session_timeout"] = SILENT_SECONDS * 1000
    own = {**keepalives, "connect_timeout": SILENT_SECONDS, "tcp_user_timeout": SILENT_SECONDS * 1000}
    session = " ".join(f"-c {name}={value}" for name, value in options.items())
    return {name: value for name, value in own.items() if name not in given} | {
        "options": f"{session} {given.get('options') or os.environ.get('PGOPTIONS', '')}".strip()  # the later counts
    }


@contextmanager
def _reported() -> Iterator[None]:
    """Tell callers about a full disk or a broken database in words of their own."""
    try:
        yield
    except SQLAlchemyError as error:
        text = str(getattr(error, "orig", error))
        log.warning("the database: %s", text)
        if "disk is full" in text or "No space left" in text:
            raise exhausted(
                "DISK_FULL", "The server cannot write: its disk is full. Nothing was changed.", 30.0
            ) from error
        if ("disk I/O error" in text or "unable to open" in text) and none_left():
            raise no_descriptor() from error
        if "disk I/O error" in text:  # which SQLite says of a disk that is full, read-only or broken
            raise ServiceError(
                Code.UNAVAILABLE,
                "STORE_FAILS",
                "The server cannot write to its disk. Nothing was changed.",
                retry_seconds=5,
            ) from error
        if "readonly" in text or "read-only" in text or "unable to open" in text:
            raise ServiceError(
                Code.UNAVAILABLE, "STORE_READ_ONLY", "The server's storage cannot be written to.", retry_seconds=5
            ) from error
        if "locked" in text:
            raise ServiceError(
                Code.UNAVAILABLE, "STORE_BUSY", "The server's storage is busy.", retry_seconds=1
            ) from error
        if "malformed" in text or "not a database" in text:
            raise ServiceError(Code.DATA_LOSS, "STORE_DAMAGED", "The server's database is damaged.") from error
        if isinstance(error, OperationalError) or getattr(error, "connection_invalidated", False):
            raise ServiceError(
                Code.UNAVAILABLE, "STORE_UNREACHABLE", "The server cannot reach its database.", retry_seconds=1
            ) from error
        raise
