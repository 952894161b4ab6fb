"""The kit's own connection into one database, opened before a test gets to see it."""

from __future__ import annotations

import selectors
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wflo_testkit.services.postgres.admin import Admin, Row

if TYPE_CHECKING:
    from psycopg import Cursor

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


class Link:
    """A superuser's connection to `database`, with settings that no test can change.

    oid, role: object ids of the database and of the role that a test uses there; pid: of the
    server's process at the other end.
    """

    def __init__(self, admin: Admin, database: str, role: str) -> None:
        self._connection = admin.open(database)
        self._lock = threading.Lock()
        self.pid = self._connection.info.backend_pid
        try:
            [[(self.oid, self.role)]] = self.ask(_PINS.format(role=role.replace("'", "''")))
        except BaseException:  # the server may be crashing
            self._connection.close()
            raise

    def ask(self, *statements: str) -> list[list[Row]]:
        """Run statements in one round trip; return the rows of each one that has a result.

        Together they are one transaction, unless BEGIN and COMMIT stand among them.
        Raises psycopg.Error.
        """
        return [cursor.fetchall() for cursor in self._results(statements) if cursor.description]

    def results(self, *statements: str) -> list[tuple[int, list[Row]]]:
        """The same; return for each statement how many rows it concerned, and what it returned."""
        return [
            (cursor.rowcount, cursor.fetchall() if cursor.description else [])
            for cursor in self._results(statements)
        ]

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

        Costs no round trip. Raises psycopg.Error if the connection is closed.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection.fileno(), selectors.EVENT_READ)
            return not selector.select(timeout=0)

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def _results(self, statements: Iterable[str]) -> Iterable[Cursor[Row]]:
        with self._lock, self._connection.cursor() as cursor:
            cursor.execute("; ".join(statements).encode())
            yield cursor
            while cursor.nextset():
                yield cursor
