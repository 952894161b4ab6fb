"""The kit's own connection into a test's database: what it returns, and when it gives up."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.services.postgres_server import server
from wflo_testkit.services.postgres import PostgresServer
from wflo_testkit.services.postgres.admin import Admin
from wflo_testkit.services.postgres.recycling import watching_connection as module
from wflo_testkit.services.postgres.recycling.watching_connection import WatchingConnection

pytestmark = pytest.mark.usefixtures("kept_servers")

__all__ = ["server"]


@pytest.fixture
def link(server: PostgresServer) -> Iterator[WatchingConnection]:
    admin = Admin(server)
    made = WatchingConnection(admin, "postgres", server.user)
    yield made
    made.close()
    admin.close()


def test_values_come_as_python_has_them(link: WatchingConnection) -> None:
    [[row]] = link.ask("SELECT 1::int8, 1.5::real, true, 'é', ARRAY['a', NULL], NULL")

    assert row == (1, 1.5, True, "é", ["a", None], None)


def test_each_statement_has_its_result_and_its_count(link: WatchingConnection) -> None:
    assert link.results("BEGIN", "SELECT 1 WHERE false", "VALUES (1), (2)", "COMMIT") == [
        (0, []),
        (0, []),
        (2, [(1,), (2,)]),
        (0, []),
    ]


def test_a_megabyte_goes_there_and_comes_back(link: WatchingConnection) -> None:
    text = "x" * 2**20

    assert link.ask(f"SELECT '{text}'") == [[(text,)]]


def test_after_a_statement_that_fails_the_next_ones_are_answered(link: WatchingConnection) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable, match="nowhere"):
        link.ask("SELECT 1", "SELECT * FROM nowhere", "SELECT 2")

    assert link.ask("SELECT 3") == [[(3,)]]


def test_a_server_that_says_nothing_is_given_up(
    link: WatchingConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    with pytest.raises(psycopg.OperationalError, match=r"no answer for 0\.1 s"):
        link.ask("SELECT pg_sleep(20)")
    with pytest.raises(psycopg.OperationalError, match="another command is already in progress"):
        link.ask("SELECT 1")


def test_a_session_that_was_ended_is_heard_of_and_asks_no_more(
    link: WatchingConnection, server: PostgresServer
) -> None:
    assert link.is_silent

    with psycopg.connect(server.url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (link.pid,))

    assert not link.is_silent
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            link.ask("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        _ = link.is_silent


def test_one_that_was_closed_is_an_error_of_the_driver(link: WatchingConnection) -> None:
    link.close()

    with pytest.raises(psycopg.OperationalError):
        link.ask("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        _ = link.is_silent


def test_an_idle_session_that_was_ended_is_not_used_again(server: PostgresServer) -> None:
    admin = Admin(server)
    [(pid,)] = admin.rows("SELECT pg_backend_pid()")
    with psycopg.connect(server.url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

    assert admin.rows("SELECT pg_backend_pid() <> %s", (pid,)) == [(True,)]
    admin.close()
