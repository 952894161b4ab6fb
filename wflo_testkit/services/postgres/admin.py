"""The kit's own connections to a server: few, kept open, apart from those of tests."""

from __future__ import annotations

import selectors
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import IsolationFailed, MissingExtra
from wflo_testkit.services.postgres.remedies import remedy
from wflo_testkit.services.postgres.server import PostgresServer

if TYPE_CHECKING:
    from psycopg import Connection

APPLICATION = "wflo-testkit"
Row = tuple[Any, ...]
FIRST_OWN = 16384
"""First object id that is not the server's own (PostgreSQL source, access/transam.h)."""


class Admin:
    """Idle connections by database. Safe to use from several threads.

    application: what its sessions are called; on an external server the run can be told by it.
    """

    def __init__(self, server: PostgresServer, application: str = APPLICATION) -> None:
        self.application = application
        self._server = server
        self._lock = threading.Lock()
        self._idle: dict[str, list[Connection[Row]]] = {}
        self._closed = False

    @contextmanager
    def connection(self, database: str = "") -> Iterator[Connection[Row]]:
        """Lend an autocommit connection to `database`, by default the server's own.

        Raises IsolationFailed when the server does not let the kit in.
        """
        name = database or self._server.database
        connection = self._take(name) or self._connect(name)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._put(name, connection)

    def rows(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = (), *, database: str = ""
    ) -> list[Row]:
        """Run one statement and return its rows; empty for one that returns none."""
        with self.connection(database) as connection:
            # Without parameters psycopg leaves every % in the text alone.
            cursor = connection.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def open(self, database: str) -> Connection[Row]:
        """Return an autocommit connection that the caller closes. Raises IsolationFailed."""
        return self._take(database) or self._connect(database)

    def close_database(self, database: str) -> None:
        """Close the connections to `database`, which is about to be copied or dropped."""
        with self._lock:
            idle = self._idle.pop(database, [])
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Drop every connection."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
        for connection in (one for several in idle.values() for one in several):
            connection.close()

    def _take(self, database: str) -> Connection[Row] | None:
        with self._lock:
            idle = self._idle.get(database, [])
            while idle:
                connection = idle.pop()
                if not connection.closed and not _was_ended(connection):
                    return connection
                connection.close()
        return None

    def _put(self, database: str, connection: Connection[Row]) -> None:
        with self._lock:
            if not self._closed and not connection.closed:
                self._idle.setdefault(database, []).append(connection)
                return
        connection.close()

    def _connect(self, database: str) -> Connection[Row]:
        try:
            import psycopg
        except ModuleNotFoundError as error:
            raise MissingExtra.of("a private database", "psycopg", "postgres", error) from None
        keywords: dict[str, Any] = {
            "connect_timeout": 10,
            **self._server.keywords,
            "application_name": self.application,
            "dbname": database,
        }
        try:
            # No server-side prepared statements: an external server may sit behind PgBouncer.
            return psycopg.connect(autocommit=True, prepare_threshold=None, **keywords)
        except psycopg.Error as error:
            raise IsolationFailed(
                f"the kit could not connect to {self._server.name}, database {database!r}",
                cause=str(error).strip(),
                looked_at=f"{self._server.host}:{self._server.port} as {self._server.user!r}",
                fix=remedy(error, self._server),
            ) from None


def _was_ended(connection: Connection[Row]) -> bool:
    """Whether the server has spoken unasked, as it does when it ends a session: in a crash, say."""
    with selectors.DefaultSelector() as answers:
        answers.register(connection.fileno(), selectors.EVENT_READ)
        return bool(answers.select(timeout=0))
