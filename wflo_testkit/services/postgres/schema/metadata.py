"""A schema from SQLAlchemy's MetaData."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.postgres.address import parse
from wflo_testkit.services.postgres.schema.failure import failed
from wflo_testkit.services.postgres.schema.guarded import guarded
from wflo_testkit.services.postgres.schema.outline import Outline
from wflo_testkit.services.postgres.schema.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, MetaData

_KEPT = "wflo-testkit"
"""Where a MetaData's own `info` holds what is known of it, for as long as it lives itself."""


class MetaDataSchema:
    def __init__(self, metadata: MetaData, project: Project) -> None:
        self._metadata = metadata
        self._project = project

    @property
    def fingerprint(self) -> str:
        """Hash of the DDL; compiled again only when something has changed.

        Compiling 30 tables takes longer than cloning them.
        """
        return self._known.fingerprint

    @property
    def lasts(self) -> bool:
        """Not where a listener asks the database what to do: nobody knows what that answers."""
        return self._known.lasts

    @functools.cached_property
    def _known(self) -> Known:
        known = self._metadata.info.get(_KEPT)
        if not isinstance(known, Known) or not known.outline.is_same():
            self._metadata.info[_KEPT] = known = _known(self._metadata)
        return known

    def apply(self, url: str) -> None:
        """Create every table, and the Postgres schemas that tables name."""

        def create(connection: Connection) -> None:
            """Make the Postgres schemas that the tables name, then the tables."""
            from sqlalchemy.schema import CreateSchema

            for name in self._schemas():
                connection.execute(CreateSchema(name, if_not_exists=True))
            self._metadata.create_all(connection)

        self._in_transaction(url, create, "create_all")

    def remove(self, url: str) -> None:
        """Drop every table; waits at most 3 s for somebody's lock."""

        def drop(connection: Connection) -> None:
            connection.exec_driver_sql("SET lock_timeout = '3s'")
            self._metadata.drop_all(connection)

        self._in_transaction(url, drop, "drop_all")

    def _schemas(self) -> list[str]:
        named = {table.schema for table in self._metadata.tables.values() if table.schema}
        return sorted(named - {"public"})

    def _in_transaction(self, url: str, work: Callable[[Connection], None], what: str) -> None:
        import sqlalchemy
        from sqlalchemy.pool import NullPool

        address = parse(url)
        if self._schemas() and "search_path" in address.parameters.get("options", ""):
            raise failed(
                "this MetaData cannot be used with isolation 'schema'",
                f"its tables name the Postgres schemas {self._schemas()}, which tests would share",
                fix="use isolation 'database', or leave `schema=` out of the tables",
            )
        engine = sqlalchemy.create_engine(address.sqlalchemy_url("psycopg"), poolclass=NullPool)
        told = f"{what} of the schema's {len(self._metadata.tables)} tables"
        names = f"MetaData with the tables {', '.join(sorted(self._metadata.tables))}"
        try:
            # Listeners of the MetaData's events are the project's own code.
            with guarded(url, self._project, told, names), engine.begin() as connection:
                work(connection)
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise failed(f"{told} failed", error, looked_at=names) from error
        finally:
            engine.dispose()


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out about a MetaData, and how to tell that it still holds."""

    outline: Outline
    fingerprint: str
    lasts: bool


def _known(metadata: MetaData) -> Known:
    try:
        text, lasts = "\n".join(sorted(_ddl(metadata))), True
    except Exception:  # noqa: BLE001 - whatever a listener raises that is given no real connection
        text, lasts = "\n".join(_without_listeners(metadata)), False
    fingerprint = hashlib.sha256(f"metadata {text}".encode()).hexdigest()
    return Known(Outline(metadata), fingerprint, lasts)


def _ddl(metadata: MetaData) -> list[str]:
    """Return what create_all would say, as text, one statement each, with its values."""
    from sqlalchemy import create_mock_engine

    statements: list[str] = []

    def note(sql: Any, *values: Any, **keys: Any) -> None:
        """Note a statement; an address in its values would differ in every process."""
        compiled = sql.compile(dialect=engine.dialect)
        told = _plain(f"{compiled.params} {values} {keys}")
        statements.append(f"{compiled} {told}")

    engine: Any = create_mock_engine("postgresql+psycopg://", note)
    metadata.create_all(engine, checkfirst=False)
    return statements


def _without_listeners(metadata: MetaData) -> Iterator[str]:
    """Yield what can be told without running a listener: tables as text, listeners by what they
    are."""
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateIndex, CreateTable

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # it has no annotations
    targets: list[Any] = [metadata, *(table for _key, table in sorted(metadata.tables.items()))]
    for table in targets[1:]:
        yield _text(CreateTable(table), dialect)
        yield from sorted(_text(CreateIndex(index), dialect) for index in table.indexes)
        yield _plain(repr([(each.type, each.comment, table.comment) for each in table.columns]))
    for target in targets:
        for listener in (*target.dispatch.before_create, *target.dispatch.after_create):
            yield from _identity(listener)


def _text(statement: Any, dialect: Any) -> str:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return str(statement.compile(dialect=dialect))
    except SQLAlchemyError as error:  # `apply` meets it, too, and tells
        return _plain(str(error))


def _identity(listener: Any) -> Iterator[str]:
    """Yield what a listener is; those by which SQLAlchemy makes enum types are in the tables."""
    from sqlalchemy.schema import BaseDDLElement
    from sqlalchemy.types import TypeEngine

    from wflo_testkit.services.postgres.schema.identity import identity

    if isinstance(listener, BaseDDLElement):
        yield identity({"ddl": type(listener), **vars(listener)})
    elif not isinstance(getattr(_called(listener), "__self__", None), TypeEngine):
        yield identity(listener)


def _called(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _plain(text: str) -> str:
    """Leave out addresses, which differ in every process."""
    return re.sub("0x[0-9a-f]+", "", text)
