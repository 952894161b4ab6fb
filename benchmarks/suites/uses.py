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


def changed(database: Any) -> None:
    """Change one of the seeded rows."""
    _commit(database, "UPDATE t0 SET name = 'changed' WHERE id = 100100")


def rewritten(database: Any) -> None:
    """Change every row of the seed."""
    _commit(database, "UPDATE t0 SET name = name || '!'")


def made(database: Any) -> None:
    """Make a table."""
    _commit(database, "CREATE TABLE more (id int)")


def keys(database: Any) -> None:
    """Write a hundred keys."""
    import redis

    with redis.Redis.from_url(database.url) as client:
        client.mset({f"key-{number}": "x" for number in range(ROWS)})


def record(topics: Any) -> None:
    """Send a record to a topic that is made at the first call."""
    from kafka import KafkaProducer

    topic = _topics.get(topics.stem) or _topics.setdefault(topics.stem, topics.create("orders"))
    producer = KafkaProducer(bootstrap_servers=topics.bootstrap_servers)
    producer.send(topic, b"tea").get(timeout=10)
    producer.close()


def workflow(namespace: Any) -> None:
    """Start a workflow that nobody works on."""
    import asyncio

    async def start() -> None:
        client = await namespace.connect()
        await client.start_workflow("Any", id="any", task_queue="nobody")

    asyncio.run(start())


_topics: dict[str, str] = {}


def _commit(database: Any, statement: str) -> None:
    import psycopg

    with psycopg.connect(database.url, sslmode="disable") as connection:
        connection.execute(statement.encode())


def write(url: str, number: int, *, tables: int) -> None:
    """Commit row `number` into the first `tables` tables, over a connection of its own."""
    import psycopg

    with psycopg.connect(url, sslmode="disable") as connection:
        for statement in rows_of(number, tables=tables):
            connection.execute(statement)
