"""What a measured test does with what the kit gives it."""

from __future__ import annotations

from typing import Any

from benchmarks.stopwatch import counted
from benchmarks.suites.models import rows_of
from wflo_testkit.wait import pause

ROWS = 100


def short(_handle: Any) -> None:
    """Take a millisecond."""
    pause(0.001)


def sparse(database: Any) -> None:
    """Commit a row into 2 tables, over a connection of its own."""
    write(database.url, 1, tables=2)


def heavy(database: Any) -> None:
    """Commit 100 rows into each of 10 tables."""
    import psycopg

    with psycopg.connect(database.url, sslmode="disable") as connection:
        for table in range(10):
            connection.execute(
                f"INSERT INTO t{table} (id, name) "
                f"SELECT n, 'row ' || n FROM generate_series(1, {ROWS}) AS n".encode()
            )


def session(opened: Any) -> None:
    """Commit a row by a session of SQLAlchemy."""
    import sqlalchemy

    opened.execute(sqlalchemy.text("INSERT INTO t0 (id, name) VALUES (1, 'row')"))
    opened.commit()


def topic(topics: Any) -> None:
    """Make a topic, which is part of its hand-out."""
    with counted():
        topics.create("orders")
    pause(0.001)


def three_topics(topics: Any) -> None:
    with counted():
        for name in ("orders", "payments", "refunds"):
            topics.create(name)
    pause(0.001)


def write(url: str, number: int, *, tables: int) -> None:
    """Commit row `number` into the first `tables` tables, over a connection of its own."""
    import psycopg

    with psycopg.connect(url, sslmode="disable") as connection:
        for statement in rows_of(number, tables=tables):
            connection.execute(statement)
