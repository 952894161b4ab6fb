"""The guestbook of an external server: a mark per run, with the entry as its comment.

The mark is an empty schema in the database of the URL or, for an account that may not make
schemas there, an empty database. Comments can be read by every account.
"""

from __future__ import annotations

import dataclasses

from wflo_testkit.errors import IsolationFailed, ServiceUnavailable
from wflo_testkit.guestbook import Guest
from wflo_testkit.model import Server
from wflo_testkit.services.postgres.accounts import quoted
from wflo_testkit.services.postgres.admin import Admin
from wflo_testkit.services.postgres.names import GUEST, guest_mark
from wflo_testkit.services.postgres.server import PostgresServer

_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"
_RIGHTS = """SELECT has_database_privilege(current_database(), 'CREATE'), rolcreatedb OR rolsuper
    FROM pg_roles WHERE rolname = current_user"""
_ENTRIES = """SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace
        WHERE starts_with(nspname, %(mark)s)
    UNION ALL SELECT shobj_description(oid, 'pg_database') FROM pg_database
        WHERE starts_with(datname, %(mark)s)"""
_DATABASE = "SELECT 1 FROM pg_database WHERE datname = %s"


class PostgresGuestbook:
    """A guestbook.Guestbook; runs find one another by the server and database of their URL."""

    def __init__(self, server: Server) -> None:
        assert isinstance(server, PostgresServer)
        self._server = server
        self._admin = Admin(server)

    def sign(self, guest: Guest) -> float:
        """Write or renew the entry; return the server's time. Raises IsolationFailed."""
        import psycopg

        try:
            return self._sign(guest)
        except psycopg.Error as error:
            raise IsolationFailed(
                f"Postgres {self._server.name} refused this run's entry in its guestbook",
                cause=str(error).strip(),
                looked_at=f"{self._place}, {guest_mark(guest.run)!r}",
                fix="see the server's log: it has the statement",
            ) from None

    def guests(self) -> list[Guest]:
        found = self._admin.rows(_ENTRIES, {"mark": GUEST})
        guests = (Guest.from_text(text) for (text,) in found)
        return [guest for guest in guests if guest is not None]

    def strike(self, run: str) -> None:
        mark = guest_mark(run)
        self._admin.rows(f"DROP SCHEMA IF EXISTS {mark}")
        if self._admin.rows(_DATABASE, (mark,)):
            self._admin.rows(f"DROP DATABASE IF EXISTS {mark}")

    def close(self) -> None:
        self._admin.close()

    def _sign(self, guest: Guest) -> float:
        kind = self._mark(guest_mark(guest.run))
        [(now,)] = self._admin.rows(_NOW)
        text = dataclasses.replace(guest, seen=now).to_text().replace("'", "''")
        self._admin.rows(f"COMMENT ON {kind} {guest_mark(guest.run)} IS '{text}'")
        return float(now)

    def _mark(self, name: str) -> str:
        """Make the mark unless it is there; return what kind of thing it is, in SQL."""
        [(may_schemas, may_databases)] = self._admin.rows(_RIGHTS)
        if may_schemas:
            self._admin.rows(f"CREATE SCHEMA IF NOT EXISTS {name}")
            return "SCHEMA"
        if not may_databases:
            raise self._denied()
        if not self._admin.rows(_DATABASE, (name,)):
            self._admin.rows(f"CREATE DATABASE {name}")
        return "DATABASE"

    def _denied(self) -> ServiceUnavailable:
        user, database = self._server.user, self._server.database
        return ServiceUnavailable(
            f"nothing can be isolated on {self._server.name}: its account may make nothing there",
            cause=f"the role {user!r} may create neither schemas in {database!r} nor databases",
            looked_at=self._place,
            fix=f"GRANT CREATE ON DATABASE {quoted(database)} TO {quoted(user)} (each test gets "
            f"a schema); and ALTER ROLE {quoted(user)} CREATEDB (each gets a database); or unset "
            "postgres_url, and the kit starts a server",
        )

    @property
    def _place(self) -> str:
        return f"{self._server.host}:{self._server.port}, {self._server.database!r}"
