"""A database with the tables on a running server, for suites that isolate nothing."""

from __future__ import annotations

from typing import Any

from benchmarks.suites.models import metadata


def create(server: Any) -> str:
    """Make the tables in the server's own database and return its URL."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(server.address.sqlalchemy_url("psycopg"))
    metadata().create_all(engine)
    engine.dispose()
    return str(server.url)


def empty(url: str) -> None:
    """Remove all rows."""
    import psycopg

    names = ", ".join(table.name for table in metadata().sorted_tables)
    with psycopg.connect(url) as connection:
        connection.execute(f"TRUNCATE {names}".encode())
