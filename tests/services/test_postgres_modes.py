"""In each of the four modes a test sees nothing of any other."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.cases import quick
from tests.services.postgres_server import (
    Asker,
    asker,
    query,
    server_of_each_version,
    shared_isolation,
    started,
)
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.postgres import PostgresServer
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.services.postgres.spec import MODES
from wflo_testkit.wait import wait_until

__all__ = ["asker", "server_of_each_version", "shared_isolation"]


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str]


INSERT = text("INSERT INTO orders (id, what) VALUES (1, 'tea')")
COUNT = text("SELECT count(*) FROM orders")


def buy(asker: Asker, fail: bool = False) -> None:
    """Insert the same primary key as everybody else, and see that nobody was here before."""
    with asker.database() as handle, asker.convenience("session", handle) as session:
        assert session.scalar(COUNT) == 0
        session.execute(INSERT)
        session.commit()
        if fail:
            raise ZeroDivisionError
        assert session.scalar(COUNT) == 1


@pytest.mark.parametrize("mode", MODES)
def test_the_same_key_goes_in_again_also_after_a_failure(asker: Asker, mode: str) -> None:
    asker.mode, asker.schema = mode, Base.metadata

    buy(asker)
    with pytest.raises(ZeroDivisionError):
        buy(asker, fail=True)
    buy(asker)

    assert asker.warnings == []


def test_modes_mixed_in_random_order_do_not_meet(asker: Asker) -> None:
    asker.schema = Base.metadata
    order = [*MODES, *MODES, *MODES]
    random.Random(7).shuffle(order)

    for mode in order:
        asker.mode = mode
        buy(asker)

    assert asker.warnings == []


@pytest.mark.parametrize("mode", MODES)
def test_askers_at_the_same_time_do_not_meet(
    shared_isolation: Any, server: PostgresServer, mode: str
) -> None:
    errors: list[BaseException] = []
    together = threading.Barrier(4)

    def work(owner: str) -> None:
        asker = Asker(shared_isolation, server, Base.metadata, mode, owner)
        try:
            for _again in range(3):
                together.wait(30)
                buy(asker)
            assert asker.warnings == []
        except BaseException as error:  # noqa: BLE001 - judged below
            errors.append(error)
            together.abort()

    threads = [threading.Thread(target=work, args=(f"gw{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert errors == []


@pytest.mark.parametrize("mode", MODES)
def test_the_async_session_is_as_private(asker: Asker, mode: str) -> None:
    asker.mode, asker.schema = mode, Base.metadata

    async def buy(session: Any) -> None:
        assert await session.scalar(COUNT) == 0
        await session.execute(INSERT)
        await session.commit()
        await session.rollback()
        assert await session.scalar(COUNT) == 1

    for _again in range(2):
        with asker.database() as handle, asker.convenience("async_session", handle) as session:
            asyncio.run(buy(session))

    assert asker.warnings == []


@pytest.mark.parametrize("mode", ["database", "schema", "create"])
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_code_under_test_connects_by_url(asker: Asker, mode: str, driver: str) -> None:
    async def count(url: str) -> Any:
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            found = await connection.scalar(COUNT)
        await engine.dispose()
        return found

    asker.mode, asker.schema = mode, Base.metadata
    with asker.database() as handle:
        with psycopg.connect(handle.url) as connection:
            connection.execute("INSERT INTO orders VALUES (1, 'tea')")

        assert asyncio.run(count(handle.sqlalchemy_url(driver))) == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda handle: handle.url,
        lambda handle: handle.internal_url,
        lambda handle: handle.sqlalchemy_url(),
        lambda handle: handle.env(),
        lambda handle: handle.internal_env(),
    ],
)
def test_rollback_gives_no_address_and_says_why(asker: Asker, ask: Any) -> None:
    asker.mode = "rollback"
    with asker.database() as handle:
        with pytest.raises(IsolationFailed, match="inside a transaction that is rolled back"):
            ask(handle)

        assert handle.kept_command == ""


@pytest.mark.parametrize("name", ["engine", "async_engine"])
def test_rollback_gives_no_engine(asker: Asker, name: str) -> None:
    asker.mode = "rollback"
    with (
        asker.database() as handle,
        pytest.raises(IsolationFailed, match="use postgres_session"),
        asker.convenience(name, handle),
    ):
        pass


def test_rollback_uses_one_database_for_one_test_after_another(asker: Asker) -> None:
    asker.mode, asker.schema = "rollback", Base.metadata
    with asker.database() as first:
        pass
    with asker.database() as second, asker.database() as beside_it:
        pass

    assert second.name == first.name
    assert beside_it.name != first.name


def test_rollback_starts_sequences_anew(asker: Asker) -> None:
    asker.mode, asker.schema = "rollback", Base.metadata
    numbers = []
    for _again in range(2):
        with asker.database() as handle, asker.convenience("session", handle) as session:
            session.add(Order(what="tea"))
            session.commit()
            numbers.append(session.scalar(sa.select(Order.id)))

    assert numbers == [1, 1]


SPOILERS = {
    "insert": "INSERT INTO orders VALUES (7, 'x')",
    "table": "CREATE TABLE sneaked (id int)",
    "column": "ALTER TABLE orders ADD COLUMN more int",
    "drop": "DROP TABLE orders",
    "function": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "setting": "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 99', "
    "current_database()); END $$",
    "large object": "SELECT lo_create(0)",
    "comment": "COMMENT ON TABLE orders IS 'x'",
    "grant": "REVOKE ALL ON SCHEMA public FROM public",
    "temporary namesake": "CREATE SCHEMA elsewhere",
    "index": "CREATE INDEX ON orders (what)",
}


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_rollback_replaces_a_database_in_which_something_was_committed(
    asker: Asker, spoiler: str
) -> None:
    asker.mode, asker.schema = "rollback", Base.metadata
    with asker.database() as first, asker.convenience("session", first) as session:
        session.execute(text("SELECT 1"))
        driver = session.connection().connection.driver_connection
        driver.execute(SPOILERS[spoiler])
        driver.commit()
    with asker.database() as second:
        pass

    assert second.name != first.name
    assert len(asker.warnings) == 1
    assert "data was committed" in asker.warnings[0]


def test_rollback_replaces_a_database_whose_rows_were_updated_or_deleted(asker: Asker) -> None:
    def with_rows(url: str) -> None:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE seeds AS SELECT generate_series(1, 3) AS id")

    asker.mode, asker.schema = "rollback", with_rows
    for sql in ("UPDATE seeds SET id = id", "DELETE FROM seeds WHERE id = 2", "TRUNCATE seeds"):
        asker.warnings.clear()
        with asker.database() as handle, asker.convenience("session", handle) as session:
            driver = session.connection().connection.driver_connection
            driver.execute(sql)
            driver.commit()

        assert len(asker.warnings) == 1, sql


def test_rollback_gives_out_no_database_that_a_crash_of_the_server_has_met() -> None:
    """A crash may undo what was proven; between two tests only the kit's own session tells."""
    with started() as server:
        isolation = PostgresIsolation(server, "abcd1234")
        asker = Asker(isolation, server, Base.metadata, mode="rollback")
        try:
            with asker.database() as first:
                pass
            crash(server)
            with asker.database() as second:
                assert asker.isolation._recycler.is_there(second.name)
            assert second.name != first.name
        finally:
            isolation.close()


def crash(server: PostgresServer) -> None:
    """Kill a session's process: the server ends all others and starts anew."""
    keywords = server.address.keywords()
    witness = psycopg.connect(**keywords, autocommit=True)
    with psycopg.connect(**keywords, autocommit=True) as doomed:
        kill = f"COPY (SELECT 1) TO PROGRAM 'cat; kill -9 {doomed.info.backend_pid}'"
        with contextlib.suppress(psycopg.Error):  # the crash reaches this session, too
            query(server, kill)

    def has_ended() -> bool:
        with contextlib.suppress(psycopg.Error):
            witness.execute("SELECT 1")
            return False
        return True

    wait_until(has_ended, timeout=60, poll=0.01, describe="all sessions have ended")
    witness.close()
    wait_until(lambda: query(server, "SELECT 1"), timeout=60, poll=0.05, describe="it is back")


def test_a_role_of_a_test_is_no_administrator(asker: Asker) -> None:
    with asker.database() as handle:
        rights = query(
            handle,
            "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles"
            " WHERE rolname = current_user",
        )

    assert rights == [(False, False, False)]


@pytest.mark.parametrize("mode", quick(["database", "rollback", "schema"], ("database",)))
def test_a_suite_that_says_so_runs_as_superuser(mode: str) -> None:
    with started(role="superuser") as running:
        isolation = PostgresIsolation(running, "super1")
        asker = Asker(isolation, running, Base.metadata, mode)
        for _again in range(2):
            with asker.database() as handle, asker.convenience("session", handle) as session:
                assert session.scalar(text("SHOW is_superuser")) == "on"
                session.execute(INSERT)
                session.commit()
        isolation.close()

    assert asker.warnings == []


def test_a_role_of_a_test_owns_its_database(asker: Asker) -> None:
    with asker.database() as handle:
        query(handle, "CREATE EXTENSION pgcrypto")
        query(handle, "CREATE SCHEMA more")
        assert query(
            handle,
            "SELECT pg_get_userbyid(datdba) = current_user FROM pg_database "
            "WHERE datname = current_database()",
        ) == [(True,)]


def test_a_test_cannot_get_at_templates_and_the_kits_databases(
    asker: Asker, server: PostgresServer
) -> None:
    with asker.database(schema=Base.metadata) as handle:
        templates = query(server, "SELECT datname FROM pg_database WHERE datistemplate")
        for (name,) in [*templates, (server.database,)]:
            with pytest.raises(psycopg.OperationalError):
                query(handle, "SELECT 1", database=name)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                query(handle, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def test_schemas_name_nothing_outside_their_own(asker: Asker) -> None:
    with asker.database(mode="schema", schema=Base.metadata) as handle:
        assert query(handle, "SHOW search_path") == [(handle.schema,)]
        tables = query(handle, "SELECT schemaname FROM pg_tables WHERE tablename = 'orders'")
        assert (handle.schema,) in tables


def test_create_drops_its_tables_before_the_database_goes(asker: Asker) -> None:
    seen: list[int] = []

    @sa.event.listens_for(Base.metadata, "after_drop")
    def note(_target: Any, connection: Any, **_more: Any) -> None:
        seen.append(len(sa.inspect(connection).get_table_names()))

    try:
        asker.mode, asker.schema = "create", Base.metadata
        buy(asker)
    finally:
        sa.event.remove(Base.metadata, "after_drop", note)

    assert seen == [0]
