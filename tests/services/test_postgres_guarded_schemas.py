"""While a callable or a MetaData is applied, the developer's own database stays as it is."""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import psycopg2
import psycopg_pool
import pytest
import sqlalchemy as sa
from psycopg import connect as connect_by_name
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.services.bystander import at_hand, dump
from tests.services.postgres_server import Asker, asker, query, server, shared_isolation
from tests.services.ways_to_connect import WAIT
from wflo_testkit.errors import SchemaFailed
from wflo_testkit.services.postgres import PostgresServer
from wflo_testkit.services.postgres.schema.guard import Guard

__all__ = ["asker", "at_hand", "server", "shared_isolation"]

pytestmark = pytest.mark.slow

HARM = "CREATE TABLE harm (id int)"
Fill = Callable[[str], Any]


def elsewhere(driver: str = "") -> str:
    """Return the address as a project finds it, for SQLAlchemy where a driver is named."""
    found = os.environ["DATABASE_URL"]
    return found.replace("+psycopg:", f"+{driver}:" if driver else ":")


def by_psycopg(_url: str) -> None:
    with psycopg.connect(elsewhere()) as connection:
        connection.execute(HARM)


def by_name(_url: str) -> None:
    with connect_by_name(elsewhere(), autocommit=True) as connection:
        connection.execute(HARM)


def by_libpq_s_variables(_url: str) -> None:
    with psycopg.connect() as connection:
        connection.execute(HARM)


def by_psycopg2(_url: str) -> None:
    with psycopg2.connect(elsewhere()) as connection:
        connection.cursor().execute(HARM)


def by_an_engine(_url: str) -> None:
    with sa.create_engine(elsewhere("psycopg"), poolclass=NullPool).begin() as connection:
        connection.execute(sa.text(HARM))


def by_create_all(_url: str) -> None:
    made = sa.MetaData()
    sa.Table("harm", made, sa.Column("id", sa.Integer))
    made.create_all(sa.create_engine(elsewhere("pg8000")))


def swallowing(url: str) -> None:
    with contextlib.suppress(Exception):
        by_psycopg(url)
    fill(url)


def in_a_thread(url: str) -> None:
    thread = threading.Thread(target=swallowing, args=(url,))
    thread.start()
    thread.join(WAIT)


def by_another_database_of_the_server(url: str) -> None:
    psycopg.connect(url, dbname="postgres").close()


class Filler:
    """A callable object."""

    def __call__(self, url: str) -> None:
        by_psycopg(url)


async def by_asyncpg(_url: str) -> None:
    connection = await asyncpg.connect(elsewhere())
    await connection.execute(HARM)
    await connection.close()


async def by_asyncpg_s_pool(_url: str) -> None:
    async with asyncpg.create_pool(elsewhere(), min_size=1) as pool:
        await pool.execute(HARM)


async def by_async_psycopg(_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(elsewhere()) as connection:
        await connection.execute(HARM)


async def by_an_async_engine(_url: str) -> None:
    async with create_async_engine(elsewhere("asyncpg")).begin() as connection:
        await connection.execute(sa.text(HARM))


async def in_the_loop_s_executor(url: str) -> None:
    import asyncio

    await asyncio.to_thread(by_psycopg, url)


CALLABLES: list[Fill] = [
    by_psycopg,
    by_name,
    by_libpq_s_variables,
    by_psycopg2,
    by_an_engine,
    by_create_all,
    swallowing,
    in_a_thread,
    by_another_database_of_the_server,
    Filler(),
    by_asyncpg,
    by_asyncpg_s_pool,
    by_async_psycopg,
    by_an_async_engine,
    in_the_loop_s_executor,
]


def named(value: Any) -> str:
    return getattr(value, "__name__", type(value).__name__)


def fill(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE filled (id int)")


async def fill_async(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE filled (id int)")
    await connection.close()


def listening(work: Fill) -> sa.MetaData:
    """Return a MetaData, one of whose listeners does `work`."""
    made = sa.MetaData()
    table = sa.Table("filled", made, sa.Column("id", sa.Integer))

    def listen(_table: Any, connection: Any, **_more: Any) -> None:
        if isinstance(connection, sa.Connection):
            work(str(connection.engine.url))

    sa.event.listen(table, "after_create", listen)
    return made


def refused(asker: Asker, schema: Any, **changes: Any) -> SchemaFailed:
    with (
        pytest.raises(SchemaFailed, match="was refused a connection to") as caught,
        asker.database(schema=schema, **changes),
    ):
        pass
    return caught.value


@pytest.mark.parametrize(
    "function",
    [pytest.param(each, id=named(each)) for each in CALLABLES],
)
def test_a_callable_touches_no_other_database(asker: Asker, function: Fill) -> None:
    error = refused(asker, function)

    assert "postgres_schema_connects_to" in str(error.fix)
    assert named(function) in error.what
    assert asker.server.password not in error.text


@pytest.mark.parametrize("mode", ["create", "schema", "rollback"])
def test_a_callable_touches_no_other_database_in_any_mode(asker: Asker, mode: str) -> None:
    refused(asker, by_psycopg, mode=mode)


@pytest.mark.parametrize("work", [by_psycopg, by_psycopg2, by_an_engine], ids=named)
def test_a_listener_of_a_metadata_touches_no_other_database(asker: Asker, work: Fill) -> None:
    assert "create_all" in refused(asker, listening(work)).what


def test_each_member_of_a_list_is_guarded(asker: Asker) -> None:
    assert "by_psycopg " in refused(asker, [fill, by_psycopg]).what


@pytest.mark.parametrize("function", [fill, fill_async, listening(lambda _url: None)], ids=named)
def test_the_test_s_own_database_is_filled(asker: Asker, function: Any) -> None:
    with asker.database(schema=function) as handle:
        assert query(handle, "SELECT count(*) FROM filled") == [(0,)]


def test_a_refusal_names_the_variable_that_holds_the_address(
    asker: Asker,
) -> None:
    error = refused(asker, by_psycopg, root=Path(__file__).parent)

    assert "environment variable DATABASE_URL, read at " in str(error.cause)
    assert 'env = { DATABASE_URL = "{postgres.sqlalchemy_url:psycopg}" }' in str(error.fix)
    assert error.cause is not None
    assert "test_postgres_guarded_schemas.py:" in error.cause.partition("asked for at ")[2]


@pytest.mark.parametrize(
    "function",
    [by_psycopg, *(pytest.param(f, marks=pytest.mark.slow) for f in (by_asyncpg, by_an_engine))],
    ids=named,
)
def test_without_the_guard_the_dump_shows_what_a_callable_did(
    asker: Asker, bystander: PostgresServer, monkeypatch: pytest.MonkeyPatch, function: Fill
) -> None:
    before = dump(bystander)
    monkeypatch.setattr(Guard, "check", lambda *_: None)
    with asker.database(schema=functools.partial(function)):  # none that other tests ask for
        after = dump(bystander)
    query(bystander, "DROP TABLE harm")

    assert (before == after, "harm" in after) == (False, True)
    assert dump(bystander) == before


def test_the_setting_allows_what_is_meant(
    asker: Asker, bystander: PostgresServer, tmp_path: Path
) -> None:
    meant = bystander.address

    def copy(url: str) -> None:
        with psycopg.connect(meant.url()) as theirs, psycopg.connect(url) as ours:
            ours.execute("CREATE TABLE copied AS SELECT generate_series(1, 2) AS id")
            assert theirs.execute("SELECT count(*) FROM precious").fetchone() == (1,)
        sqlite3.connect(tmp_path / "seen.sqlite").close()

    entries = [f"localhost:{meant.port}/{meant.database}", "seen.sqlite"]
    asker.settings = {"schema_connects_to": entries}
    with asker.database(schema=copy, root=tmp_path) as handle:
        assert query(handle, "SELECT count(*) FROM copied") == [(2,)]


def test_an_open_pool_elsewhere_is_not_used(asker: Asker) -> None:
    engine = sa.create_engine(elsewhere("psycopg"))
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    with psycopg_pool.ConnectionPool(elsewhere(), open=True) as pool:
        pool.wait(WAIT)

        def use_the_engine(_url: str) -> None:
            with engine.begin() as connection:
                connection.execute(sa.text(HARM))

        def use_the_pool(_url: str) -> None:
            with pool.connection() as connection:
                connection.execute(HARM)

        refused(asker, use_the_engine)
        refused(asker, use_the_pool)
    engine.dispose()


def test_the_next_test_connects_where_it_likes(asker: Asker) -> None:
    refused(asker, by_psycopg)
    with psycopg.connect() as connection:
        assert connection.execute("SELECT count(*) FROM precious").fetchone() == (1,)
