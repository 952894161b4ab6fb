"""The kit's own connection into one database, opened before a test gets to see it.

Every test waits for two looks through it, so it talks to libpq itself (psycopg.pq), and psycopg
only reads the values: a look takes 0.19 ms, by a cursor 0.27, and half as much of the processor
(measured), which recycling shares with the test that runs meanwhile.
"""

from __future__ import annotations

import selectors
import threading
from typing import TYPE_CHECKING

from wflo_testkit.services.postgres.admin import Admin, Row

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.pq.abc import PGresult

TIMEOUT = 60.0
"""Seconds for one answer: twice what the server itself allows a statement, see _PINS."""

# A template may bring settings of its own (ALTER DATABASE ... SET), for which these make up.
# As a replica the kit fires no triggers and no rules, and checks no foreign keys; a superuser is
# above row security. Without a snapshot of the statistics each look sees what is there now, and
# takes a fifth of the time (measured, 30 tables: 0.42 against 2.1 ms).
_PINS = """SET search_path = pg_catalog; SET session_replication_role = replica;
    SET stats_fetch_consistency = none; SET track_counts = on;
    SET default_transaction_read_only = off; SET default_transaction_isolation = 'read committed';
    SET statement_timeout = '30s'; SET lock_timeout = '5s';
    SET idle_session_timeout = 0; SET idle_in_transaction_session_timeout = 0;
    SELECT oid::int8, (SELECT oid::int8 FROM pg_roles WHERE rolname = '{role}')
    FROM pg_database WHERE datname = current_database()"""


class WatchingConnection:
    """A superuser's connection to `database`, with settings that no test can change.

    oid, role: object ids of the database and of the role that a test uses there; pid: of the
    server's process at the other end; version: the server's, as a number: 170011 is 17.11.
    """

    def __init__(self, admin: Admin, database: str, role: str) -> None:
        from psycopg.adapt import Transformer

        self._connection = admin.open(database)
        self._server = self._connection.pgconn
        self._server.nonblocking = 0  # to send is to wait until all has been sent
        self._values = Transformer.from_context(self._connection)
        self._answers = selectors.DefaultSelector()
        self._answers.register(self._server.socket, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self.pid = self._server.backend_pid
        self.version = self._connection.info.server_version
        try:
            [[(self.oid, self.role)]] = self.ask(_PINS.format(role=role.replace("'", "''")))
        except BaseException:  # the server may be crashing
            self.close()
            raise

    def ask(self, *statements: str) -> list[list[Row]]:
        """Run statements in one round trip; return the rows of each one that has a result.

        Together they are one transaction, unless BEGIN and COMMIT stand among them.
        Raises psycopg.Error.
        """
        with self._lock:
            return [self._rows(each) for each in self._send(statements) if each.nfields]

    def results(self, *statements: str) -> list[tuple[int, list[Row]]]:
        """The same; return for each statement how many rows it concerned, and what it returned."""
        with self._lock:
            return [(each.command_tuples or 0, self._rows(each)) for each in self._send(statements)]

    def copy_out(self, table: str) -> bytes:
        """Return the rows of `table`, and of none that inherits from it, as text."""
        statement = f"COPY {table} TO STDOUT".encode()
        with self._lock, self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            return b"".join(bytes(block) for block in copy)

    def copy_in(self, table: str, rows: bytes) -> int:
        """Append what `copy_out` returned; return the number of rows."""
        with self._lock, self._connection.cursor() as cursor:
            with cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
                copy.write(rows)
            return cursor.rowcount

    @property
    def is_silent(self) -> bool:
        """Whether the server has said nothing unasked, as it does when it ends a session.

        Costs no round trip. Raises psycopg.Error if the connection is closed, or known to be lost.
        """
        with self._lock:
            self._connection.fileno()  # a lost one has none, and would be silent for ever
            return not self._answers.select(timeout=0)

    def detach(self) -> Connection[Row]:
        """Return the connection, which is the caller's from now on."""
        self._answers.close()
        return self._connection

    def close(self) -> None:
        """End the session."""
        self._answers.close()
        self._connection.close()

    def _send(self, statements: tuple[str, ...]) -> list[PGresult]:
        """Return a result for each statement; the server passes over those after one that fails."""
        from psycopg.errors import error_from_result
        from psycopg.pq import ExecStatus

        self._server.send_query("; ".join(statements).encode())
        results = []
        while result := self._next_result():
            results.append(result)
        if results[-1].status == ExecStatus.FATAL_ERROR:
            raise error_from_result(results[-1])
        return results

    def _next_result(self) -> PGresult | None:
        from psycopg import OperationalError

        while self._server.is_busy():
            if not self._answers.select(TIMEOUT):
                raise OperationalError(f"no answer for {TIMEOUT:g} s")
            self._server.consume_input()
        return self._server.get_result()

    def _rows(self, result: PGresult) -> list[Row]:
        self._values.set_pgresult(result)
        return self._values.load_rows(0, result.ntuples, tuple)
