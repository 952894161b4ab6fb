"""The databases and the role that a run makes on one server."""

from __future__ import annotations

import itertools
import secrets
import threading
from functools import cached_property

from wflo_testkit.errors import IsolationFailed, ServiceUnavailable
from wflo_testkit.services.postgres import sessions
from wflo_testkit.services.postgres.admin import Admin
from wflo_testkit.services.postgres.names import Names
from wflo_testkit.services.postgres.server import PostgresServer

# A copy of a database leaves ALTER DATABASE ... SET behind (PostgreSQL manual, Template Databases).
# The row is copied as it is: written as a statement, lists such as search_path would need quoting
# of their own.
_HAS_SETTINGS = """SELECT 1 FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
    WHERE d.datname = %s"""
_COPY_SETTINGS = """INSERT INTO pg_db_role_setting SELECT new.oid, s.setrole, s.setconfig
    FROM pg_db_role_setting s JOIN pg_database old ON old.oid = s.setdatabase, pg_database new
    WHERE new.datname = %s AND old.datname = %s"""

_REVOKING = 0x77666C6F  # any number that nobody else locks


class Cluster:
    """Makes and drops databases as the administrator; remembers all that it made.

    Safe to use from several threads.
    """

    def __init__(self, server: PostgresServer, run: str) -> None:
        self.server = server
        self.admin = Admin(server)
        self.names = Names(run)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._made: set[str] = set()
        self._kept: set[str] = set()
        self._role: tuple[str, str] | None = None
        self._with_settings: set[str] = set()

    @cached_property
    def version(self) -> int:
        """The server's version as a number: 170011 is 17.11."""
        with self.admin.connection() as connection:
            return connection.info.server_version

    @cached_property
    def may_create_databases(self) -> bool:
        return self._ask(
            "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
        )

    def account(self) -> tuple[str, str]:
        """Return user and password of tests; the role is made at the first call.

        On an external server, and where tests may do everything, it is the administrator.
        """
        if self.server.options.get("role") != "owner":
            return self.server.user, self.server.password
        with self._lock:
            if self._role is None:
                self._role = self._make_role()
            return self._role

    def require(self, privilege: str, mode: str) -> None:
        """Check that the account may "create databases", or "create schemas" in its database.

        Raises ServiceUnavailable, saying what to grant.
        """
        user, database = _quoted(self.server.user), _quoted(self.server.database)
        if privilege == "create databases":
            allowed, grant = self.may_create_databases, f"ALTER ROLE {user} CREATEDB"
        else:
            allowed = self._ask("SELECT has_database_privilege(current_database(), 'CREATE')")
            grant = f"GRANT CREATE ON DATABASE {database} TO {user}"
        if not allowed:
            raise ServiceUnavailable(
                f"Postgres isolation {mode!r} cannot be had on {self.server.name}",
                cause=f"the role {self.server.user!r} may not {privilege}",
                looked_at=f"{self.server.host}:{self.server.port}, {self.server.database!r}",
                fix=f"{grant}; or let the kit start its own server",
            )

    def create(self, name: str = "", *, template: str = "template1") -> str:
        """Create a database that the tests' role owns, and return its name.

        FILE_COPY is twice as fast as WAL_LOG while fsync is off (measured: 8 against 18 ms for
        30 tables); the choice exists since 15, before that every copy was one.
        """
        name = name or self.names.clone(next(self._numbers))
        owner, _password = self.account()
        copied = " STRATEGY FILE_COPY" if self.version >= 150000 and self._is_own else ""
        with self._lock:
            self._made.add(name)
        self._run(
            f"CREATE DATABASE {_quoted(name)} TEMPLATE {_quoted(template)}"
            f" OWNER {_quoted(owner)}{copied}"
        )
        if template in self._with_settings:
            self.admin.rows(_COPY_SETTINGS, (name, template))
        return name

    def seal(self, name: str) -> None:
        """Turn a database into a finished template: nobody may connect, no test may change it.

        The flag is set last, so that a half-made template is recognised by its absence.
        """
        self.admin.leave(name)
        sessions.settle(self.admin, sessions.Where(sessions.IN_DATABASE, (name,)))
        quoted = _quoted(name)
        if self._is_own:
            if self.admin.rows(_HAS_SETTINGS, (name,)):
                self._with_settings.add(name)
            self._run(f"ALTER DATABASE {quoted} OWNER TO {_quoted(self.server.user)}")
        self._run(f"ALTER DATABASE {quoted} IS_TEMPLATE true ALLOW_CONNECTIONS false")

    def drop(self, name: str) -> None:
        """Drop a database that this run made, with whoever is connected; harmless if it is gone."""
        with self._lock:
            if name not in self._made:
                return
        self.drop_any(name)
        with self._lock:
            self._made.discard(name)

    def drop_any(self, name: str) -> None:
        """The same for a database of whichever run."""
        self.admin.leave(name)
        exists = self.admin.rows(
            "SELECT datistemplate FROM pg_database WHERE datname = %s", (name,)
        )
        if exists and exists[0][0]:
            self._run(f"ALTER DATABASE {_quoted(name)} IS_TEMPLATE false")
        if exists:
            self._run(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    def drop_role(self) -> None:
        """Drop the run's role, once it owns nothing any more."""
        self._run(f"DROP ROLE IF EXISTS {_quoted(self.names.role)}")

    def keep(self, name: str) -> None:
        """Leave a database to people; on a server of somebody else's it goes with the run."""
        with self._lock:
            self._kept.add(name)

    @property
    def keeps(self) -> bool:
        """Whether something is left for people, so that its owner has to stay, too."""
        return bool(self._kept)

    def made(self) -> list[str]:
        """Return the names of all databases that are to be dropped at the end of the run."""
        with self._lock:
            return sorted(self._made - (self._kept if self.server.is_shared else set()))

    @property
    def _is_own(self) -> bool:
        return not self.server.is_external

    def _make_role(self) -> tuple[str, str]:
        """Make the role that owns templates and clones, and keep it out of the kit's databases."""
        name, password = self.names.role, secrets.token_urlsafe(18)
        with self.admin.connection() as connection:
            if connection.info.server_version >= 160000:
                # The password is random: hashing it 4096 times costs each connect 1.4 ms.
                connection.execute("SET scram_iterations = 1")
            connection.execute(
                f"CREATE ROLE {_quoted(name)} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB"
                f" PASSWORD '{password}'".encode()
            )
            # A test connected to template1 would block every CREATE DATABASE. One run at a time:
            # of two that change the same row of a catalog, one fails ("concurrently updated").
            with connection.transaction():
                connection.execute(f"SELECT pg_advisory_xact_lock({_REVOKING})".encode())
                for database in dict.fromkeys(("template1", self.server.database)):
                    connection.execute(
                        f"REVOKE CONNECT ON DATABASE {_quoted(database)} FROM PUBLIC".encode()
                    )
        return name, password

    def _ask(self, sql: str) -> bool:
        return bool(self.admin.rows(sql)[0][0])

    def _run(self, sql: str) -> None:
        import psycopg

        try:
            self.admin.rows(sql)
        except psycopg.Error as error:
            raise IsolationFailed(
                f"Postgres {self.server.name}: {' '.join(sql.split()[:3])} failed",
                cause=str(error).strip(),
                looked_at=f"{self.server.host}:{self.server.port} as {self.server.user!r}",
                fix="see the server's log; a full disk or tmpfs is the usual reason",
            ) from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
