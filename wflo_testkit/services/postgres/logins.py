"""Logins that a test asks for besides its own account, for whom row level security is not.

Such a login is a member of the role of that name, if the server has one; else it has the rights
that an application needs (docs/row-level-security.md argues them). It goes with the test. What is
granted to it is written in the test's database, which so is no longer what its template is: it is
replaced, for it is not watched any longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import Json
from wflo_testkit.services.postgres import roles
from wflo_testkit.services.postgres.accounts import LOGIN, Account, quoted
from wflo_testkit.services.postgres.mode_context import ModeContext
from wflo_testkit.services.postgres.sessions import OF_ROLE, Where, end_sessions

if TYPE_CHECKING:
    from psycopg import Connection

LOCK_TIMEOUT = 2.0
"""Seconds to wait for a transaction of the test's own that has changed a table's definition."""

_SCHEMAS = """SELECT quote_ident(nspname) FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"""
# A member of a role has its rights and not its settings (PostgreSQL manual, ALTER ROLE).
_SETTINGS = """INSERT INTO pg_db_role_setting
    SELECT setdatabase, '{login}'::regrole, setconfig FROM pg_db_role_setting
    WHERE setrole = {role} AND setdatabase IN
        (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"""
_IMPATIENT = f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT:g}s'"
_MADE, _USERS = "logins", "users"  # of a lease's notes: made ones; all that were begun
_THERE = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"


class Logins:
    """Those of all leases. Safe to use from several threads, for one lease one after the other.

    Which ones a lease has is in its notes: role -> user and password.
    """

    def __init__(self, context: ModeContext) -> None:
        self._context = context
        self._cluster = context.cluster
        self._inside: dict[str, Connection[Any]] = {}

    def get(self, lease: HeldLease, role: str) -> dict[str, Json]:
        """Return account and parameters for connections as `role`: the same ones at each call.

        A call may make more tables accessible: those that have been made since the last.
        Raises IsolationFailed, and psycopg.Error.
        """
        connection = self._connection(lease)
        found = roles.find(connection, role, self._cluster.names, lease.data["schema"])
        if self._cluster.server.is_external:
            return _begun_as(lease, role, found)
        account = self._login(lease, connection, role, found)
        return _answer(account.user, account.password, lease.data["parameters"])

    def has_any(self, lease: HeldLease) -> bool:
        """Whether a lease's database was entered for them, and so is no longer watched."""
        return lease.id in self._inside

    def end(self, lease: HeldLease) -> list[str]:
        """Drop a lease's and end their sessions; return a sentence for each that was left open."""
        try:
            return self._end(lease) if lease.notes.get(_USERS) else []
        finally:
            lease.notes.pop(_MADE, None)
            lease.notes.pop(_USERS, None)
            if connection := self._inside.pop(lease.id, None):
                connection.close()

    def close(self) -> None:
        """Leave all as it is: the server goes, or all that this run has made there."""
        for connection in list(self._inside.values()):
            connection.close()

    def _connection(self, lease: HeldLease) -> Connection[Any]:
        """Return a connection of the kit's to the test's database: that which has watched it."""
        known = self._inside.get(lease.id)
        if known is None or known.closed:
            database = lease.data["database"]
            link = self._context.recycler.give_up(database)
            known = self._inside[lease.id] = (
                link.detach() if link else self._cluster.admin.open(database)
            )
        return known

    def _login(
        self, lease: HeldLease, connection: Connection[Any], role: str, found: roles.Role | None
    ) -> Account:
        """Return the login for `role`; it may use all that is there by now."""
        from psycopg import errors

        made, statements = lease.notes.setdefault(_MADE, {}), list[str]()
        if role in made:
            account = Account(*made[role])
        else:
            account = Account.of(self._cluster.new_login(role))
            # First: if anything comes between, it goes.
            lease.notes.setdefault(_USERS, []).append(account.user)
            statements = self._entry(lease, account, found)
        if found is None:
            statements += self._rights(lease, connection, quoted(account.user))
        try:
            _together(connection, *statements)
        except errors.LockNotAvailable as error:
            told = error.diag.message_primary
            raise IsolationFailed(
                f"the login for the role {role!r} could not be given its rights",
                cause="a transaction that has changed a table's definition or rights is open "
                f"({told})",
                looked_at="the test's own connections",
                fix=f"commit, or roll back, before postgres_database.as_role({role!r})",
            ) from None
        made[role] = [account.user, account.password]
        return account

    def _entry(self, lease: HeldLease, account: Account, found: roles.Role | None) -> list[str]:
        """Return what makes a login, and lets it into the test's database and no other."""
        user = quoted(account.user)
        made = [f"CREATE ROLE {user} {LOGIN} PASSWORD '{account.verifier}'"]
        if not lease.data["schema"]:  # all tests may enter the one that they share
            made.append(f"GRANT CONNECT ON DATABASE {quoted(lease.data['database'])} TO {user}")
        if found is not None:
            made.append(f"GRANT {quoted(found.name)} TO {user}")
            made.append(_SETTINGS.format(login=user, role=found.oid))
        return made

    def _rights(self, lease: HeldLease, connection: Connection[Any], user: str) -> list[str]:
        """Return what gives an application's rights in the test's part of the database."""
        own = [lease.data["schema"]] if lease.data["schema"] else []
        schemas = ", ".join(own or [name for (name,) in connection.execute(_SCHEMAS.encode())])
        if not schemas:
            return []
        return [
            f"GRANT USAGE ON SCHEMA {schemas} TO {user}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schemas} TO {user}",
            f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schemas} TO {user}",
        ]

    def _end(self, lease: HeldLease) -> list[str]:
        connection = self._connection(lease)
        users = [name for (name,) in connection.execute(_THERE, (lease.notes[_USERS],))]
        for user in users:
            _together(connection, f"ALTER ROLE {quoted(user)} NOLOGIN")  # then look who is in
        admin = self._cluster.admin
        told = self._context.cluster.told
        left = [
            each
            for user in users
            for each in end_sessions(admin, Where(OF_ROLE, (user,)), told=told)
        ]
        # Others', too: a transaction that has changed a table would hold up what follows.
        left += self._context.end_sessions(lease.data)
        heir = quoted(self._cluster.account(lease.data["database"]).user)
        for user in map(quoted, users):
            # What it has made stays: people may want to look at it.
            heirs = f"REASSIGN OWNED BY {user} TO {heir}"
            _together(connection, heirs, f"DROP OWNED BY {user}", f"DROP ROLE {user}")
        self._cluster.accounts.count_dropped()
        return left


def _begun_as(lease: HeldLease, role: str, found: roles.Role | None) -> dict[str, Json]:
    """Return the lease's own account, whose sessions begin with SET ROLE."""
    data = lease.data
    parameters = dict(data["parameters"])
    options = roles.becoming(found, role, data["user"], parameters.get("options", ""))
    return _answer(data["user"], data["password"], {**parameters, "options": options})


def _answer(user: str, password: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
    return {"user": user, "password": password, "parameters": dict(parameters)}


def _together(connection: Connection[Any], *statements: str) -> None:
    """Run all of them, or none; none waits for long. Raises psycopg.Error."""
    connection.execute("; ".join([_IMPATIENT, *statements]).encode())
