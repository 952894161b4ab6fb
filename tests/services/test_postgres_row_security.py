"""A login besides the test's own obeys row level security, which an owner is above."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import errors

from tests.services.postgres_server import (
    Asker,
    asker,
    query,
    server_of_each_version,
    shared_isolation,
)
from tests.services.test_postgres_templates import Counting
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.postgres import PostgresDatabase, PostgresServer, logins

__all__ = ["asker", "server_of_each_version", "shared_isolation"]

pytestmark = pytest.mark.slow

MODES = ["database", "schema", "create"]
LEFT_IN = ["database", "schema", pytest.param("create", marks=pytest.mark.slow)]
SCHEMA = """
    CREATE TABLE notes (id serial PRIMARY KEY, tenant text NOT NULL, body text);
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
    CREATE POLICY of_tenant ON notes USING (tenant = current_setting('app.tenant', true));
    INSERT INTO notes (tenant, body) VALUES ('red', 'one'), ('blue', 'two'), ('red', 'three');
    CREATE VIEW everything AS SELECT * FROM notes;
"""
BODIES = "SELECT body FROM notes ORDER BY id"
WHOLE = SCHEMA + "CREATE SCHEMA more; CREATE TABLE more.plain (id int);"


def applied(mode: str) -> Counting:
    return Counting(f"policies {mode}", SCHEMA if mode == "schema" else WHOLE)


@pytest.fixture(params=MODES)
def handle(asker: Asker, request: pytest.FixtureRequest) -> Iterator[PostgresDatabase]:
    with asker.database(mode=request.param, schema=applied(request.param)) as made:
        yield made


@pytest.fixture
def database(asker: Asker) -> Iterator[PostgresDatabase]:
    with asker.database(schema=applied("database")) as made:
        yield made


@contextmanager
def connected(handle: PostgresDatabase, role: str = "app") -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(handle.as_role(role), autocommit=True) as connection:
        yield connection


def logins_on(server: PostgresServer) -> list[str]:
    sql = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'wflo%_as_%' ORDER BY 1"
    return [name for (name,) in query(server, sql)]


def test_a_policy_is_obeyed_by_it_and_not_by_the_owner(handle: PostgresDatabase) -> None:
    with connected(handle) as app:
        assert app.execute(BODIES).fetchall() == []
        app.execute("SET app.tenant = 'red'")
        assert app.execute(BODIES).fetchall() == [("one",), ("three",)]
        app.execute("INSERT INTO notes (tenant, body) VALUES ('red', 'four')")
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security policy"):
            app.execute("INSERT INTO notes (tenant) VALUES ('blue')")
        assert app.execute("UPDATE notes SET body = upper(body)").rowcount == 3
        assert app.execute("DELETE FROM notes").rowcount == 3

    assert query(handle, BODIES) == [("two",)]


def test_it_neither_owns_nor_bypasses(handle: PostgresDatabase) -> None:
    sql = """SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication,
        (SELECT count(*) FROM pg_class WHERE relowner = r.oid),
        (SELECT count(*) FROM pg_auth_members WHERE member = r.oid), row_security_active('notes')
        FROM pg_roles r WHERE rolname = current_user"""
    with connected(handle) as app:
        assert app.execute(sql).fetchall() == [(False, 0, 0, True)]


DENIED = [
    "TRUNCATE notes",
    "DROP TABLE notes",
    "ALTER TABLE notes DISABLE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON notes USING (true)",
    "SELECT setval('notes_id_seq', 99)",
    "CREATE TRIGGER t BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION pg_catalog.now()",
    "CREATE TABLE mine (of_note int REFERENCES notes)",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "SELECT rolpassword FROM pg_authid",
    "SET ROLE {owner}",
]


def test_what_an_application_has_no_need_of_is_denied(handle: PostgresDatabase) -> None:
    with connected(handle) as app:
        for statement in DENIED:
            with pytest.raises(errors.InsufficientPrivilege):
                app.execute(statement.format(owner=handle.user).encode())


def test_it_may_use_tables_sequences_and_views_of_all_schemas(database: PostgresDatabase) -> None:
    with connected(database) as app:
        app.execute("INSERT INTO more.plain VALUES (1)")
        app.execute("SET app.tenant = 'red'; INSERT INTO notes (tenant) VALUES ('red')")
        assert app.execute("SELECT currval('notes_id_seq')").fetchone() == (4,)
        # A view has the rights of its owner, who is above the policies.
        assert app.execute("SELECT count(*) FROM everything").fetchone() == (4,)


def test_its_urls_are_those_of_the_database(handle: PostgresDatabase) -> None:
    plain = handle.as_role("app")
    login = psycopg.conninfo.conninfo_to_dict(plain)
    own = psycopg.conninfo.conninfo_to_dict(handle.url)
    differs = {key for key in own if own[key] != login[key]}
    assert differs == {"user", "password"}

    for driver in ("psycopg", "asyncpg"):
        url = sa.make_url(handle.as_role("app", driver=driver))
        assert url.drivername == f"postgresql+{driver}"
        assert (url.username, url.password) == (login["user"], login["password"])
    engine = sa.create_engine(handle.as_role("app", driver="psycopg"))
    with engine.connect() as connection:
        assert connection.scalars(sa.text(BODIES)).all() == []
    engine.dispose()


async def test_asyncpg_connects_as_it(handle: PostgresDatabase) -> None:
    import asyncpg

    connection = await asyncpg.connect(handle.as_role("app"))
    assert await connection.fetch(BODIES) == []
    await connection.close()


def test_it_is_the_same_at_each_call_and_may_use_what_was_made_since(
    handle: PostgresDatabase,
) -> None:
    first = handle.as_role("app")
    query(handle, "CREATE TABLE later (id int)")
    with psycopg.connect(first, autocommit=True) as app:
        with pytest.raises(errors.InsufficientPrivilege):
            app.execute("SELECT FROM later")
        assert handle.as_role("app") == first
        app.execute("SELECT FROM later")
    assert handle.as_role("other") != first


def test_it_goes_with_the_test(asker: Asker, server: PostgresServer) -> None:
    for mode in MODES:
        for keep in (False, True):
            with asker.database(mode=mode, schema=applied(mode), keep=keep) as handle:
                url = handle.as_role("app")
                with psycopg.connect(url) as app:
                    [[user]] = app.execute("SELECT current_user")
                assert logins_on(server) == [user]

            assert logins_on(server) == [], (mode, keep)
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(url)
            if keep:
                assert query(handle, BODIES) == [("one",), ("two",), ("three",)]
    assert asker.warnings == []


@pytest.mark.parametrize("mode", LEFT_IN)
def test_a_connection_of_its_own_that_is_left_open_is_ended_and_told_of(
    asker: Asker, server: PostgresServer, mode: str
) -> None:
    with asker.database(mode=mode, schema=applied(mode)) as handle:
        # Under a name of its own, and without a lock in the schema by which to find it.
        left = psycopg.connect(handle.as_role("app"), application_name="shop", autocommit=True)
        left.execute("SELECT 42")

    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()
    [told] = asker.warnings
    assert told.startswith("a connection was left open by 'shop'; its last statement: SELECT 42")
    assert logins_on(server) == []


@pytest.mark.parametrize("mode", MODES)
def test_what_the_test_has_left_open_itself_does_not_keep_it(
    asker: Asker, server: PostgresServer, mode: str
) -> None:
    with asker.database(mode=mode, schema=applied(mode)) as handle:
        with connected(handle) as app:
            app.execute("SELECT FROM notes")
        left = psycopg.connect(handle.url)
        left.execute("GRANT TRUNCATE ON notes TO PUBLIC")
    left.close()

    assert [told.partition(" (")[0] for told in asker.warnings] == ["a transaction"]
    assert logins_on(server) == []


def test_a_change_that_is_not_committed_is_named(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "_IMPATIENT", "SET LOCAL lock_timeout = 9")
    with psycopg.connect(database.url) as link:
        link.execute("GRANT TRUNCATE ON notes TO PUBLIC")
        with pytest.raises(IsolationFailed, match="commit, or roll back, before"):
            database.as_role("app")
        link.commit()

        with connected(database) as app:
            assert app.execute(BODIES).fetchall() == []


def test_in_a_rollback_it_is_not_to_be_had_and_the_error_says_why(asker: Asker) -> None:
    with (
        asker.database(mode="rollback", schema=applied("database")) as handle,
        pytest.raises(IsolationFailed, match="another connection would not see it") as caught,
    ):
        handle.as_role("app")
    assert "postgres_database.as_role('app')" in caught.value.what


def test_an_empty_database_has_one_too(asker: Asker) -> None:
    with asker.database(kind="empty_database") as handle, connected(handle) as app:
        assert app.execute("SELECT 1").fetchone() == (1,)


def test_two_tests_at_once_have_one_each_that_enters_no_other_database(asker: Asker) -> None:
    with (
        asker.database(schema=applied("database")) as one,
        asker.database(schema=applied("database")) as two,
    ):
        both: dict[str, str] = {}
        threads = [
            threading.Thread(target=lambda h=h: both.update({h.name: h.as_role("app")}))
            for h in (one, two, one, two)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        for mine, others in ((one, two), (two, one)):
            assert both[mine.name] == mine.as_role("app")
            psycopg.connect(both[mine.name]).close()
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(both[mine.name], dbname=others.name)


def test_a_call_that_comes_too_late_makes_none(asker: Asker, server: PostgresServer) -> None:
    with asker.database(schema=applied("database")) as handle:
        pass

    with pytest.raises(IsolationFailed, match="after it had been given back"):
        handle.as_role("app")
    assert logins_on(server) == []


def test_no_repr_shows_its_password(database: PostgresDatabase) -> None:
    password = psycopg.conninfo.conninfo_to_dict(database.as_role("app"))["password"]

    assert str(password) not in repr(database)
