"""A schema from SQLAlchemy's MetaData."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from wflo_testkit.services.postgres.address import parse
from wflo_testkit.services.postgres.schema import failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, MetaData

_known: WeakKeyDictionary[Any, tuple[tuple[object, ...], str]] = WeakKeyDictionary()
"""Fingerprints: compiling 30 tables takes longer than cloning them, so it is done once."""


class MetaDataSchema:
    def __init__(self, metadata: MetaData) -> None:
        self._metadata = metadata

    @property
    def fingerprint(self) -> str:
        """Hash of the DDL; compiled again only when a table, column or index has been added."""
        outline = _outline(self._metadata)
        known = _known.get(self._metadata)
        if known is None or known[0] != outline:
            text = "\n".join(sorted(_ddl(self._metadata)))
            known = (outline, hashlib.sha256(f"metadata {text}".encode()).hexdigest())
            _known[self._metadata] = known
        return known[1]

    @property
    def lasts(self) -> bool:
        return True

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
        try:
            with engine.begin() as connection:
                work(connection)
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise failed(
                f"{what} of the schema's {len(self._metadata.tables)} tables failed",
                error,
                looked_at=f"MetaData with the tables {', '.join(sorted(self._metadata.tables))}",
            ) from error
        finally:
            engine.dispose()


def _outline(metadata: MetaData) -> tuple[object, ...]:
    """Return what tells cheaply that a MetaData has grown."""
    return tuple(
        (key, len(table.columns), len(table.indexes), len(table.constraints))
        for key, table in metadata.tables.items()
    )


def _ddl(metadata: MetaData) -> list[str]:
    """Return what create_all would say, as text, one statement each, with its values."""
    from sqlalchemy import create_mock_engine

    statements: list[str] = []

    def note(sql: Any, *values: Any, **keys: Any) -> None:
        """Note a statement; an address in its values would differ in every process."""
        compiled = sql.compile(dialect=engine.dialect)
        told = re.sub("0x[0-9a-f]+", "", f"{compiled.params} {values} {keys}")
        statements.append(f"{compiled} {told}")

    engine: Any = create_mock_engine("postgresql+psycopg://", note)
    metadata.create_all(engine, checkfirst=False)
    return statements
