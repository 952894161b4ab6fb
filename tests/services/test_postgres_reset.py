"""`reset()` in each isolation mode: what it was when it was given out, whatever was done to it."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.services.postgres_programs.runner import ARGUMENTS
from tests.services.postgres_server import (
    VERSIONS,
    Asker,
    asker,
    query,
    shared_isolation,
    started,
)
from tests.services.test_postgres_external import external
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.postgres import PostgresDatabase, PostgresServer, replacing
from wflo_testkit.services.postgres.databases import Databases
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.services.postgres.recycling import blueprint, proving, recycler
from wflo_testkit.services.postgres.recycling.reading import Reading
from wflo_testkit.services.postgres.recycling.recycler import Recycler
from wflo_testkit.services.postgres.recycling.watching_connection import WatchingConnection

__all__ = ["asker", "shared_isolation"]

WITH_URL = ("database", "schema", "create")
SEEDED = 200


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str]


def seed(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            f"INSERT INTO orders SELECT n, 'tea ' || n FROM generate_series(1, {SEEDED}) n"
        )
        connection.execute("CREATE SEQUENCE numbers; SELECT nextval('numbers')")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with started(arguments=ARGUMENTS) as running:
        yield running


@pytest.fixture
def seeded(asker: Asker) -> Asker:
    asker.schema = [Base.metadata, seed]
    return asker


@pytest.fixture
def opened() -> Iterator[Callable[[PostgresDatabase], Any]]:
    """Open connections that stay open, as those of a forgetful application do."""
    with contextlib.ExitStack() as stack:
        yield lambda handle: stack.enter_context(
            contextlib.closing(psycopg.connect(handle.url, autocommit=True))
        )


LEFT = {
    "rows": "INSERT INTO orders VALUES (9999, 'new'); DELETE FROM orders WHERE id = 9999;"
    " INSERT INTO orders VALUES (9999, 'newer')",
    "added rows": "INSERT INTO orders SELECT n, 'new' FROM generate_series(5000, 5020) n",
    "added rows, some rolled back": "INSERT INTO orders VALUES (9998, 'new');"
    " BEGIN; INSERT INTO orders VALUES (9999, 'new'); ROLLBACK",
    "a changed row": "UPDATE orders SET what = 'coffee' WHERE id = 5",
    "all rows rewritten": "UPDATE orders SET what = what || '!'",
    "no rows": "DELETE FROM orders",
    "truncated": "TRUNCATE orders",
    "a sequence": "SELECT nextval('numbers'), nextval('numbers')",
    "a table": "CREATE TABLE more (id int)",
    "a column": "ALTER TABLE orders ADD COLUMN size int",
    "a function": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a grant": "GRANT SELECT ON orders TO PUBLIC",
    "a comment": "COMMENT ON TABLE orders IS 'mine'",
    "an index": "CREATE INDEX ON orders (what)",
    "a large object": "SELECT lo_create(4711)",
    "statistics": "ANALYZE orders",
}
SESSIONS = {
    "a temporary table": "CREATE TEMPORARY TABLE notes (id int)",
    "an advisory lock": "SELECT pg_advisory_lock(7)",
    "LISTEN": "LISTEN orders",
    "SET": "SET statement_timeout = '7s'",
    "an open transaction": "BEGIN; INSERT INTO orders VALUES (5000, 'open')",
    "a transaction that failed": "BEGIN; SELECT * FROM nowhere",
    "a cursor": "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT",
    "a prepared statement": "PREPARE s AS SELECT 1",
    "a lock": "BEGIN; LOCK TABLE orders",
}
NAMED = set(SESSIONS) - {"a cursor"}
ACCOUNT = {
    "a setting of the role": "ALTER ROLE CURRENT_USER SET timezone = 'Asia/Tokyo'",
    "a password": "ALTER ROLE CURRENT_USER PASSWORD 'other'",
    "a setting of the database": "ALTER DATABASE {database} SET timezone = 'Asia/Tokyo'",
    "a limit": "ALTER DATABASE {database} CONNECTION LIMIT 3",
}
STATE = """SELECT (SELECT string_agg(concat_ws('/', id, what), ' ') FROM orders),
    (SELECT concat_ws('/', last_value, is_called) FROM numbers),
    (SELECT string_agg(concat_ws('/', relname, relkind, relacl, relnatts, reltuples,
        obj_description(c.oid)), ' ' ORDER BY relname)
        FROM pg_class c WHERE relnamespace = current_schema()::regnamespace),
    (SELECT count(*) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace),
    (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND oid >= 16384),
    (SELECT count(*) FROM pg_largeobject_metadata),
    (SELECT count(*) FROM pg_prepared_xacts p WHERE database = current_database()),
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND
        database = (SELECT oid FROM pg_database WHERE datname = current_database())),
    (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase =
        (SELECT oid FROM pg_database WHERE datname = current_database()) OR
        setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)),
    (SELECT datconnlimit FROM pg_database WHERE datname = current_database())"""
OTHERS = """SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
    AND usename = current_user AND (application_name = %s OR datname = %s)"""


def state(handle: PostgresDatabase) -> Any:
    return query(handle, STATE)


def do(connection: Any, sql: str) -> None:
    for statement in sql.split(";"):
        with contextlib.suppress(psycopg.errors.UndefinedTable):
            connection.execute(statement)


def check_reset(
    asker: Asker, opened: Any, name: str, sql: str, *, times: int = 2
) -> PostgresDatabase:
    with asker.database() as handle:
        first = state(handle)
        for _again in range(times):
            do(opened(handle), sql.format(database=handle.name))
            handle.reset()
            assert state(handle) == first, name
        return handle


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "left"),
    # Large objects are in no schema: they are the database's, which tests share there.
    [(m, each) for m in WITH_URL for each in LEFT if (m, each) != ("schema", "a large object")],
)
def test_what_was_written(seeded: Asker, opened: Any, mode: str, left: str) -> None:
    seeded.mode = mode

    check_reset(seeded, opened, left, LEFT[left])

    assert seeded.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize("left", ["a changed row", "all rows rewritten", "no rows", "rows"])
def test_rows_of_a_large_seed_come_with_a_new_database(
    alone: Asker, opened: Any, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    monkeypatch.setattr(recycler, "AT_ONCE", 0)
    check_reset(alone, opened, left, LEFT[left])

    assert alone.isolation.figures()["replaced"] == 2 * (left != "rows")


@pytest.mark.slow
@pytest.mark.parametrize("left", SESSIONS)
@pytest.mark.parametrize("mode", WITH_URL)
def test_sessions_end_and_those_that_hold_state_are_named(
    seeded: Asker, opened: Any, mode: str, left: str
) -> None:
    seeded.mode = mode

    with seeded.database() as handle:
        first = state(handle)
        one = opened(handle)
        do(one, SESSIONS[left])
        handle.reset()

        assert state(handle) == first
        with pytest.raises(psycopg.OperationalError):
            one.execute("SELECT 1")
    assert [each.startswith("at reset(): ") for each in seeded.warnings] == [True] * (left in NAMED)


@pytest.mark.slow
@pytest.mark.parametrize("left", ACCOUNT)
@pytest.mark.parametrize("mode", ["database", "create"])
def test_what_a_role_may_change_of_itself(seeded: Asker, opened: Any, mode: str, left: str) -> None:
    seeded.mode = mode

    check_reset(seeded, opened, left, ACCOUNT[left])


@pytest.mark.slow
@pytest.mark.parametrize("mode", WITH_URL)
def test_a_prepared_transaction_is_rolled_back_and_named(
    seeded: Asker, opened: Any, mode: str
) -> None:
    seeded.mode = mode
    gid = f"mine-{mode}"

    check_reset(
        seeded, opened, "prepared", f"BEGIN; DELETE FROM orders; PREPARE TRANSACTION '{gid}'"
    )

    assert len(seeded.warnings) == 2
    assert all(f"the prepared transaction '{gid}'" in each for each in seeded.warnings)


def test_fifty_resets_each_see_the_seed(seeded: Asker) -> None:
    with seeded.database() as handle, seeded.convenience("session", handle) as session:
        for number in range(50):
            assert session.scalar(select(func.count(Order.id))) == SEEDED
            session.add(Order(id=1000, what="one more"))
            if number % 10 == 0:
                session.execute(text("UPDATE orders SET what = 'all'"))
                session.execute(text("CREATE TABLE more (id int)"))
            session.commit()
            handle.reset()

        assert session.scalars(select(Order.what).limit(3)).all() == ["tea 1", "tea 2", "tea 3"]
    assert seeded.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["database", "rollback", "schema", "create"])
def test_the_kits_own_session_begins_anew(seeded: Asker, mode: str) -> None:
    seeded.mode = mode

    with seeded.database() as handle, seeded.convenience("session", handle) as session:
        for _again in range(3):
            seen = session.get(Order, 1)
            seen.what = "changed"
            session.commit()
            session.add(Order(id=1000, what="uncommitted"))
            session.flush()
            handle.reset()

            assert seen not in session
            assert session.get(Order, 1000) is None
            assert session.get(Order, 1).what == "tea 1"
    assert seeded.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["database", "rollback", "schema", "create"])
def test_the_async_session_begins_anew_in_the_middle_of_its_loop(seeded: Asker, mode: str) -> None:
    seeded.mode = mode

    async def work(handle: PostgresDatabase, session: Any) -> None:
        for _again in range(3):
            (await session.get(Order, 1)).what = "changed"
            await session.commit()
            session.add(Order(id=1000, what="uncommitted"))
            await session.flush()
            handle.reset()

            assert await session.get(Order, 1000) is None
            assert (await session.get(Order, 1)).what == "tea 1"

    with seeded.database() as handle, seeded.convenience("async_session", handle) as session:
        asyncio.run(work(handle, session))
        handle.reset()  # its loop is gone
        asyncio.run(work(handle, session)) if mode != "rollback" else None
    assert seeded.warnings == []


@pytest.mark.slow
def test_the_async_session_of_a_loop_that_rests_or_runs_elsewhere(seeded: Asker) -> None:
    async def change(session: Any) -> None:
        session.add(Order(id=1000, what="uncommitted"))
        await session.flush()

    async def count(session: Any) -> int:
        return int(await session.scalar(select(func.count(Order.id))))

    async def elsewhere(handle: PostgresDatabase, session: Any) -> None:
        await change(session)
        await asyncio.to_thread(handle.reset)
        assert await count(session) == SEEDED

    with (
        seeded.database() as handle,
        seeded.convenience("async_session", handle) as session,
        asyncio.Runner() as runner,
    ):
        runner.run(change(session))
        handle.reset()
        assert runner.run(count(session)) == SEEDED
        runner.run(elsewhere(handle, session))
    assert seeded.warnings == []


@pytest.mark.slow
def test_an_engine_loses_what_is_out_and_goes_on(seeded: Asker) -> None:
    with seeded.database() as handle, seeded.convenience("engine", handle) as engine:
        with engine.connect() as out:
            out.execute(text("DELETE FROM orders"))
            handle.reset()
        with engine.connect() as other:
            assert other.scalar(text("SELECT count(*) FROM orders")) == SEEDED

    assert ["a connection was left open" in each for each in seeded.warnings] == [True]


@pytest.mark.slow
def test_an_async_engine_does_so_too(seeded: Asker) -> None:
    async def work(handle: PostgresDatabase, engine: Any) -> None:
        async with engine.connect() as connection:
            await connection.execute(text("DELETE FROM orders"))
            handle.reset()
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM orders")) == SEEDED

    with seeded.database() as handle, seeded.convenience("async_engine", handle) as engine:
        asyncio.run(work(handle, engine))

    assert ["a connection was left open" in each for each in seeded.warnings] == [True]


@pytest.mark.slow
def test_what_was_committed_past_the_rollback_is_named_and_gone(seeded: Asker) -> None:
    seeded.mode = "rollback"
    with seeded.database() as handle, seeded.convenience("session", handle) as session:
        for _again in range(2):
            session.execute(text("DELETE FROM orders"))
            session.connection().connection.driver_connection.commit()
            handle.reset()
            assert "table public.orders was changed for good" in seeded.warnings.pop()
            assert session.scalar(select(func.count(Order.id))) == SEEDED
    assert seeded.warnings == []


@pytest.mark.slow
def test_an_empty_database_is_empty_again(seeded: Asker) -> None:
    with seeded.database("empty_database") as handle:
        for _again in range(2):
            assert query(handle, "SELECT count(*) FROM pg_class WHERE oid >= 16384") == [(0,)]
            query(handle, "CREATE TABLE orders (id int)")
            handle.reset()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["database", "schema"])
def test_logins_of_another_role_go(seeded: Asker, mode: str) -> None:
    seeded.mode = mode
    with seeded.database() as handle:
        url = handle.as_role("reader")
        with psycopg.connect(url) as connection:
            connection.execute("DELETE FROM orders")
        first = url
        handle.reset()

        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(first)
        with psycopg.connect(handle.as_role("reader")) as connection:
            assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(SEEDED,)]


@pytest.mark.slow
def test_after_its_test_the_error_says_so(seeded: Asker) -> None:
    with seeded.database() as handle:
        pass

    with pytest.raises(IsolationFailed, match="was used after it had been given back"):
        handle.reset()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["database", "create"])
def test_a_database_that_was_reset_is_recycled_or_replaced_as_any_other(
    seeded: Asker, mode: str
) -> None:
    seeded.mode = mode
    for _again in range(4):
        with seeded.database() as handle:
            assert query(handle, "SELECT count(*) FROM orders") == [(SEEDED,)]
            query(handle, "INSERT INTO orders VALUES (1000, 'mine')")
            handle.reset()
            query(handle, "INSERT INTO orders VALUES (1000, 'mine')")
            if mode == "create":
                query(handle, "CREATE TABLE more (id int)")
    seeded.settled()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["database", "create", "schema", "rollback"])
def test_on_somebody_elses_server(server: PostgresServer, mode: str) -> None:
    with contextlib.suppress(psycopg.errors.DuplicateObject):
        query(server, "CREATE ROLE maker LOGIN CREATEDB PASSWORD 'p'")
        query(server, "CREATE DATABASE shop")
    query(server, "GRANT CREATE ON DATABASE shop TO maker")
    with external(server, "maker") as asker:
        asker.mode, asker.schema = mode, [Base.metadata, seed]
        with asker.database() as handle, asker.convenience("session", handle) as session:
            for _again in range(3):
                session.execute(text("DELETE FROM orders"))
                session.execute(text("CREATE TABLE more (id int)"))
                session.commit()
                handle.reset()
                assert session.scalar(select(func.count(Order.id))) == SEEDED
        assert asker.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_on_each_version(opened: Any, version: str) -> None:
    """On 13, say, nothing is watched: each reset is a new database."""
    with started(version=version, arguments=ARGUMENTS) as server:
        isolation = PostgresIsolation(server, uuid.uuid4().hex[:8])
        asker = Asker(isolation, server, [Base.metadata, seed])
        for left in ("rows", "all rows rewritten", "a table", "a sequence"):
            check_reset(asker, opened, left, LEFT[left])
        check_reset(asker, opened, "role", ACCOUNT["a password"])
        asker.mode = "schema"
        check_reset(asker, opened, "lock", SESSIONS["an advisory lock"])
        isolation.close()


@pytest.mark.slow
def test_where_tests_may_do_everything() -> None:
    with started(role="superuser") as server:
        isolation = PostgresIsolation(server, uuid.uuid4().hex[:8])
        asker = Asker(isolation, server, [Base.metadata, seed])
        with asker.database() as handle:
            for _again in range(2):
                query(handle, "CREATE ROLE friend; SET track_counts = off; DELETE FROM orders")
                handle.reset()
                assert query(handle, "SELECT count(*) FROM orders") == [(SEEDED,)]
                assert query(handle, "SELECT FROM pg_roles WHERE rolname = 'friend'") == []
        assert any("role friend" in each for each in asker.warnings)
        isolation.close()


@pytest.mark.slow
def test_two_askers_reset_at_once_and_do_not_meet(shared_isolation: Any, server: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def work(owner: str) -> list[str]:
        asker = Asker(shared_isolation, server, [Base.metadata, seed], owner=owner)
        with asker.database() as handle, asker.convenience("session", handle) as session:
            for number in range(8):
                assert session.scalar(select(func.count(Order.id))) == SEEDED
                session.add(Order(id=1000, what=owner))
                if number % 3 == 0:
                    session.execute(text("UPDATE orders SET what = 'all'"))
                session.commit()
                handle.reset()
        return asker.warnings

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(work, ("gw0", "gw1", "gw2"))) == [[], [], []]


@pytest.fixture
def alone(server: PostgresServer) -> Iterator[Asker]:
    """Somebody whose databases no other test gets: they may be spoilt."""
    isolation = PostgresIsolation(server, uuid.uuid4().hex[:8])
    yield Asker(isolation, server, [Base.metadata, seed])
    isolation.close()


def believe(*_: object) -> str:
    return ""


MUTANTS: dict[str, tuple[dict[tuple[Any, str], Any], str]] = {
    "who wrote the rows is not asked": (
        {(blueprint.Table, "quick_look"): lambda self, _place: f"'{self.content}'"},
        LEFT["a changed row"],
    ),
    "what has moved is not looked at": (
        {(proving, "_restored"): lambda _watched, now, _most: now},
        LEFT["rows"],
    ),
    "other changes are passed over": (
        {(recycler, "settle"): lambda *_, **__: None},
        LEFT["a table"],
    ),
    "nothing is proven": ({(Recycler, "put_back"): believe}, LEFT["a sequence"]),
    "what is prepared stays": (
        {
            (Databases, "roll_back_prepared"): lambda *_: [],
            (Recycler, "put_back"): believe,
        },
        "BEGIN; SELECT pg_advisory_xact_lock(3); PREPARE TRANSACTION 'stays'",
    ),
    "sessions live": (
        {(Recycler, "end_all"): lambda *_: [], (Recycler, "put_back"): believe},
        SESSIONS["an advisory lock"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_clause_switched_off_is_noticed(
    alone: Asker, opened: Any, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    patches, sql = MUTANTS[mutant]
    check_reset(alone, opened, mutant, sql)

    for (home, name), replacement in patches.items():
        monkeypatch.setattr(home, name, replacement)
    with pytest.raises((AssertionError, psycopg.Error)):
        check_reset(alone, opened, mutant, sql)


def with_room(url: str) -> None:
    """Leave room for new rows before those that are there."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM orders WHERE id BETWEEN 20 AND 60")
        connection.execute("VACUUM orders")


def test_added_rows_that_lie_among_those_of_the_seed_are_found(
    alone: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone.schema = [Base.metadata, seed, with_room]
    among = "SELECT ctid < (SELECT max(ctid) FROM orders) FROM orders WHERE id = 9999"
    with alone.database() as handle:
        first = state(handle)
        for counted in (True, False):
            if not counted:
                monkeypatch.setattr(Reading, "added", lambda now, _: dict.fromkeys(now.counts, 0))
            query(handle, "INSERT INTO orders VALUES (9999, 'new')")
            assert query(handle, among) == [(True,)]
            handle.reset()
            assert (state(handle) == first) is counted


@pytest.mark.slow
def test_a_client_that_comes_and_writes_meanwhile_is_noticed(
    alone: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = proving.restore

    def disturbed(link: WatchingConnection, *rest: Any, **more: Any) -> Any:
        done = real(link, *rest, **more)
        query(handle, "INSERT INTO orders VALUES (7777, 'meanwhile')")
        return done

    with alone.database() as handle:
        first = state(handle)
        monkeypatch.setattr(proving, "restore", disturbed)
        query(handle, LEFT["rows"])
        handle.reset()
        assert state(handle) == first

        monkeypatch.setattr(proving, "_check_nobody_else", lambda *_: None)
        query(handle, LEFT["rows"])
        handle.reset()
        assert state(handle) != first


def test_an_account_that_a_crash_has_undone_is_there_again(
    alone: Asker, server: PostgresServer
) -> None:
    """What was committed last may be lost by a crash: here, that the role was given its name."""
    with alone.database() as handle:
        first = state(handle)
        query(server, f'ALTER ROLE "{handle.user}" RENAME TO "{handle.user}_earlier"')
        handle.reset()
        assert state(handle) == first


@pytest.mark.slow
def test_an_account_that_changes_hands_late_would_spoil_the_new_database(
    alone: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name and account change hands in one transaction: else the old account enters nothing."""
    with alone.database() as handle:
        query(handle, "CREATE TABLE more (id int)")
        nothing = "UPDATE pg_database SET datname = datname WHERE datname IN ({0}, {1})"
        monkeypatch.setattr(replacing, "_RENAME", nothing)
        handle.reset()
        with pytest.raises(psycopg.OperationalError):
            query(handle, "SELECT 1")
