"""A schema from SQLAlchemy's MetaData."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import TestkitError
from wflo_testkit.services.postgres.address import parse
from wflo_testkit.services.postgres.schema.failure import failed
from wflo_testkit.services.postgres.schema.project import Project
from wflo_testkit.services.postgres.schema.tables import Known, known

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, MetaData


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
        return known(self._metadata, _identity)

    def apply(self, url: str) -> None:
        """Create every table, and the Postgres schemas that tables name."""

        def create(connection: Connection) -> None:
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
            with self._project.guarded(url, told, names), engine.begin() as connection:
                work(connection)
        except TestkitError:
            raise
        except Exception as error:
            raise failed(f"{told} failed", error, looked_at=names) from error
        finally:
            engine.dispose()


def _identity(listener: Any) -> str:
    """Tell listeners apart; few have any, and what it imports takes some milliseconds."""
    from wflo_testkit.services.postgres.schema.identity import identity

    return identity(listener)
