"""Each clause of the proof, switched off, lets something reach the next test."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.services.postgres_programs.kinds import LEFT_OPEN
from tests.services.postgres_programs.runner import ARGUMENTS, Runner, runner_on
from tests.services.postgres_server import RECYCLING, query, started
from wflo_testkit.services.postgres import PostgresServer
from wflo_testkit.services.postgres.accounts import Accounts
from wflo_testkit.services.postgres.admin import FIRST_OWN
from wflo_testkit.services.postgres.recycling import proving, reading, restore
from wflo_testkit.services.postgres.recycling.recycler import Recycler
from wflo_testkit.services.postgres.recycling.watching_connection import WatchingConnection
from wflo_testkit.wait import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NOTICED = "the next test notices"
MARKS = {
    "the database's own row": "ALTER DATABASE {database} CONNECTION LIMIT 3",
    "a setting": "ALTER DATABASE {database} SET timezone = 'Asia/Tokyo'",
    "a comment": "COMMENT ON DATABASE {database} IS 'mine'",
    "a prepared transaction": "BEGIN; SELECT pg_advisory_xact_lock(3); PREPARE TRANSACTION 'x'",
}
# Refused to the role of a test; should it ever be allowed, it would be noticed.
MARKS_OF_ADMINISTRATORS = {
    "the role": "ALTER ROLE {role} CONNECTION LIMIT 3",
    "a membership": "GRANT pg_monitor TO {role}",
    "a replication slot": "SELECT pg_create_logical_replication_slot('slot', 'pgoutput')",
    "a subscription": "CREATE SUBSCRIPTION sub CONNECTION 'host=/nowhere' PUBLICATION p"
    " WITH (connect = false, slot_name = NONE)",
    "a security label": "INSERT INTO pg_shseclabel SELECT oid, 'pg_database'::regclass, 'x', 'y'"
    " FROM pg_database WHERE datname = '{database}'",
    "a reset of the counters": "INSERT INTO empty (note) VALUES ('unseen');"
    " SELECT pg_stat_force_next_flush()|SELECT pg_stat_reset_single_table_counters(oid)"
    " FROM pg_class WHERE relname ~ '^empty'",
}
COUNTERS = {
    "pg_stat_get_tuples_inserted(oid)": "INSERT INTO empty (id, note) VALUES (5, 'one')",
    "pg_stat_get_tuples_updated(oid)": "UPDATE customers SET mood = 'cross'",
    "pg_stat_get_tuples_deleted(oid)": "DELETE FROM measured",
    "pg_stat_get_blocks_fetched(oid)": "SELECT setval('loose', 99, false)",
    "pg_stat_get_analyze_count(oid)": "ANALYZE empty",
    "pg_stat_get_vacuum_count(oid)": "VACUUM empty",
}


@pytest.fixture(scope="module", params=RECYCLING)
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with started(version=request.param, arguments=ARGUMENTS) as running:
        yield running


@pytest.fixture(scope="module")
def sound(server: PostgresServer) -> Iterator[Runner]:
    """Nothing is switched off here."""
    with runner_on(server) as made:
        yield made


def is_noticed(server: PostgresServer, *statements: str, administrator: bool = False) -> None:
    # The runner's own first comparison may notice it already.
    with pytest.raises(AssertionError, match=NOTICED), runner_on(server) as blind:
        blind.run_sql(*statements, as_administrator=administrator)


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_that_is_not_looked_at(
    server: PostgresServer, sound: Runner, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    sound.run_sql(MARKS[mark])

    monkeypatch.setitem(reading.MARKS, mark, "SELECT 'unseen'")
    is_noticed(server, MARKS[mark])


@pytest.mark.slow
@pytest.mark.parametrize("mark", MARKS_OF_ADMINISTRATORS)
def test_a_mark_that_only_an_administrator_can_change(
    server: PostgresServer, sound: Runner, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    statements = MARKS_OF_ADMINISTRATORS[mark].split("|")
    sound.run_sql(*statements, as_administrator=True)

    monkeypatch.setitem(reading.MARKS, mark, "SELECT 'unseen'")
    is_noticed(server, *statements, administrator=True)


@pytest.mark.parametrize("counter", COUNTERS)
def test_a_counter_that_is_not_read(
    server: PostgresServer, sound: Runner, monkeypatch: pytest.MonkeyPatch, counter: str
) -> None:
    sound.run_sql(COUNTERS[counter])

    assert counter in reading._COUNTS
    monkeypatch.setattr(reading, "_COUNTS", reading._COUNTS.replace(counter, "0"))
    is_noticed(server, COUNTERS[counter])


def test_catalogs_that_are_not_counted(
    server: PostgresServer, sound: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    sound.run_sql(function)

    own = f"NOT relisshared AND oid >= {FIRST_OWN}"
    monkeypatch.setattr(reading, "_COUNTED", reading._COUNTED.replace("NOT relisshared", own))
    is_noticed(server, function)


def test_counters_that_a_superuser_has_stopped_prove_nothing(
    server: PostgresServer, sound: Runner
) -> None:
    """So superusers' databases are not recycled at all."""
    unseen = ("SET track_counts = off", "INSERT INTO empty (note) VALUES ('unseen')")
    is_noticed(server, *unseen, administrator=True)

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sound.run_sql(*unseen)
    with started(role="superuser") as other, runner_on(other) as superuser:
        superuser.run_sql(*unseen)
        assert superuser.figures()["recycled"] == 0


def test_rows_that_are_forgotten_and_contents_that_are_not_compared(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "_fill", lambda *_: Counter())
    with runner_on(server) as forgetful:
        forgetful.run_sql("DELETE FROM measured")
        assert forgetful.figures()["replaced"] == 1

    monkeypatch.setattr(proving, "_check_contents", lambda *_: None)
    is_noticed(server, "DELETE FROM measured")


def test_somebody_else_who_writes_while_the_kit_restores(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = restore._empty

    def disturbed(link: WatchingConnection, *rest: Any) -> Counter[int]:
        [[(name,)]] = link.ask("SELECT current_database()::text")
        query(server, "INSERT INTO log VALUES ('from elsewhere')", database=name)
        wait_until(lambda: reading.sessions(link) == 0, timeout=10, poll=0.001)
        return empty(link, *rest)

    monkeypatch.setattr(restore, "_empty", disturbed)
    insert = "INSERT INTO empty (note) VALUES ('x')"
    with runner_on(server) as watchful:
        watchful.run_sql(insert)
        assert watchful.figures()["replaced"] >= 1

    monkeypatch.setattr(proving, "_check_nobody_else", lambda *_: None)
    is_noticed(server, insert)


def test_sessions_that_are_not_looked_for(
    server: PostgresServer, sound: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound.run([(LEFT_OPEN, 0)])

    monkeypatch.setitem(reading.MARKS, reading.SESSION, "SELECT 1")
    with runner_on(server) as blind:
        with blind._database() as handle:
            blind.last = handle.name
            left = psycopg.connect(handle.url)
        blind.end_sessions()
        with pytest.raises(AssertionError, match="sessions of tests"):
            blind.compare([(LEFT_OPEN, 0)])
        left.close()


def test_a_client_that_comes_in_before_the_hand_out(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with runner_on(server) as made:
        for looks in (True, False):
            if not looks:
                monkeypatch.setattr(Recycler, "is_quiet", lambda *_: True)
            [stock] = made.asker.isolation._pool._of_template.values()
            early = psycopg.connect(
                **{**server.address.keywords(), "dbname": stock.ready[-1]}  # type: ignore[arg-type]
            )
            if looks:
                made.compare([("early", 0)])
            else:
                with pytest.raises(AssertionError, match="sessions of tests"):
                    made.compare([("early", 0)])
            early.close()


def test_an_account_that_stays_the_same_lets_a_client_come_back(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Accounts, "renewed", lambda _accounts, account: ("SELECT", account))
    with runner_on(server) as made:
        with made._database() as handle:
            pass
        made.end_sessions()
        psycopg.connect(handle.url).close()


def test_a_crash_is_seen_on_a_connection_that_is_new(server: PostgresServer) -> None:
    """The kit's own connection, which the crash ends, is the other sign of it."""
    with started() as own, runner_on(own) as made:
        case = next(iter(made.asker.isolation._recycler._watched.values()))
        with pytest.raises(psycopg.OperationalError):
            query(own, "COPY (SELECT 1) TO PROGRAM 'cat; kill -9 $PPID'")
        await_recovery(own, case.link)
        made.compare([("a crash", 0)])

        link = WatchingConnection(made.asker.isolation._cluster.admin, "postgres", own.user)
        reading.prepare(link)
        assert "a crash of the server" in reading.Reading.take(link).touched(case.before)
        link.close()


def await_recovery(server: PostgresServer, link: WatchingConnection) -> None:
    """Return once the crash has reached `link`, and the server lets in new sessions again."""

    def has_ended() -> bool:
        with contextlib.suppress(psycopg.Error):
            link.ask("SELECT 1")
            return False
        return True

    wait_until(has_ended, timeout=60, poll=0.01)
    wait_until(lambda: query(server, "SELECT 1"), timeout=60, poll=0.02)
