"""Logins that a test asks for besides its own account, for whom row level security is not.

Such a login is a member of the role of that name, if the server has one; else it has the rights
that an application needs (docs/row-level-security.md argues them). It goes with the test. What is
granted to it is written in the test's database, which so is no longer what its template is: it is
replaced, for it is not watched any longer.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Json
from wflo_testkit.services.postgres import roles
from wflo_testkit.services.postgres.accounts import LOGIN, Account, quoted
from wflo_testkit.services.postgres.sessions import OF_ROLE, Where, settle
from wflo_testkit.services.postgres.workshop import Workshop

if TYPE_CHECKING:
    from psycopg import Connection

PATIENCE = 2.0
"""Seconds to wait for a transaction of the test's own that has changed a table's definition."""

_SCHEMAS = """SELECT quote_ident(nspname) FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"""
# A member of a role has its rights and not its settings (PostgreSQL manual, ALTER ROLE).
_SETTINGS = """INSERT INTO pg_db_role_setting
    SELECT setdatabase, '{login}'::regrole, setconfig FROM pg_db_role_setting
    WHERE setrole = {role} AND setdatabase IN
        (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"""
_IMPATIENT = f"SET LOCAL lock_timeout = '{PATIENCE:g}s'"
_THERE = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"


class Logins:
    """Those of one lease. Safe to use from several threads. data: what the lease was granted."""

    def __init__(self, workshop: Workshop, data: Mapping[str, Json]) -> None:
        self._workshop = workshop
        self._cluster = workshop.cluster
        self._database: str = data["database"]
        self._data = data
        self._lock = threading.Lock()
        self._made: dict[str, Account] = {}
        self._users: list[str] = []
        self._connection: Connection[Any] | None = None
        self._is_over = False

    def get(self, role: str) -> dict[str, Json]:
        """Return account and parameters for connections as `role`: the same ones at each call.

        A call may make more tables accessible: those that have been made since the last.
        Raises IsolationFailed, and psycopg.Error.
        """
        with self._lock:
            if self._is_over:
                raise IsolationFailed(f"the test that asks for the role {role!r} is over")
            connection = self._inside()
            found = roles.find(connection, role, self._cluster.names, self._data["schema"])
            if self._cluster.server.is_external:
                return self._begun_as(role, found)
            account = self._login(connection, role, found)
        return self._answer(account.user, account.password, self._data["parameters"])

    def end(self) -> list[str]:
        """Drop them all and end their sessions; return a sentence for each that was left open."""
        with self._lock:
            self._is_over = True
            try:
                return self._end() if self._users else []
            finally:
                self._close()

    def close(self) -> None:
        """Leave all as it is: the server goes, or all that this run has made there."""
        with self._lock:
            self._is_over = True
            self._close()

    def _inside(self) -> Connection[Any]:
        """Return a connection of the kit's to the test's database: that which has watched it."""
        if self._connection is None or self._connection.closed:
            link = self._workshop.recycler.give_up(self._database)
            self._connection = link.leave() if link else self._cluster.admin.open(self._database)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _begun_as(self, role: str, found: roles.Role | None) -> dict[str, Json]:
        """Return the lease's own account, whose sessions begin with SET ROLE."""
        user, parameters = self._data["user"], dict(self._data["parameters"])
        options = roles.becoming(found, role, user, parameters.get("options", ""))
        return self._answer(user, self._data["password"], {**parameters, "options": options})

    def _login(self, connection: Connection[Any], role: str, found: roles.Role | None) -> Account:
        """Return the login for `role`; it may use all that is there by now."""
        from psycopg import errors

        account, statements = self._made.get(role), list[str]()
        if account is None:
            account = Account.of(self._cluster.new_login(role))
            self._users.append(account.user)  # first: if anything comes between, it goes
            statements = self._entry(account, found)
        if found is None:
            statements += self._rights(connection, quoted(account.user))
        try:
            _together(connection, *statements)
        except errors.LockNotAvailable as error:
            raise _open_transaction(role, error.diag.message_primary) from None
        self._made[role] = account
        return account

    def _entry(self, account: Account, found: roles.Role | None) -> list[str]:
        """Return what makes a login, and lets it into the test's database and no other."""
        user = quoted(account.user)
        made = [f"CREATE ROLE {user} {LOGIN} PASSWORD '{account.verifier}'"]
        if not self._data["schema"]:  # all tests may enter the one that they share
            made.append(f"GRANT CONNECT ON DATABASE {quoted(self._database)} TO {user}")
        if found is not None:
            made.append(f"GRANT {quoted(found.name)} TO {user}")
            made.append(_SETTINGS.format(login=user, role=found.oid))
        return made

    def _rights(self, connection: Connection[Any], user: str) -> list[str]:
        """Return what gives an application's rights in the test's part of the database."""
        own = [self._data["schema"]] if self._data["schema"] else []
        schemas = ", ".join(own or [name for (name,) in connection.execute(_SCHEMAS.encode())])
        if not schemas:
            return []
        return [
            f"GRANT USAGE ON SCHEMA {schemas} TO {user}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schemas} TO {user}",
            f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schemas} TO {user}",
        ]

    def _end(self) -> list[str]:
        connection = self._inside()
        users = [name for (name,) in connection.execute(_THERE, (self._users,))]
        for user in users:
            _together(connection, f"ALTER ROLE {quoted(user)} NOLOGIN")  # then look who is in
        admin = self._cluster.admin
        left = [each for user in users for each in settle(admin, Where(OF_ROLE, (user,)))]
        # Others', too: a transaction that has changed a table would hold up what follows.
        left += self._workshop.settle(self._data)
        heir = quoted(self._cluster.account(self._database).user)
        for user in map(quoted, users):
            # What it has made stays: people may want to look at it.
            heirs = f"REASSIGN OWNED BY {user} TO {heir}"
            _together(connection, heirs, f"DROP OWNED BY {user}", f"DROP ROLE {user}")
        self._cluster.accounts.count_dropped()
        return left

    def _answer(self, user: str, password: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
        return {"user": user, "password": password, "parameters": dict(parameters)}


def _together(connection: Connection[Any], *statements: str) -> None:
    """Run all of them, or none; none waits for long. Raises psycopg.Error."""
    connection.execute("; ".join([_IMPATIENT, *statements]).encode())


def _open_transaction(role: str, cause: str | None) -> IsolationFailed:
    return IsolationFailed(
        f"the login for the role {role!r} could not be given its rights",
        cause=f"a transaction that has changed a table's definition or rights is open ({cause})",
        looked_at="the test's own connections",
        fix=f"commit, or roll back, before postgres_database.as_role({role!r})",
    )
