"""What a test leaves open is ended, and told of in a sentence."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from tests.services.postgres_server import (
    Asker,
    asker,
    databases,
    query,
    server_of_each_version,
    shared_isolation,
)
from wflo_testkit.services.postgres import PostgresServer
from wflo_testkit.wait import wait_until

__all__ = ["asker", "server_of_each_version", "shared_isolation"]

LEAVING = ["database", "schema", "create"]
TABLES = sa.MetaData()
sa.Table("orders", TABLES, sa.Column("id", sa.Integer, primary_key=True))


@pytest.mark.parametrize("mode", LEAVING)
def test_an_open_transaction_is_ended_and_reported(asker: Asker, mode: str) -> None:
    with asker.database(mode=mode, schema=TABLES) as handle:
        left = psycopg.connect(handle.url)
        left.execute("INSERT INTO orders VALUES (1)")

    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()
    assert len(asker.warnings) == 1
    assert "a transaction" in asker.warnings[0]
    assert asker.warnings[0].endswith("its last statement: INSERT INTO orders VALUES (1)")


@pytest.mark.parametrize("mode", LEAVING)
def test_an_idle_connection_is_ended_and_reported_by_its_name(asker: Asker, mode: str) -> None:
    with asker.database(mode=mode) as handle:
        left = psycopg.connect(handle.url, autocommit=True)
        left.execute("SELECT 42")

    left.close()
    assert len(asker.warnings) == 1
    assert asker.warnings[0].startswith("a connection was left open")
    assert "SELECT 42" in asker.warnings[0]


def test_a_transaction_under_another_name_is_found_by_its_locks(asker: Asker) -> None:
    with asker.database(mode="schema", schema=TABLES) as handle:
        left = psycopg.connect(handle.url, application_name="my shop")
        left.execute("INSERT INTO orders VALUES (1)")

    left.close()
    assert len(asker.warnings) == 1
    assert "left open by 'my shop'" in asker.warnings[0]


@pytest.mark.parametrize("mode", LEAVING)
def test_connections_that_are_just_closing_are_no_leftovers(asker: Asker, mode: str) -> None:
    for _again in range(10):
        with asker.database(mode=mode) as handle:
            for _one in range(5):
                psycopg.connect(handle.url).close()

    assert asker.warnings == []


def test_a_neighbours_connections_are_left_alone(asker: Asker) -> None:
    for mode in ("schema", "database"):
        with asker.database(mode=mode) as mine, psycopg.connect(mine.url) as connection:
            with asker.database(mode=mode):
                pass

            assert connection.execute("SELECT 1").fetchone() == (1,)

    assert asker.warnings == []


def test_a_database_that_cannot_be_recycled_is_dropped_with_its_role(
    asker: Asker, server: PostgresServer
) -> None:
    with asker.database() as handle:
        assert handle.name in databases(server)
        query(handle, "CREATE TABLE spoilt ()")

    wait_until(lambda: handle.name not in databases(server), timeout=30)
    role = f"SELECT count(*) FROM pg_roles WHERE rolname = '{handle.user}'"
    wait_until(lambda: query(server, role) == [(0,)], timeout=30)


def test_a_client_that_outlives_its_test_finds_no_way_back(asker: Asker) -> None:
    """Not into a recycled database, whose role has a new name, nor into one that was replaced."""
    for left_open in (False, True):
        with asker.database() as handle:
            connection = psycopg.connect(handle.url)
            if not left_open:
                connection.close()
        with asker.database():
            wait_until(lambda asker=asker: settled(asker), timeout=30)

        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(handle.url)
        connection.close()


def settled(asker: Asker) -> bool:
    """Return whether nothing is being recycled, made or dropped."""
    pool = asker.isolation._pool
    coming = sum(stock.coming for stock in pool._of_template.values())
    return coming == 0 and all(drop.done() for drop in pool._drops)


def test_a_failed_tests_database_stays_and_is_shown(asker: Asker, server: PostgresServer) -> None:
    with asker.database(keep=True) as handle:
        query(handle, "CREATE TABLE evidence AS SELECT 7 AS n")

    assert handle.kept_command.startswith(f"docker exec -it {server.container_id[:12]} psql ")
    assert handle.name in handle.kept_command
    assert handle.password not in handle.kept_command
    asker.isolation._pool.later(lambda: None)
    assert query(handle, "SELECT n FROM evidence") == [(7,)]


def test_a_failed_tests_schema_stays(asker: Asker) -> None:
    with asker.database(mode="schema", keep=True) as handle:
        query(handle, "CREATE TABLE evidence AS SELECT 7 AS n")

    assert query(handle, "SELECT n FROM evidence") == [(7,)]


def test_an_engines_connection_that_is_not_given_back_is_closed_and_reported(
    asker: Asker,
) -> None:
    with asker.database() as handle, asker.convenience("engine", handle) as engine:
        connection = engine.connect()
        connection.execute(sa.text("SELECT 1"))

    assert asker.warnings == ["a connection was left open by the code that uses postgres_engine"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del connection, engine
        gc.collect()


def test_an_async_engines_connection_that_is_not_given_back_is_closed_and_reported(
    asker: Asker,
) -> None:
    kept: list[Any] = []

    async def leave(engine: Any) -> None:
        connection = await engine.connect()
        await connection.execute(sa.text("SELECT 1"))
        kept.append(connection)

    with asker.database() as handle, asker.convenience("async_engine", handle) as engine:
        asyncio.run(leave(engine))

    assert asker.warnings == [
        "a connection was left open by the code that uses postgres_async_engine"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept.clear()
        del engine
        gc.collect()


@pytest.mark.parametrize("mode", ["database", "schema", "create", "rollback"])
def test_a_session_left_in_a_transaction_is_closed_quietly(asker: Asker, mode: str) -> None:
    async def leave(session: Any) -> None:
        await session.execute(sa.text("CREATE TABLE half (id int)"))

    with asker.database(mode=mode) as handle:
        with asker.convenience("async_session", handle) as session:
            asyncio.run(leave(session))
        with asker.convenience("session", handle) as plain:
            plain.execute(sa.text("CREATE TABLE half (id int)"))

    assert asker.warnings == []


def test_no_connection_of_the_kit_outlives_its_isolation(server: PostgresServer) -> None:
    from wflo_testkit.services.postgres.isolation import PostgresIsolation

    isolation = PostgresIsolation(server, "gonerun1")
    asker = Asker(isolation, server, TABLES)
    for mode in ("database", "schema", "rollback", "create"):
        with asker.database(mode=mode):
            pass

    isolation.close()

    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '%gonerun1%'"
    wait_until(lambda: query(server, sql) == [(0,)], timeout=5)
