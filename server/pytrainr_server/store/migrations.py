"""Schema versions. A database of an older version is brought up to date on opening; a newer one is refused.

A migration is never changed once released: a change of the schema is a new function at the end of ``MIGRATIONS``. The
first makes an empty database as the schema is now, so that what follows it is for older databases only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Column, Connection, Double, Index, LargeBinary, MetaData, String, Table, inspect, select

from pytrainr_server.store.schema import (
    batches,
    epoch_records,
    job_lines,
    metadata,
    schema_version,
    shared_files,
    trainings,
)

Migration = Callable[[Connection], None]


class SchemaError(RuntimeError):
    """The database is of a version that this program does not know."""


def _create(connection: Connection) -> None:
    metadata.create_all(connection)


def _trainings_apart(connection: Connection) -> None:
    """Version 2: a job's training in a table of its own; small models and short logs in the database; indexes."""
    metadata.create_all(connection)
    for table in metadata.tables.values():
        for index in table.indexes:
            if index.name in ("jobs_waiting", "jobs_stored", "models_stored", "datasets_stored"):
                index.create(connection, checkfirst=True)
    connection.exec_driver_sql("DROP INDEX jobs_by_state")
    connection.exec_driver_sql("DROP INDEX jobs_by_owner")
    old = Table("jobs", MetaData(), Column("key", String), Column("training", LargeBinary))
    connection.execute(trainings.insert().from_select(["job_key", "training"], select(old.c.key, old.c.training)))
    connection.exec_driver_sql("ALTER TABLE jobs DROP COLUMN training")


def _deaths_and_memory(connection: Connection) -> None:
    """Version 3: how often the process that trained a job has died; the memory that it takes."""
    known = {column["name"] for column in inspect(connection).get_columns("jobs")}
    for name in ("server_deaths", "worker_deaths", "memory_bytes"):
        if name not in known:
            connection.exec_driver_sql(f"ALTER TABLE jobs ADD COLUMN {name} BIGINT NOT NULL DEFAULT 0")


def _checksums(connection: Connection) -> None:
    """Version 4: checksums of what the database keeps."""
    binary = LargeBinary().compile(connection.dialect)
    for table, name in (("trainings", "sha256"), ("continuations", "sha256"), ("jobs", "random_state_sha256")):
        if name not in {column["name"] for column in inspect(connection).get_columns(table)}:
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {name} {binary}")


def _lines(connection: Connection) -> None:
    """Version 5: what is said about a job."""
    metadata.create_all(connection, tables=[job_lines])


def _shared_files(connection: Connection) -> None:
    """Version 6: files that servers share; the arithmetic with which a job was begun."""
    metadata.create_all(connection, tables=[shared_files, epoch_records])
    for table, name, size in (("uploads", "writer", 32), ("jobs", "arithmetic", 100)):
        if name not in {column["name"] for column in inspect(connection).get_columns(table)}:
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {name} VARCHAR({size}) NOT NULL DEFAULT ''")


def _priorities(connection: Connection) -> None:
    """Version 7: which of an owner's jobs begins first. Servers of version 6 that still run store 0 and sort by age."""
    _add_columns(connection, "jobs", priority="INTEGER NOT NULL DEFAULT 0")
    _index("jobs_in_line").create(connection, checkfirst=True)


def _batches(connection: Connection) -> None:
    """Version 8: jobs that were created together, of which perhaps only the best go on."""
    metadata.create_all(connection, tables=[batches])
    real, number = Double().compile(connection.dialect), "BIGINT NOT NULL DEFAULT 0"
    _add_columns(connection, "jobs", batch_id="VARCHAR(63) NOT NULL DEFAULT ''", batch_place=number)
    _add_columns(connection, "jobs", halt_epoch=number, compared=real, dropped="VARCHAR(200) NOT NULL DEFAULT ''")
    _index("jobs_of_batch").create(connection, checkfirst=True)


def _add_columns(connection: Connection, table: str, **kinds: str) -> None:
    known = {column["name"] for column in inspect(connection).get_columns(table)}
    for name in kinds.keys() - known:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {name} {kinds[name]}")


def _index(name: str) -> Index:
    return next(index for table in metadata.tables.values() for index in table.indexes if index.name == name)


MIGRATIONS: tuple[Migration, ...] = (
    _create,
    _trainings_apart,
    _deaths_and_memory,
    _checksums,
    _lines,
    _shared_files,
    _priorities,
    _batches,
)


def current_version(connection: Connection) -> int:
    """The schema's version; 0 for an empty database."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    return connection.execute(select(schema_version.c.version)).scalar() or 0


def migrate(connection: Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring the database to the newest version, within the connection's transaction; return that version."""
    version = current_version(connection)
    if version > len(migrations):
        raise SchemaError(
            f"the database has the schema version {version}, this program knows versions up to {len(migrations)}: "
            "start it with the newer version of pytrainr-server that wrote it"
        )
    if version < len(migrations):
        newer = migrations[version:] if version else (_create, *migrations[len(MIGRATIONS) :])
        for migration in newer:
            migration(connection)
        connection.execute(schema_version.delete())
        connection.execute(schema_version.insert().values(version=len(migrations)))
    return len(migrations)
