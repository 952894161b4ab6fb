"""The roles of a run: one that owns the templates, and one more for each database of a test.

A role may always change its own password and settings (PostgreSQL manual, ALTER ROLE), and its
owner may drop a database. Each database's own role keeps such changes from all other tests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wflo_testkit.services.postgres.admin import Admin

if TYPE_CHECKING:
    from psycopg import Connection

_REVOKING = 0x77666C6F  # any number that nobody else locks
_LOGIN = "LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION"


@dataclass(frozen=True, slots=True)
class Account:
    """A role that logs in with a password."""

    user: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, user: str) -> Account:
        """Return an account with a new random password."""
        return cls(user, secrets.token_urlsafe(18))


class Accounts:
    """Makes roles as the administrator. Safe to use from several threads.

    owner: the name of the role that owns the templates; its members have its rights on what is
        inside a clone.
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

    def owner(self) -> Account:
        """Return the account that owns the templates; the role is made at the first call."""
        with self._lock:
            if self._owner is None:
                self._owner = self._make_owner()
            return self._owner

    def find(self, database: str) -> Account | None:
        """Return the account of `database`, if it has one of its own."""
        with self._lock:
            return self._of.get(database)

    def make(self, database: str, owner: str = "") -> Account:
        """Make a role named like the database that is about to be made for it.

        owner: the role that owns what is inside, by default that of the templates.
        """
        every = self.owner().user
        with self._admin.connection() as connection:
            version = connection.info.server_version
        # Without SET a member has the owner's rights and cannot become it; that word, and
        # inheriting by grant, exist since 16.
        how = " WITH INHERIT TRUE, SET FALSE" if version >= 160000 else ""
        return self._create(database, f"GRANT {quoted(owner or every)} TO {quoted(database)}{how}")

    def make_alone(self, database: str) -> Account:
        """Make a role named like the template that it is about to fill, and nobody else."""
        self.owner()  # who sees to it that no test enters the databases that are closed
        return self._create(database)

    def _create(self, database: str, grant: str = "") -> Account:
        account = Account.of(database)
        with self._admin.connection() as connection:
            connection.execute(
                f"CREATE ROLE {quoted(account.user)} {_LOGIN} PASSWORD '{verifier(account)}';"
                f" {grant}".encode()
            )
        with self._lock:
            self._of[database] = account
        return account

    def forget(self, database: str) -> None:
        """Leave the role of `database` to others."""
        with self._lock:
            self._of.pop(database, None)

    def renewed(self, account: Account) -> tuple[str, Account]:
        """Return a statement that gives the role a new password, and what it is then.

        Whoever knows the old one cannot come back. Call `replace` once the statement has run.
        """
        fresh = Account.of(account.user)
        return f"ALTER ROLE {quoted(fresh.user)} PASSWORD '{verifier(fresh)}'", fresh

    def replace(self, database: str, account: Account) -> None:
        """Note that `account` is the one of `database` from now on."""
        with self._lock:
            self._of[database] = account

    def drop(self, database: str) -> None:
        """Drop the role of a database that is gone."""
        with self._lock:
            account = self._of.pop(database, None)
        if account is not None:
            self._admin.rows(f"DROP ROLE IF EXISTS {quoted(account.user)}")

    def drop_all(self, stem: str) -> None:
        """Drop the owner and every role whose name begins with `stem`: they own nothing more."""
        found = self._admin.rows(
            "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", (stem,)
        )
        for name in [name for (name,) in found] + [self._name]:
            self._admin.rows(f"DROP ROLE IF EXISTS {quoted(name)}")

    def _make_owner(self) -> Account:
        account = Account.of(self._name)
        with self._admin.connection() as connection:
            how = "ALTER" if self._takes_over(connection) else "CREATE"
            connection.execute(
                f"{how} ROLE {quoted(account.user)} {_LOGIN}"
                f" PASSWORD '{verifier(account)}'".encode()
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


def verifier(account: Account) -> str:
    """Return what the server stores for the password: SCRAM-SHA-256$1:salt$stored:server.

    The password is random, so one iteration is as good as the usual 4096, which cost each connect
    1.4 ms (form: PostgreSQL manual, pg_authid; keys: RFC 5802, section 3).
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", account.password.encode(), salt, 1)
    client = hmac.digest(salted, b"Client Key", "sha256")
    parts = (salt, hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256"))
    text, stored, server = (base64.b64encode(part).decode() for part in parts)
    return f"SCRAM-SHA-256$1:{text}${stored}:{server}"


def quoted(name: str) -> str:
    """Return `name` as an identifier."""
    return '"' + name.replace('"', '""') + '"'
