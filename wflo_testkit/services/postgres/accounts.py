"""The roles of a run: one for each database, and one that marks the run.

A database's role owns it and all that is inside: a template's role applies the schema, a clone's
gets what came with the copy (see ownership).

A role may always change its own password and settings (PostgreSQL manual, ALTER ROLE), and its
owner may drop a database. Each database's own role keeps such changes from all other tests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.postgres.admin import Admin

if TYPE_CHECKING:
    from psycopg import Connection

_REVOKING = 0x77666C6F  # any number that nobody else locks
_AGAIN = "_again_"
RENAMED, DROPPED = 200, 20
"""Roles after which the catalogs of roles are vacuumed: the server's own vacuum is off.

One that was renamed leaves 123 bytes there (measured), as an index knows roles by name; one that
was dropped with its database two rows for each thing that had been handed over to it.
"""
_VACUUM = "VACUUM pg_authid, pg_auth_members, pg_shdepend"
LOGIN = "LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION"
"""What a role of the kit's may do on the whole server."""
FOR_TESTS = 4096
"""Iterations for an account that tests get: what Postgres takes by itself, and the fewest that
pg8000, pgjdbc up to 42.7.3, Go's lib/pq and bun accept (RFC 5802, section 5.1, asks for as many).
They cost each connect 1.4 ms, and 1.4 ms to make the verifier."""
FOR_THE_KIT = 1
"""Iterations for the kit's own account: a random password cannot be guessed."""


@dataclass(frozen=True, slots=True)
class Account:
    """A role that logs in with a password."""

    user: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, user: str) -> Account:
        """Return an account with a new random password."""
        return cls(user, secrets.token_urlsafe(18))

    @property
    def verifier(self) -> str:
        """What stands for the password in CREATE and ALTER ROLE; no log ever has it in clear."""
        return verifier(self.password, FOR_TESTS)


class Accounts:
    """Makes roles as the administrator. Safe to use from several threads.

    owner: the name of the run's role; what is inside a template of a warm image is its own.
    closed: databases that tests must not enter: a session in template1 would hold up every
        CREATE DATABASE.
    ready: a role that a warm image may have inside; the owner is that one, by another name.
    """

    def __init__(self, admin: Admin, owner: str, closed: tuple[str, ...], ready: str = "") -> None:
        self._admin = admin
        self._name = owner
        self._closed = closed
        self._ready = ready
        self._lock = threading.Lock()
        self._owner: Account | None = None
        self._of: dict[str, Account] = {}
        self._renamed, self._dropped = itertools.count(1), itertools.count(1)

    def owner(self) -> Account:
        """Return the run's account, which no test gets; the role is made at the first call."""
        with self._lock:
            if self._owner is None:
                self._owner = self._make_owner()
            return self._owner

    def find(self, database: str) -> Account | None:
        """Return the account of `database`, if it has one of its own."""
        with self._lock:
            return self._of.get(database)

    def make(self, database: str, origin: str = "") -> Account:
        """Make a role named like the database that is about to be made for it, until `renewed`.

        origin: a role that it has the rights of, too: policies of a template may name the one
            that has applied its schema.
        """
        self.owner()  # who sees to it that no test enters the databases that are closed
        account = Account.of(database)
        sql = f"CREATE ROLE {quoted(database)} {LOGIN} PASSWORD '{account.verifier}'"
        with self._admin.connection() as connection:
            if origin:
                # Without SET a member has the other's rights and cannot become it; that word, and
                # inheriting by grant, exist since 16.
                since_16 = connection.info.server_version >= 160000
                how = " WITH INHERIT TRUE, SET FALSE" if since_16 else ""
                sql += f"; GRANT {quoted(origin)} TO {quoted(database)}{how}"
            connection.execute(sql.encode())
        with self._lock:
            self._of[database] = account
        return account

    def forget(self, database: str) -> None:
        """Leave the role of `database` to others."""
        with self._lock:
            self._of.pop(database, None)

    def renewed(self, account: Account) -> tuple[str, Account]:
        """Return a statement that gives the role another name, and what the account is then.

        Whoever knows the old one cannot come back. A new password would do the same, and take a
        verifier of its own, 1.4 ms of the processor for each test; what the server keeps for the
        password does not depend on the name. Call `replace` once the statement has run.
        """
        stem = account.user.partition(_AGAIN)[0]
        fresh = replace(account, user=f"{stem}{_AGAIN}{secrets.token_hex(6)}")
        return f"ALTER ROLE {quoted(account.user)} RENAME TO {quoted(fresh.user)}", fresh

    def replace(self, database: str, account: Account) -> None:
        """Note that `account` is the one of `database` from now on."""
        with self._lock:
            self._of[database] = account
        if next(self._renamed) % RENAMED == 0:
            self._admin.rows(_VACUUM)

    def handing_over(self, used: str, fresh: str, gone: str) -> list[str]:
        """Return what gives the role of the database `fresh` the account of `used`.

        The other role is called `gone` then. Call `handed_over` once that is done.
        """
        with self._lock:
            account, other = self._of[used], self._of[fresh]
        login = quoted(account.user)
        away = "UPDATE pg_authid SET rolname = {} WHERE rolname = {}"
        return [
            # ALTER ROLE fails where a crash has undone that the role was called so.
            away.format(literal(gone), literal(account.user)),
            f"ALTER ROLE {quoted(other.user)} RENAME TO {login}",
            f"ALTER ROLE {login} PASSWORD '{account.verifier}'",
        ]

    def handed_over(self, fresh: str, gone: str) -> None:
        """Note it; no database is called `fresh` any more."""
        with self._lock:
            if (other := self._of.pop(fresh, None)) is not None:
                self._of[gone] = replace(other, user=gone)

    def drop(self, database: str) -> None:
        """Drop the role of a database that is gone.

        It stays, for `drop_all`, where what is kept for people mentions it, as a policy may.
        """
        from psycopg import errors

        with self._lock:
            account = self._of.pop(database, None)
        if account is not None:
            with suppress(errors.DependentObjectsStillExist):
                self._admin.rows(f"DROP ROLE IF EXISTS {quoted(account.user)}")
            self.count_dropped()

    def count_dropped(self) -> None:
        """Note that a role, and what was noted of it, is gone; vacuum the catalogs in time."""
        if next(self._dropped) % DROPPED == 0:
            self._admin.rows(_VACUUM)

    def drop_all(self, stem: str) -> None:
        """Drop the owner and every role whose name begins with `stem`: they own nothing more."""
        found = self._admin.rows(
            "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", (stem,)
        )
        for name in [name for (name,) in found] + [self._name]:
            self._admin.rows(f"DROP ROLE IF EXISTS {quoted(name)}")
        self._admin.rows(_VACUUM)

    def _make_owner(self) -> Account:
        account = Account.of(self._name)
        with self._admin.connection() as connection:
            how = "ALTER" if self._takes_over(connection) else "CREATE"
            connection.execute(
                f"{how} ROLE {quoted(account.user)} {LOGIN} PASSWORD '{account.verifier}'".encode()
            )
            # One run at a time: of two that change the same row of a catalog, one fails ("tuple
            # concurrently updated").
            with connection.transaction():
                connection.execute(f"SELECT pg_advisory_xact_lock({_REVOKING})".encode())
                for database in self._closed:
                    connection.execute(
                        f"REVOKE CONNECT ON DATABASE {quoted(database)} FROM PUBLIC".encode()
                    )
        return account

    def _takes_over(self, connection: Connection[Any]) -> bool:
        """Give the role that came with the server the name of this run's; say if there is one."""
        found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (self._ready,))
        if not found.rowcount:
            return False
        rename = f"ALTER ROLE {quoted(self._ready)} RENAME TO {quoted(self._name)}"
        connection.execute(rename.encode())
        return True


@lru_cache(maxsize=64)
def verifier(password: str, iterations: int) -> str:
    """Return the SCRAM verifier of a random password; Postgres takes it wherever it takes one.

    The form is that of pg_authid.rolpassword (PostgreSQL manual, pg_authid), the keys are those
    of RFC 5802, section 3. The salt is derived from the password, which nobody else has.
    """
    salt = hashlib.sha256(b"salt of " + password.encode()).digest()[:16]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def literal(text: str) -> str:
    """Return `text` as a constant of SQL."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Return `name` as an identifier."""
    return '"' + name.replace('"', '""') + '"'
