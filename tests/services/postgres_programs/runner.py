"""Runs programs as tests and compares what the next test is given with the template."""

from __future__ import annotations

import contextlib
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg

from tests.services.postgres_programs.dump import differences, dump
from tests.services.postgres_programs.kinds import KILLED, KINDS, LEFT_OPEN
from tests.services.postgres_server import Asker, query, started
from wflo_testkit.errors import TestkitError
from wflo_testkit.services.postgres import PostgresServer
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.services.postgres.recycling import recycler
from wflo_testkit.wait import wait_until

# A program that has prepared a transaction may have to wait for itself.
PATIENT = "-clock_timeout=200 -cstatement_timeout=20000"

Step = tuple[str, int]
"""A kind, and which of its statements."""
Program = Sequence[Step]

TEMPLATE = Path(__file__).with_name("template.sql")
ARGUMENTS = {
    "wal_level": "logical",
    "max_wal_senders": "4",
    "max_replication_slots": "8",
    "max_prepared_transactions": "8",
}


@dataclass
class Runner:
    """Gives databases to programs, one after another, and knows the template's dump.

    seen: how many programs had each kind; programs: how many were run; last: the database of
    the last one; recycled: how often that very database was given out again, and compared.
    """

    asker: Asker
    template: dict[str, Any] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    programs: int = 0
    recycled: int = 0
    last: str = ""

    @property
    def server(self) -> PostgresServer:
        return self.asker.server

    def run(self, program: Program) -> None:
        """Run one program, then look at what the next test gets.

        Raises AssertionError, naming the difference and the program.
        """
        self.programs += 1
        self.seen.update({kind for kind, _ in program})
        with self._database() as handle:
            self.last = handle.name
            opened = execute(handle, program, self.server)
        self.end_sessions()
        for connection in opened:
            with contextlib.suppress(psycopg.Error):
                connection.close()
        self.compare(program)

    def run_sql(self, *statements: str, as_administrator: bool = False) -> None:
        """The same for one test that runs `statements`, all of which succeed."""
        with self._database() as handle:
            self.last = handle.name
            keywords: Any = handle.address().keywords()
            if as_administrator:
                keywords = {**self.server.address.keywords(), "dbname": handle.name}
            with psycopg.connect(**keywords, autocommit=True, options=PATIENT) as connection:
                for sql in statements:
                    named = sql.replace("{database}", handle.name).replace("{role}", handle.user)
                    connection.execute(named.encode())
        self.end_sessions()
        self.compare([(sql, 0) for sql in statements])

    def compare(self, program: Program) -> None:
        """Compare the next hand-out with the template."""
        self._put_last_on_top()
        with self._database() as handle:
            self.recycled += handle.name == self.last
            found = differences(self.template, dump(self.server, handle.name, handle.user))
        assert found == {}, f"the next test notices {found} after {list(program)}"
        self.end_sessions()

    def _put_last_on_top(self) -> None:
        """Let the database that was just used come next, if it was recycled: not a fresh clone."""
        pool = self.asker.isolation._pool
        with pool._changed:
            for stock in pool._of_template.values():
                stock.ready.sort(key=lambda name: name == self.last)

    def end_sessions(self) -> None:
        """Wait until what was given back has been recycled or replaced: it comes next."""
        pool = self.asker.isolation._pool
        wait_until(
            lambda: (
                not any(stock.coming for stock in pool._of_template.values())
                and all(drop.done() for drop in pool._drops)
            ),
            timeout=60,
            poll=0.002,
        )

    def figures(self) -> dict[str, int]:
        return self.asker.isolation.figures()

    @contextlib.contextmanager
    def _database(self) -> Iterator[Any]:
        """Lease; a server that has just crashed is waited for, as no run would get further."""

        def lease() -> Any:
            made = self.asker.database()
            return made, made.__enter__()

        made, handle = wait_until(lease, timeout=60, poll=0.02, catch=(TestkitError, psycopg.Error))
        try:
            yield handle
        finally:
            with contextlib.suppress(TestkitError):  # of the crash; the next hand-out is judged
                made.__exit__(None, None, None)


@contextlib.contextmanager
def runner(role: str = "owner", version: str = "postgres") -> Iterator[Runner]:
    """Start a server of its own for programs."""
    with (
        started(version=version, role=role, arguments=ARGUMENTS) as server,
        runner_on(server) as made,
    ):
        yield made


@contextlib.contextmanager
def runner_on(server: PostgresServer) -> Iterator[Runner]:
    """Take the template's dump from the first clone of it.

    One program in ten leaves a session open: what it is waited for would be half of all the time.
    """
    patience = mock.patch.object(recycler, "GRACE", 0.1)
    patience.start()
    isolation = PostgresIsolation(server, secrets.token_hex(4))
    made = Runner(Asker(isolation, server, TEMPLATE))
    try:
        with made.asker.database() as handle:
            made.template = dump(server, handle.name, handle.user)
        made.end_sessions()
        made.compare(())
        yield made
    finally:
        _end_prepared(server)
        isolation.close()
        patience.stop()


def _end_prepared(server: PostgresServer) -> None:
    """End the prepared transactions that a blind proof has left: others would wait for them."""
    for database, gid in query(
        server, "SELECT database, quote_literal(gid) FROM pg_prepared_xacts"
    ):
        query(server, f"ROLLBACK PREPARED {gid}", database=database)


def execute(handle: Any, program: Program, server: PostgresServer) -> list[Any]:
    """Run the steps in one session, as far as they are allowed; return what is left open."""
    keywords = handle.address().keywords()
    owner = handle.template if handle.user.startswith(handle.name) else handle.user
    keywords["options"] = PATIENT
    connection = psycopg.connect(**keywords, autocommit=True)
    for kind, which in program:
        if kind == KILLED:
            connection = _killed(connection, keywords, server)
        elif kind != LEFT_OPEN:
            statements = KINDS[kind]
            sql = statements[which % len(statements)]
            _try(connection, sql.replace("{database}", handle.name).replace("{owner}", owner))
    if any(kind == LEFT_OPEN for kind, _ in program):
        return [connection]
    connection.close()
    return []


def _try(connection: Any, sql: str) -> None:
    with contextlib.suppress(psycopg.Error):
        connection.execute(sql.encode())
    if not connection.closed and connection.info.transaction_status.name != "IDLE":
        with contextlib.suppress(psycopg.Error):
            connection.execute("ROLLBACK")


def _killed(connection: Any, keywords: dict[str, Any], server: PostgresServer) -> Any:
    """Kill the session's backend with kill -9: the server throws its statistics away."""
    if connection.closed:
        return connection
    pid = connection.info.backend_pid
    with contextlib.suppress(psycopg.Error):
        query(server, f"COPY (SELECT 1) TO PROGRAM 'kill -9 {pid}'")

    def dead() -> bool:
        connection.execute("SELECT 1")
        return False

    with contextlib.suppress(psycopg.OperationalError):
        wait_until(dead, timeout=30, poll=0.005, catch=())
    connection.close()
    wait_until(lambda: query(server, "SELECT 1"), timeout=60, poll=0.01)
    with contextlib.suppress(psycopg.Error):  # the crash may have lost the last password
        return psycopg.connect(**keywords, autocommit=True)
    return connection
