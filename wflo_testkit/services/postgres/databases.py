"""Databases of one server, as its administrator copies, seals and drops them."""

from __future__ import annotations

from functools import cached_property

from wflo_testkit.errors import IsolationFailed, ServiceUnavailable
from wflo_testkit.services.postgres import sessions
from wflo_testkit.services.postgres.accounts import quoted
from wflo_testkit.services.postgres.admin import Admin
from wflo_testkit.services.postgres.remedies import remedy
from wflo_testkit.services.postgres.server import PostgresServer

# A copy of a database leaves ALTER DATABASE ... SET behind (PostgreSQL manual, Template Databases),
# and tests log in as another role than the one that applied the schema. The rows are copied as they
# are: written as statements, lists such as search_path would need quoting of their own.
_HAS_SETTINGS = """SELECT 1 FROM pg_db_role_setting s
    WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = %s)
    OR s.setdatabase = 0 AND s.setrole = (SELECT oid FROM pg_roles WHERE rolname = %s)"""
_COPY_SETTINGS = """INSERT INTO pg_db_role_setting
    SELECT CASE s.setdatabase WHEN 0 THEN 0 ELSE new.oid END,
        CASE s.setrole WHEN applied.oid THEN new.datdba ELSE s.setrole END, s.setconfig
    FROM pg_db_role_setting s, pg_database old, pg_database new, pg_roles applied
    WHERE new.datname = %s AND old.datname = %s AND applied.rolname = %s
        AND (s.setdatabase = old.oid OR s.setdatabase = 0 AND s.setrole = applied.oid)"""
_PREPARED = "SELECT quote_literal(gid) FROM pg_prepared_xacts WHERE database = %s"
_TO_DROP = "SELECT datistemplate FROM pg_database WHERE datname = %s"
_MAY_CREATE = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
_MAY_CREATE_SCHEMAS = "SELECT has_database_privilege(current_database(), 'CREATE')"


class Databases:
    """Knows no run: what is whose is for the Cluster. Safe to use from several threads."""

    def __init__(self, admin: Admin, server: PostgresServer) -> None:
        self._admin = admin
        self._server = server
        self._with_settings: set[str] = set()

    @cached_property
    def version(self) -> int:
        """The server's version as a number: 170011 is 17.11."""
        with self._admin.connection() as connection:
            return connection.info.server_version

    @cached_property
    def may_create(self) -> bool:
        """Whether the account that the kit uses may create databases. Raises psycopg.Error."""
        return bool(self._admin.rows(_MAY_CREATE)[0][0])

    def require(self, privilege: str, mode: str) -> None:
        """Check that the account may "create databases", or "create schemas" in its database.

        Raises ServiceUnavailable, saying what to grant.
        """
        user, database = quoted(self._server.user), quoted(self._server.database)
        if privilege == "create databases":
            allowed, grant = self.may_create, f"ALTER ROLE {user} CREATEDB"
        else:
            allowed = bool(self._admin.rows(_MAY_CREATE_SCHEMAS)[0][0])
            grant = f"GRANT CREATE ON DATABASE {database} TO {user}"
            if not self.may_create:
                grant += f" (each test gets a schema), or ALTER ROLE {user} CREATEDB (a database)"
        if not allowed:
            raise ServiceUnavailable(
                f"Postgres isolation {mode!r} cannot be had on {self._server.name}",
                cause=f"the role {self._server.user!r} may not {privilege}",
                looked_at=f"{self._server.host}:{self._server.port}, {self._server.database!r}",
                fix=f"{grant}; or let the kit start its own server",
            )

    def size(self, name: str) -> int:
        """Return how many bytes a database takes."""
        return int(self._admin.rows("SELECT pg_database_size(%s)", (name,))[0][0])

    def has_settings(self, name: str) -> bool:
        """Whether a sealed template brings settings of the database, or of who made it."""
        return name in self._with_settings

    def copy(self, name: str, template: str, owner: str) -> None:
        """Create a database with all that `template` holds, as it stands there.

        FILE_COPY is twice as fast as WAL_LOG while fsync is off (measured: 8 against 18 ms for
        30 tables); the choice exists since 15, before that every copy was one.
        """
        is_own = not self._server.is_external
        copied = " STRATEGY FILE_COPY" if self.version >= 150000 and is_own else ""
        self.run(
            f"CREATE DATABASE {quoted(name)} TEMPLATE {quoted(template)}"
            f" OWNER {quoted(owner)}{copied}"
        )

    def copy_settings(self, name: str, template: str, applier: str) -> None:
        """Give a copy the settings that `has_settings` tells of."""
        self._admin.rows(_COPY_SETTINGS, (name, template, applier))

    def seal(self, name: str, applier: str) -> None:
        """Turn a database into a finished template: nobody may connect, no test may change it.

        applier: the role that has applied the schema.
        The flag is set last, so that a half-made template is recognised by its absence.
        """
        self._admin.close_database(name)
        sessions.end_sessions(self._admin, sessions.Where(sessions.IN_DATABASE, (name,)))
        if not self._server.is_external:
            if self._admin.rows(_HAS_SETTINGS, (name, applier)):
                self._with_settings.add(name)
            self.run(f"ALTER DATABASE {quoted(name)} OWNER TO {quoted(self._server.user)}")
        self.run(f"ALTER DATABASE {quoted(name)} IS_TEMPLATE true ALLOW_CONNECTIONS false")

    def rename(self, *names: tuple[str, str]) -> None:
        """Rename databases that nobody can enter, all or none; then anybody can.

        Raises IsolationFailed.
        """
        self.run(
            "; ".join(
                f"ALTER DATABASE {quoted(old)} RENAME TO {quoted(new)};"
                f" ALTER DATABASE {quoted(new)} ALLOW_CONNECTIONS true"
                for old, new in names
            )
        )

    def roll_back_prepared(self, name: str) -> list[str]:
        """Roll back what is prepared in a database; return its names, quoted.

        It would outlive every session, and hold up a drop.
        """
        prepared = [gid for (gid,) in self._admin.rows(_PREPARED, (name,))]
        for gid in prepared:
            self._admin.rows(f"ROLLBACK PREPARED {gid}", database=name)
        self._admin.close_database(name)
        return prepared

    def drop(self, name: str) -> None:
        """Drop a database of whichever run, templates included; harmless if it is gone."""
        self._admin.close_database(name)
        for (is_template,) in self._admin.rows(_TO_DROP, (name,)):
            self.roll_back_prepared(name)
            if is_template:
                self.run(f"ALTER DATABASE {quoted(name)} IS_TEMPLATE false")
            self.run(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")

    def run(self, sql: str) -> None:
        """Run a statement about databases. Raises IsolationFailed."""
        import psycopg

        try:
            self._admin.rows(sql)
        except psycopg.Error as error:
            raise IsolationFailed(
                f"Postgres {self._server.name}: {' '.join(sql.split()[:3])} failed",
                cause=str(error).strip(),
                looked_at=f"{self._server.host}:{self._server.port} as {self._server.user!r}",
                fix=remedy(error, self._server),
            ) from None
