"""Postgres by its Unix socket: who goes that way, and that nobody comes back by it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from tests.services.postgres_server import Asker, query, server, started
from wflo_testkit.services.postgres import PostgresDatabase, PostgresServer, host_based_access
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.wait import wait_until

__all__ = ["server"]

BY_PORT = text("SELECT inet_server_addr() IS NOT NULL")


@pytest.fixture
def asker(server: PostgresServer) -> Iterator[Asker]:
    isolation = PostgresIsolation(server, uuid.uuid4().hex[:8])
    isolation.prepare()
    yield Asker(isolation, server)
    isolation.close()


def came_by_port(asker: Asker, handle: PostgresDatabase) -> bool:
    with asker.convenience("session", handle) as session:
        return bool(session.scalar(BY_PORT))


def came_by_port_async(asker: Asker, handle: PostgresDatabase) -> bool:
    async def ask(session: Any) -> bool:
        found = await session.scalar(BY_PORT)
        await session.close()
        return bool(found)

    with asker.convenience("async_session", handle) as session:
        return asyncio.run(ask(session))


both_drivers = pytest.mark.parametrize("came", [came_by_port, came_by_port_async])


@both_drivers
def test_the_kits_engines_go_by_the_socket(
    asker: Asker, came: Callable[[Asker, PostgresDatabase], bool]
) -> None:
    with asker.database() as handle:
        assert not came(asker, handle)


@both_drivers
def test_where_the_socket_is_gone_they_go_by_the_port(
    came: Callable[[Asker, PostgresDatabase], bool],
) -> None:
    with started() as running:
        isolation = PostgresIsolation(running, uuid.uuid4().hex[:8])
        asker = Asker(isolation, running)
        with asker.database() as handle:
            Path(handle.sockets, ".s.PGSQL.5432").unlink()

            assert came(asker, handle)
        isolation.close()


def test_a_test_is_told_the_port(asker: Asker) -> None:
    with asker.database() as handle, asker.convenience("engine", handle) as engine:
        assert engine.url.host == "127.0.0.1"
        assert engine.url.port == handle.port
        assert handle.env()["PGHOST"] == "127.0.0.1"
        assert query(handle, "SELECT inet_server_addr() IS NOT NULL") == [(True,)]


def test_the_kit_itself_goes_by_the_socket(asker: Asker) -> None:
    with asker.database():
        sessions = query(
            asker.server,
            "SELECT client_addr IS NULL FROM pg_stat_activity"
            " WHERE application_name = 'wflo-testkit'",
        )

    assert sessions
    assert all(by_socket for (by_socket,) in sessions)


def by_socket(handle: PostgresDatabase, **changes: Any) -> Any:
    keywords = {**handle.address().keywords(), "host": handle.sockets, "port": "5432"}
    return psycopg.connect(**keywords | changes)


def test_a_test_gets_in_by_its_own_password_only(asker: Asker) -> None:
    with asker.database() as handle:
        with by_socket(handle) as connection:
            connection.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            by_socket(handle, password="another")


def comes_back(asker: Asker) -> bool:
    """Tell whether a client of one test gets into its database when that is another test's."""
    with asker.database() as handle:
        pass
    with ExitStack() as tests:
        while tests.enter_context(asker.database()).name != handle.name:
            pass  # the others stay in use: so it is the turn of this one at some time
        try:
            by_socket(handle).close()
        except psycopg.OperationalError as error:
            return "password authentication failed" not in str(error)
    return True


def test_a_client_that_comes_back_by_the_socket_is_kept_out(asker: Asker) -> None:
    assert not comes_back(asker)


def test_without_the_rule_a_client_would_come_back_unnoticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host_based_access, "RULE", "# nothing")
    with started() as running:
        isolation = PostgresIsolation(running, uuid.uuid4().hex[:8])
        isolation.prepare()

        assert comes_back(Asker(isolation, running))
        isolation.close()


def test_the_rule_is_put_before_the_others_once(server: PostgresServer) -> None:
    for _ in range(2):
        isolation = PostgresIsolation(server, uuid.uuid4().hex[:8])
        isolation.prepare()
        isolation.close()
    query(server, "SELECT pg_reload_conf()")

    rules = query(server, "SELECT user_name, auth_method, error FROM pg_hba_file_rules")

    assert rules[0] == (["/^wflo_"], "scram-sha-256", None)
    assert [method for users, method, _error in rules if users == ["/^wflo_"]] == ["scram-sha-256"]
    assert len(rules) == 8  # initdb's six, the image's own, and this


def test_the_server_has_nothing_to_say_about_the_rule() -> None:
    """A reload logs what it cannot do: people would look for what is wrong with max_connections."""
    with started(arguments={"shared_buffers": "64MB"}) as running:
        isolation = PostgresIsolation(running, uuid.uuid4().hex[:8])
        isolation.prepare()
        isolation.close()
        reloaded = "received SIGHUP, reloading configuration files"
        wait_until(lambda: reloaded in running.logs(), timeout=20)
        query(running, "SELECT 1")  # by a process that was begun after the reload

        said = running.logs().partition(reloaded)[2]
        assert query(running, "SHOW max_connections") == [("300",)]
        assert query(running, "SHOW shared_buffers") == [("64MB",)]

    assert "cannot be changed" not in said
    assert "contains errors" not in said


@pytest.mark.slow
def test_a_server_whose_sockets_are_elsewhere_is_used_by_its_port() -> None:
    arguments = {"unix_socket_directories": "/var/run/postgresql"}
    with started(arguments=arguments) as running:
        isolation = PostgresIsolation(running, uuid.uuid4().hex[:8])
        asker = Asker(isolation, running)
        with asker.database() as handle:
            assert came_by_port(asker, handle)
        isolation.close()


@pytest.mark.slow
def test_where_the_rules_cannot_be_written_tests_go_by_the_port() -> None:
    with started() as running:
        isolation = PostgresIsolation(running, uuid.uuid4().hex[:8])
        query(running, "COPY (SELECT 1) TO PROGRAM 'cat; chmod 0400 /pgdata/pg_hba.conf'")
        asker = Asker(isolation, running)
        with asker.database() as handle:
            assert handle.sockets == ""
            assert came_by_port(asker, handle)
        isolation.close()
