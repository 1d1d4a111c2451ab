"""Models in the database: versions and aliases. Their content lies in files, one per version, or beside them here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from pytrainr_server import clock
from pytrainr_server.errors import not_found, precondition
from pytrainr_server.store.checksums import checksum, sound
from pytrainr_server.store.database import Database
from pytrainr_server.store.names import job_name, model_name
from pytrainr_server.store.schema import UNFINISHED, jobs, model_aliases, model_contents, model_versions, models
from pytrainr_server.store.shared import NewFile, add_file

NEWEST = "latest"
MODEL_DAMAGED = "The stored model is damaged on the server: its checksum is wrong."
_ADD, _ADD_CONTENT = models.insert(), model_contents.insert()
_CONTENT = select(model_contents.c.sha256, model_contents.c.content).where(
    model_contents.c.model_key == bindparam("key")
)
_NEWEST = (
    select(models)
    .where(models.c.owner == bindparam("owner"), models.c.id == bindparam("id"))
    .order_by(models.c.version.desc())
    .limit(1)
)
_ALIASED = (
    select(models)
    .join(
        model_aliases,
        and_(
            model_aliases.c.owner == models.c.owner,
            model_aliases.c.id == models.c.id,
            model_aliases.c.version == models.c.version,
        ),
    )
    .where(
        models.c.owner == bindparam("owner"),
        models.c.id == bindparam("id"),
        model_aliases.c.alias == bindparam("alias"),
    )
)
_NUMBERED = select(models).where(
    models.c.owner == bindparam("owner"), models.c.id == bindparam("id"), models.c.version == bindparam("version")
)


@dataclass(frozen=True)
class NewModel:
    """A model whose file, if it has one, is already in its place."""

    key: str
    owner: str
    id: str
    size_bytes: int
    network_type: str
    exact: bool
    synapse_dim: str
    numepochs: int
    final_error: float | None
    job_id: str = ""
    request_id: str | None = None
    expire_time: float = 0.0
    content: bytes | None = None  # of a small model, in the place of a file
    file: NewFile | None = None  # where servers share files: what is to be pointed to


class ModelStore:
    """The table of models and their aliases."""

    def __init__(self, database: Database) -> None:
        self._database = database
        first = (sqlite if database.embedded else postgresql).insert(model_versions).values(newest=1)
        self._next_version = first.on_conflict_do_update(
            index_elements=["owner", "id"], set_={"newest": model_versions.c.newest + 1}
        ).returning(model_versions.c.newest)

    def add(self, connection: Connection, model: NewModel) -> int:
        """Make it the next version of its id, within a transaction; return the version's number."""
        version = connection.execute(self._next_version, {"owner": model.owner, "id": model.id}).scalar_one()
        values = {"version": version, "create_time": clock.now(), **vars(model)}
        content, file = values.pop("content"), values.pop("file")
        connection.execute(_ADD, values)
        if file is not None:
            add_file(connection, file)
        if content is not None:
            values = {"model_key": model.key, "sha256": checksum(content), "content": content}
            connection.execute(_ADD_CONTENT, values)
        return version

    def content(self, key: str) -> bytes | None:
        """The content of a small model that was stored without a file. Raises DATA_LOSS for a damaged one."""
        with self._database.read() as connection:
            row = connection.execute(_CONTENT, {"key": key}).first()
        if row is None:
            return None
        return sound(row.content, row.sha256, "model", f"{key} in the database", MODEL_DAMAGED)

    def knows(self, connection: Connection, key: str) -> bool:
        """Whether there is a version with this key."""
        return connection.execute(select(models.c.key).where(models.c.key == key)).first() is not None

    def by_request(self, owner: str, request_id: str) -> Row[Any] | None:
        """The model that was imported with this ``request_id``, if there is one."""
        with self._database.read() as connection:
            return connection.execute(
                select(models).where(models.c.owner == owner, models.c.request_id == request_id)
            ).first()

    def get(self, owner: str, id: str, version: int | str | None) -> Row[Any]:
        """One version, by number, alias or (None) the newest. Raises NOT_FOUND."""
        with self._database.read() as connection:
            return self._get(connection, owner, id, version)

    def _get(self, connection: Connection, owner: str, id: str, version: int | str | None) -> Row[Any]:
        owned = {"owner": owner, "id": id}
        if isinstance(version, int):
            found = connection.execute(_NUMBERED, {**owned, "version": version}).first()
        elif version is None or version == NEWEST:
            found = connection.execute(_NEWEST, owned).first()
        else:
            found = connection.execute(_ALIASED, {**owned, "alias": version}).first()
        if found is None:
            raise not_found(f"models/{id}" if version is None else f"models/{id}@{version}")
        return found

    def by_key(self, key: str) -> Row[Any] | None:
        """The version with this key, if it is still there."""
        with self._database.read() as connection:
            return connection.execute(select(models).where(models.c.key == key)).first()

    def aliases(self, owner: str, id: str) -> dict[int, list[str]]:
        """The aliases of each version."""
        query = select(model_aliases.c.version, model_aliases.c.alias).where(
            model_aliases.c.owner == owner, model_aliases.c.id == id
        )
        found: dict[int, list[str]] = {}
        with self._database.read() as connection:
            for version, alias in connection.execute(query.order_by(model_aliases.c.alias)):
                found.setdefault(version, []).append(alias)
        return found

    def set_alias(self, owner: str, id: str, version: int | str | None, alias: str, remove: bool) -> Row[Any]:
        """Point the alias at a version, or take it away from it."""
        with self._database.write() as connection:
            model = self._get(connection, owner, id, version)
            mine = and_(model_aliases.c.owner == owner, model_aliases.c.id == id, model_aliases.c.alias == alias)
            if remove:
                connection.execute(model_aliases.delete().where(mine, model_aliases.c.version == model.version))
            else:
                connection.execute(model_aliases.delete().where(mine))
                connection.execute(
                    model_aliases.insert().values(owner=owner, id=id, alias=alias, version=model.version)
                )
            return model

    def page(self, owner: str, id: str | None, size: int, after: tuple[str, int] | None) -> list[Row[Any]]:
        """The newest version of every model, or every version of one; by id, then newest first."""
        query = select(models).where(models.c.owner == owner)
        if id is None:
            newest = (
                select(models.c.id, func.max(models.c.version).label("version"))
                .where(models.c.owner == owner)
                .group_by(models.c.id)
                .subquery()
            )
            query = query.join(newest, and_(models.c.id == newest.c.id, models.c.version == newest.c.version))
        else:
            query = query.where(models.c.id == id)
        if after:
            query = query.where(or_(models.c.id > after[0], and_(models.c.id == after[0], models.c.version < after[1])))
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(models.c.id, models.c.version.desc()).limit(size)))

    def delete(self, owner: str, id: str, version: int | str | None) -> list[str]:
        """Delete one version, or all (None); return the keys of their files. Raises NOT_FOUND."""
        with self._database.write() as connection:
            if version is None:
                found = connection.execute(select(models).where(models.c.owner == owner, models.c.id == id)).all()
                if not found:
                    raise not_found(f"models/{id}")
            else:
                found = [self._get(connection, owner, id, version)]
            for model in found:
                self._remove(connection, model)
            return [model.key for model in found]

    def _remove(self, connection: Connection, model: Row[Any]) -> None:
        used = connection.execute(
            select(jobs.c.id).where(jobs.c.initial_model_key == model.key, jobs.c.state.in_(UNFINISHED)).limit(1)
        ).scalar()
        if used:
            raise precondition(
                "MODEL_IN_USE",
                f"{model_name(model.id, model.version)} is being retrained by {job_name(used)}; "
                "wait for that job's end, or cancel it.",
            )
        remove(connection, model)


def remove(connection: Connection, model: Row[Any]) -> None:
    """Take a version and its aliases out of the tables."""
    connection.execute(
        model_aliases.delete().where(
            model_aliases.c.owner == model.owner,
            model_aliases.c.id == model.id,
            model_aliases.c.version == model.version,
        )
    )
    connection.execute(model_contents.delete().where(model_contents.c.model_key == model.key))
    connection.execute(models.delete().where(models.c.key == model.key))
