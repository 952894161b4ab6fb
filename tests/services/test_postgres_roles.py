"""A login stands for the role of its name where a schema, or an administrator, has made one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.services.postgres_server import (
    Asker,
    asker,
    query,
    server_of_each_version,
    shared_isolation,
)
from tests.services.test_postgres_templates import Counting
from wflo_testkit.errors import IsolationFailed, SchemaFailed
from wflo_testkit.services.postgres import SERVICE, PostgresDatabase, PostgresServer
from wflo_testkit.services.postgres.isolation import PostgresIsolation

__all__ = ["asker", "server_of_each_version", "shared_isolation"]

pytestmark = pytest.mark.slow

ROLES = """
    CREATE ROLE app NOLOGIN;
    CREATE ROLE "The Reader" NOLOGIN;
    ALTER ROLE app SET search_path = shop;
    ALTER ROLE app SET app.tenant = 'red';
"""
TABLES = """
    CREATE TABLE plain (id int);
    CREATE SCHEMA shop;
    CREATE TABLE shop.notes (id serial PRIMARY KEY, tenant text NOT NULL, body text);
    ALTER TABLE shop.notes ENABLE ROW LEVEL SECURITY;
    CREATE POLICY of_tenant ON shop.notes TO app USING (tenant = current_setting('app.tenant'));
    CREATE POLICY short ON shop.notes FOR SELECT TO "The Reader" USING (length(body) < 4);
    GRANT USAGE ON SCHEMA shop TO app, "The Reader";
    GRANT SELECT, INSERT ON shop.notes TO app;
    GRANT USAGE ON SEQUENCE shop.notes_id_seq TO app;
    GRANT SELECT ON shop.notes TO "The Reader";
    INSERT INTO shop.notes (tenant, body) VALUES ('red', 'one'), ('blue', 'two'), ('red', 'three');
"""
MORE = """
    CREATE ROLE sees_all BYPASSRLS;
    CREATE ROLE boss SUPERUSER;
    CREATE ROLE owner_of_table;
    CREATE ROLE inherits IN ROLE owner_of_table;
    CREATE ROLE merely_may NOINHERIT IN ROLE owner_of_table;
"""
BODIES = "SELECT body FROM shop.notes ORDER BY id"


@pytest.fixture(scope="module", autouse=True)
def made(server: PostgresServer) -> None:
    """What an administrator has made; only a superuser's schema can."""
    query(server, ROLES + MORE)


@pytest.fixture
def handle(asker: Asker) -> Iterator[PostgresDatabase]:
    with asker.database(schema=Counting("roles", TABLES)) as made:
        yield made


@contextmanager
def connected(handle: PostgresDatabase, role: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(handle.as_role(role), autocommit=True) as connection:
        yield connection


def test_a_member_of_it_has_its_rights_its_policies_and_its_settings(
    handle: PostgresDatabase,
) -> None:
    with connected(handle, "app") as app:
        assert app.execute("SELECT body FROM notes ORDER BY id").fetchall() == [
            ("one",),
            ("three",),
        ]
        app.execute("INSERT INTO notes (tenant) VALUES ('red')")
        for denied in ("DELETE FROM notes", "SELECT * FROM public.plain"):
            with pytest.raises(errors.InsufficientPrivilege):
                app.execute(denied.encode())
        assert app.execute("SELECT current_user").fetchone() != ("app",)
        app.execute("SET ROLE app")
        assert app.execute("SELECT current_user").fetchone() == ("app",)
    with connected(handle, "The Reader") as reader:
        assert reader.execute(BODIES).fetchall() == [("one",), ("two",)]


def test_a_role_that_is_none_has_an_applications_rights(handle: PostgresDatabase) -> None:
    with connected(handle, "nobody") as app:
        assert app.execute(BODIES).fetchall() == []  # no policy is for it
        app.execute("DELETE FROM shop.notes")
        app.execute("INSERT INTO plain VALUES (1)")


@pytest.mark.parametrize(
    ("role", "why"),
    [
        ("sees_all", "it has BYPASSRLS"),
        ("boss", "it is a superuser"),
        ("postgres", "it is a superuser"),
        ("pg_monitor", "it came with Postgres"),
        ("owner_of_table", "it owns shop.notes"),
        ("inherits", "it owns shop.notes"),
    ],
)
def test_a_role_that_policies_are_not_for_is_refused(
    handle: PostgresDatabase, server: PostgresServer, role: str, why: str
) -> None:
    query(server, "ALTER TABLE shop.notes OWNER TO owner_of_table", database=handle.name)

    with pytest.raises(IsolationFailed, match=why) as caught:
        handle.as_role(role)
    assert f"postgres_database.as_role({role!r})" in str(caught.value)


def test_so_is_one_of_the_kits_own(handle: PostgresDatabase) -> None:
    login = psycopg.conninfo.conninfo_to_dict(handle.as_role("app"))["user"]
    for name in (handle.user, str(login), handle.user.rpartition("_")[0]):
        with pytest.raises(IsolationFailed, match="it is one of the kit's own"):
            handle.as_role(name)


def test_an_owner_whose_policies_are_forced_obeys_them(
    handle: PostgresDatabase, server: PostgresServer
) -> None:
    for change in ("OWNER TO owner_of_table", "FORCE ROW LEVEL SECURITY"):
        query(server, f"ALTER TABLE shop.notes {change}", database=handle.name)
    query(server, "GRANT USAGE ON SCHEMA shop TO owner_of_table", database=handle.name)

    with connected(handle, "owner_of_table") as owner:
        assert owner.execute(BODIES).fetchall() == []


def test_whoever_may_merely_become_an_owner_is_none(
    handle: PostgresDatabase, server: PostgresServer
) -> None:
    query(server, "ALTER TABLE shop.notes OWNER TO owner_of_table", database=handle.name)
    query(server, "GRANT SELECT ON plain TO merely_may", database=handle.name)

    with connected(handle, "merely_may") as member:
        assert member.execute("SELECT * FROM plain").fetchall() == []
        with pytest.raises(errors.InsufficientPrivilege):
            member.execute(BODIES)


def test_the_settings_of_a_role_stay_its_own(handle: PostgresDatabase) -> None:
    with connected(handle, "app") as app:
        assert app.execute("SHOW search_path").fetchone() == ("shop",)
    with psycopg.connect(handle.url) as owner:
        assert owner.execute("SHOW search_path").fetchone() == ('"$user", public',)


def test_a_schema_that_makes_roles_is_told_who_may(asker: Asker) -> None:
    for statement in ("CREATE ROLE more", "GRANT SELECT ON plain TO missing"):
        schema = Counting(statement, f"CREATE TABLE plain (); {statement}")
        with pytest.raises(SchemaFailed) as caught, asker.database(schema=schema):
            pass
        assert 'postgres_role = "superuser"' in (caught.value.fix or "")


@contextmanager
def external(server: PostgresServer, mode: str) -> Iterator[Asker]:
    """Use `server` as an external one, as a role that owns what it makes."""
    found = SERVICE.external(
        SERVICE.spec("postgres", {"url": f"postgresql://maker:p@{server.host}:{server.port}/shop"})
    )
    assert isinstance(found, PostgresServer)
    isolation = PostgresIsolation(found, uuid.uuid4().hex[:8])
    try:
        yield Asker(isolation, found, Counting("external", OUTSIDE), mode)
    finally:
        isolation.close()


OUTSIDE = """
    CREATE TABLE notes (body text);
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
    CREATE POLICY short ON notes USING (length(body) < 4);
    INSERT INTO notes VALUES ('one'), ('three');
"""
GRANT = """DO $$ BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO "Out Side"', current_schema());
    GRANT SELECT, INSERT ON notes TO "Out Side";
END $$"""


@pytest.fixture(scope="module")
def outside(server: PostgresServer) -> PostgresServer:
    for sql in (
        "CREATE ROLE maker LOGIN CREATEDB PASSWORD 'p'",
        "CREATE DATABASE shop OWNER maker",
        'CREATE ROLE "Out Side"',
    ):
        query(server, sql)
    return server


@pytest.mark.parametrize("mode", ["database", "schema", "create"])
def test_on_an_external_server_sessions_begin_as_the_role(
    outside: PostgresServer, mode: str
) -> None:
    query(outside, 'GRANT "Out Side" TO maker')
    before = query(outside, "SELECT rolname FROM pg_roles ORDER BY 1")
    with external(outside, mode) as asker, asker.database() as handle:
        query(handle, GRANT)
        with connected(handle, "Out Side") as app:
            assert app.execute("SELECT body FROM notes").fetchall() == [("one",)]
            with pytest.raises(errors.InsufficientPrivilege, match="row-level security policy"):
                app.execute("INSERT INTO notes VALUES ('three')")
            app.execute("RESET ROLE")
            assert app.execute("SELECT current_user").fetchone() == ("Out Side",)
        assert query(handle, "SELECT body FROM notes") == [("one",), ("three",)]

    assert query(outside, "SELECT rolname FROM pg_roles ORDER BY 1") == before


async def test_so_they_do_by_asyncpg(outside: PostgresServer) -> None:
    import asyncpg

    query(outside, 'GRANT "Out Side" TO maker')
    with external(outside, "schema") as asker, asker.database() as handle:
        query(handle, GRANT)
        connection = await asyncpg.connect(handle.as_role("Out Side"))
        assert [row["body"] for row in await connection.fetch("SELECT body FROM notes")] == ["one"]
        await connection.close()


def test_where_that_cannot_be_what_to_run_is_named_and_is_enough(outside: PostgresServer) -> None:
    with external(outside, "database") as asker, asker.database() as handle:
        with pytest.raises(IsolationFailed, match="the kit makes none there") as caught:
            handle.as_role("new")
        make, grant, *_rest = (caught.value.fix or "").split("; ")
        query(outside, make)
        with pytest.raises(IsolationFailed, match="'maker' may not become it") as caught:
            handle.as_role("new")
        assert (caught.value.fix or "").startswith(grant)
        query(outside, grant)

        with connected(handle, "new") as app:
            assert app.execute("SELECT current_user").fetchone() == ("new",)
        with pytest.raises(IsolationFailed, match="it has BYPASSRLS"):
            handle.as_role("sees_all")
