"""Somebody else's server: the same isolation where the account may, a word where it may not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from tests.services.postgres_server import Asker, databases, query, server
from wflo_testkit.errors import IsolationFailed, ServiceUnavailable
from wflo_testkit.services.postgres import SERVICE, PostgresServer
from wflo_testkit.services.postgres.isolation import PostgresIsolation

__all__ = ["server"]

TABLES = sa.MetaData()
sa.Table("orders", TABLES, sa.Column("id", sa.Integer, primary_key=True))


@pytest.fixture(scope="module")
def prepared(server: PostgresServer) -> PostgresServer:
    for sql in (
        "CREATE ROLE maker LOGIN CREATEDB PASSWORD 'p'",
        "CREATE ROLE modest LOGIN PASSWORD 'p'",
        "CREATE ROLE nobody LOGIN PASSWORD 'p'",
        "CREATE DATABASE shop",
        "GRANT CREATE ON DATABASE shop TO modest",
    ):
        query(server, sql)
    query(server, "CREATE TABLE orders (id int)", database="shop")
    return server


@contextmanager
def external(server: PostgresServer, user: str) -> Iterator[Asker]:
    """Use `server` as an external one, as `user`."""
    url = f"postgresql+asyncpg://{user}:p@{server.host}:{server.port}/shop"
    found = SERVICE.external(SERVICE.spec("postgres", {"url": url}))
    assert isinstance(found, PostgresServer)
    isolation = PostgresIsolation(found, uuid.uuid4().hex[:8])
    try:
        yield Asker(isolation, found, TABLES)
    finally:
        isolation.close()


@pytest.mark.parametrize("mode", ["database", "create", "schema", "rollback"])
def test_who_may_create_databases_gets_every_mode(prepared: PostgresServer, mode: str) -> None:
    query(prepared, "GRANT CREATE ON DATABASE shop TO maker")
    before = databases(prepared)
    with external(prepared, "maker") as asker:
        asker.mode = mode
        for _again in range(2):
            with asker.database() as handle, asker.convenience("session", handle) as session:
                session.execute(sa.text("INSERT INTO orders VALUES (1)"))
                session.commit()
        with asker.database(keep=True):
            pass

        assert asker.warnings == []

    assert databases(prepared) == before
    assert _schemas(prepared) == []


def test_who_may_only_create_schemas_gets_a_schema_for_a_database(
    prepared: PostgresServer,
) -> None:
    with external(prepared, "modest") as asker:
        for _again in range(2):
            with asker.database() as handle, asker.convenience("session", handle) as session:
                session.execute(sa.text("INSERT INTO orders VALUES (1)"))
                session.commit()
                assert (handle.name, handle.mode) == ("shop", "schema")
        with asker.database(kind="empty_database") as handle, psycopg.connect(handle.url) as link:
            link.execute("CREATE TABLE orders (id int)")

        assert asker.warnings == []

    assert _schemas(prepared) == []
    assert query(prepared, "SELECT count(*) FROM orders", database="shop") == [(0,)]


@pytest.mark.parametrize("mode", ["rollback", "create"])
def test_a_mode_that_cannot_be_had_says_what_to_grant(prepared: PostgresServer, mode: str) -> None:
    with (
        external(prepared, "modest") as asker,
        pytest.raises(ServiceUnavailable, match='ALTER ROLE "modest" CREATEDB') as caught,
        asker.database(mode=mode),
    ):
        pass

    assert "may not create databases" in caught.value.text


def test_an_account_without_rights_is_told_what_to_grant(prepared: PostgresServer) -> None:
    with (
        external(prepared, "nobody") as asker,
        pytest.raises(
            ServiceUnavailable, match='GRANT CREATE ON DATABASE "shop" TO "nobody"'
        ) as caught,
        asker.database(),
    ):
        pass

    assert 'or ALTER ROLE "nobody" CREATEDB' in caught.value.text


def test_only_what_the_run_has_made_is_dropped(prepared: PostgresServer) -> None:
    query(prepared, "CREATE DATABASE wflo_other_1")
    with external(prepared, "maker") as asker, asker.database():
        pass

    assert "wflo_other_1" in databases(prepared)
    query(prepared, "DROP DATABASE wflo_other_1")


def test_an_account_that_is_not_let_in_is_named(prepared: PostgresServer) -> None:
    with (
        external(prepared, "stranger") as asker,
        pytest.raises(IsolationFailed, match="as 'stranger'"),
        asker.database(),
    ):
        pass


def test_an_external_server_has_no_address_for_containers(prepared: PostgresServer) -> None:
    with external(prepared, "maker") as asker, asker.database() as handle:
        with pytest.raises(IsolationFailed, match="the server is external"):
            _ = handle.internal_url

        assert handle.env()["PGUSER"] == "maker"


def _schemas(server: PostgresServer) -> list[tuple[str]]:
    sql = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'wflo%'"
    return query(server, sql, database="shop")  # type: ignore[return-value]
