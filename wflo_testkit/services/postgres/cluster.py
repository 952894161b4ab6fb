"""The databases that a run makes on one server, each with its own role."""

from __future__ import annotations

import itertools
import threading
from functools import cached_property

from wflo_testkit.isolation import ToldOnce
from wflo_testkit.services.postgres import extensions, host_based_access
from wflo_testkit.services.postgres.accounts import Account, Accounts, quoted
from wflo_testkit.services.postgres.admin import APPLICATION, Admin
from wflo_testkit.services.postgres.databases import Databases
from wflo_testkit.services.postgres.kept_templates import KeptTemplates
from wflo_testkit.services.postgres.names import READY, Names
from wflo_testkit.services.postgres.ownership import hand_over
from wflo_testkit.services.postgres.server import PostgresServer

LARGEST = 40_000_000
"""Bytes of a template that is worth keeping for later runs: 300 tables have 19 MB."""


class Cluster:
    """Makes and drops databases as the administrator; remembers all that it made.

    Safe to use from several threads. admin: whose sessions are not to be taken for the run's.
    """

    def __init__(self, server: PostgresServer, run: str, admin: Admin | None = None) -> None:
        self.server = server
        self.names = Names(run)
        application = self.names.role if server.is_external else APPLICATION
        self.admin = admin or Admin(server, application)
        self.databases = Databases(self.admin, server)
        self.told = ToldOnce()
        self._lock = threading.Lock()
        self._extensions: list[str] = server.options.get("extensions") or []
        self._empty = "" if self._extensions else "template1"
        self._making_empty = threading.Lock()
        self._numbers = itertools.count(1)
        self._made: set[str] = set()
        self._kept: set[str] = set()
        closed = tuple(dict.fromkeys(("template1", server.database)))
        # What is inside the server is the run's that the server belongs to.
        ready = "" if server.is_shared or server.is_external else READY.role
        self.accounts = Accounts(self.admin, self.names.role, closed, ready)
        self.kept_templates = KeptTemplates(self.admin)

    @property
    def confines(self) -> bool:
        """Whether tests get roles that the kit has made and that can reach nothing else.

        Not on an external server, where the kit makes no roles, nor where tests may do everything.
        """
        return self.server.options.get("role") == "owner" and not self.server.is_external

    @property
    def lasts(self) -> bool:
        """Whether a template may stay on the server for later runs, and be that of earlier ones.

        Not up to 15, where a member of the role that owns it could become that role.
        """
        return self.confines and self.server.is_shared and self.databases.version >= 160000

    @cached_property
    def sockets(self) -> str:
        """The folder with the server's Unix socket, if tests get in there by password only.

        "" as well where the server's rules cannot be written, as where a setting has them from
        elsewhere. First asked for before any test has an account.
        """
        import psycopg

        if (
            not self.server.sockets
            or not self.confines
            or self.databases.version < host_based_access.SINCE
        ):
            return ""
        try:
            host_based_access.ask_for_passwords(self.admin)
        except psycopg.Error:
            return ""
        return self.server.sockets

    def account(self, database: str = "") -> Account:
        """Return the account of a test's `database`, by default that of templates and schemas."""
        if not self.confines:
            return Account(self.server.user, self.server.password)
        return self.accounts.find(database) or self.accounts.owner()

    def require(self, privilege: str, mode: str) -> None:
        """Check that the account may do what `mode` needs; see Databases.require.

        Raises ServiceUnavailable, saying what to grant.
        """
        self.databases.require(privilege, mode)
        if privilege != "create databases":
            extensions.require(self.admin, self.server, self._extensions)

    def empty(self) -> str:
        """Return the template of databases without a schema: it has the extensions asked for.

        Made at the first call, if there are any. Raises ServiceUnavailable, IsolationFailed.
        """
        with self._making_empty:
            if not self._empty:
                name = self.names.empty
                # Not the run's role: what that owns is given away (see ownership).
                self.copy(name, "template1", self.server.user)
                self._extend(name)
                self.seal(name)
                self._empty = name
        return self._empty

    def create(self, name: str) -> str:
        """Create a database for schemas, and return its name."""
        self._create(name, "template1")
        self._extend(name, extensions.SCHEMA)
        return name

    def _extend(self, name: str, schema: str = "") -> None:
        """Make the extensions in a new database, which is dropped if that fails."""
        try:
            if self._extensions:
                extensions.create(self.admin, self.server, name, self._extensions, schema)
        except BaseException:
            self.drop(name)
            raise

    def create_template(self, name: str) -> str:
        """Create an empty database for a schema, and return its name.

        What is inside belongs to a role of its own, which can stay with it.
        """
        if self.confines:
            self.kept_templates.belongs(name, name)
        self._create(name, self.empty())
        return name

    def _create(self, name: str, template: str) -> None:
        """Copy a database without a schema for a role of the copy's own."""
        if self.confines:
            self.accounts.make(name)
        self.copy(name, template, self.account(name).user)

    def find_kept(self, fingerprint: str) -> str:
        """Return the template of an earlier run, or of the server's image; "" if there is none."""
        return self.kept_templates.find(fingerprint) if self.lasts else ""

    def keep_template(self, template: str, fingerprint: str) -> str:
        """Leave a sealed template to later runs, too; return what it is called from now on."""
        if not self.lasts or not self.may_stay(template):
            return template
        name = self.kept_templates.keep(template, fingerprint)
        if name != template:
            self.accounts.forget(template)
            with self._lock:
                self._made.discard(template)
        return name

    def adopt(self) -> list[str]:
        """Give the templates that came with the server names of this run; return those.

        None where tests may do everything: what they apply a schema as is another role.
        """
        if not self.confines or self.server.is_shared:
            return []
        owner = self.account().user
        found = self.kept_templates.ready()
        names = {ready: self.names.stem + ready.removeprefix(READY.stem) for ready in found}
        with self._lock:
            self._made.update(names.values())
        for ready, name in names.items():
            self.databases.run(f"ALTER DATABASE {quoted(ready)} RENAME TO {quoted(name)}")
            self.kept_templates.belongs(name, owner)
        return list(names.values())

    def may_stay(self, template: str) -> bool:
        """Whether a sealed template is of use to later runs: small, and without settings of the
        database, or of who made it, which would stay behind."""
        return (
            not self.databases.has_settings(template) and self.databases.size(template) <= LARGEST
        )

    def new_name(self) -> str:
        """Return a name for a clone that no other one has."""
        return self.names.clone(next(self._numbers))

    def new_login(self, role: str) -> str:
        """Return a name for a login that stands for `role`; no other one has it."""
        return self.names.login(next(self._numbers), role)

    def clone(self, template: str, name: str) -> None:
        """Create a test's database, which a role of its own owns, with all that is inside."""
        if not self.confines:
            self.copy(name, template, self.account().user)
            return
        origin = self.kept_templates.owner(template)
        self.copy(name, template, self.accounts.make(name, origin).user)
        self.databases.run(f"REVOKE CONNECT ON DATABASE {quoted(name)} FROM PUBLIC")
        if origin:
            hand_over(self.admin, name, origin, name)
        if self.databases.version < 150000:
            # Later ones let the owner of the database have it (manual, The Public Schema), and are
            # watched from now on, by the same connection.
            self.admin.rows(f"ALTER SCHEMA public OWNER TO {quoted(name)}", database=name)
            self.admin.close_database(name)

    def copy(self, name: str, template: str, owner: str) -> None:
        """Create a database with all that `template` holds, as it stands there."""
        with self._lock:
            self._made.add(name)
        self.databases.copy(name, template, owner)
        if self.databases.has_settings(template):
            self.databases.copy_settings(name, template, self._applier(template))

    def reserve_name(self) -> str:
        """Return a new name for a database that there is; it will be dropped."""
        name = self.new_name()
        with self._lock:
            self._made.add(name)
        return name

    def exchanged(self, fresh: str, gone: str) -> None:
        """Note that what was called `fresh` has the name of the one that is now called `gone`."""
        self.accounts.handed_over(fresh, gone)
        with self._lock:
            self._made.discard(fresh)

    def seal(self, name: str) -> None:
        """Turn a database into a finished template; see Databases.seal."""
        self.databases.seal(name, self._applier(name))

    def drop(self, name: str) -> None:
        """Drop a database that this run made, with whoever is connected, and its role.

        Harmless if it is gone.
        """
        with self._lock:
            if name not in self._made:
                return
        self.databases.drop(name)
        self.accounts.drop(name)
        with self._lock:
            self._made.discard(name)

    def drop_role(self) -> None:
        """Drop the run's roles, once they own nothing any more."""
        self.accounts.drop_all(self.names.stem)

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

    def _applier(self, template: str) -> str:
        return self.kept_templates.owner(template) or self.account().user

    @property
    def search_path(self) -> str:
        """What follows a test's own schema in its search_path: a list of names, or ""."""
        return f",{extensions.SCHEMA}" if self._extensions and not self.server.is_external else ""
