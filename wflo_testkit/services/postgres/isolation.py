"""Leases on one Postgres server: who holds which part, in which mode."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Build, Content, Json, Server
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.logins import Logins
from wflo_testkit.services.postgres.modes import all_modes
from wflo_testkit.services.postgres.modes.schema import SchemaMode
from wflo_testkit.services.postgres.pool import Pool
from wflo_testkit.services.postgres.recycling.recycler import Recycler
from wflo_testkit.services.postgres.server import PostgresServer
from wflo_testkit.services.postgres.surroundings import Surroundings
from wflo_testkit.services.postgres.templates import Templates
from wflo_testkit.services.postgres.warm_image import content
from wflo_testkit.services.postgres.workshop import Mode, Workshop
from wflo_testkit.wait import Deadline

T = TypeVar("T")
CLOSE_LIMIT = 15.0
"""Seconds that dropping what the run has made may take at its end."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lease. data: what it was granted; logins: what its test has asked for besides."""

    mode: Mode
    data: Mapping[str, Json]
    logins: Logins


class PostgresIsolation:
    """The isolation of one server; lives in the broker's process, used by several threads."""

    def __init__(self, server: Server, run: str) -> None:
        assert isinstance(server, PostgresServer)
        self._cluster = Cluster(server, run)
        self._recycler = Recycler(self._cluster)
        self._pool = Pool(self._cluster, self._recycler)
        self._templates = Templates(self._cluster)
        self._workshop = Workshop(self._cluster, self._templates, self._pool, self._recycler)
        self._modes = all_modes(self._workshop)
        self._lock = threading.Lock()
        self._surroundings: Surroundings | None = None
        self._spoilt = ""
        self._held: dict[str, Held] = {}
        self._gone: set[str] = set()

    def prepare(self) -> None:
        """Connect, ask what is allowed, make the role that owns the templates.

        Of a template that came with the server clones are begun: it is likely to be wanted.
        """
        if self._asked(lambda: self._cluster.databases.may_create):
            self._asked(self._cluster.account)
            self._asked(lambda: self._cluster.sockets)
            for template in self._asked(self._templates.inherit):
                self._pool.expect(template)

    def lease(self, request: LeaseRequest) -> Mapping[str, Json] | Build:
        """Return account, database and parameters for one test, or a Build of its template.

        Raises IsolationFailed, and ServiceUnavailable for what an external server denies.
        """
        mode = self._modes[self._mode(request)]
        answer = self._asked(lambda: self._lease(mode, request))
        if isinstance(answer, Build):
            return answer
        with self._lock:
            self._held[request.id] = Held(mode, answer, Logins(self._workshop, answer))
            died = request.id in self._gone
        if died:  # given back, by the end of its owner, while it was being made
            self.release(request.id, keep=False)
        return answer

    def _lease(self, mode: Mode, request: LeaseRequest) -> Mapping[str, Json] | Build:
        if self._spoilt:
            self._undo(self._spoilt)
        answer = mode.lease(request)
        if (
            not isinstance(answer, Build)
            and self._cluster.server.options.get("role") == "superuser"
        ):
            with self._lock:
                if self._surroundings is None:
                    stem = self._cluster.names.stem
                    self._surroundings = Surroundings(self._cluster.admin, stem)
        return answer

    def built(self, token: str, error: str | None) -> None:
        self._templates.built(token, error)
        if self._surroundings is not None and error is None:
            self._asked(self._surroundings.accept)

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:
        """Do something for a lease.

        `settle`: end the sessions in its database; returns a sentence per session.
        `as_role`, with `role`: return account and parameters of a login besides the test's own.
        """
        with self._lock:
            held = self._held[lease_id]
        if verb == "as_role":
            return self._asked(lambda: held.logins.get(args["role"]))
        if verb == "settle":
            return self._workshop.settle(held.data)
        raise IsolationFailed(f"a Postgres database knows no {verb!r}", fix="use `settle`")

    def release(self, lease_id: str, *, keep: bool) -> list[str]:
        """Take a lease back; one that is still being made goes as soon as it is there."""
        with self._lock:
            held = self._held.pop(lease_id, None)
            if held is None:
                self._gone.add(lease_id)
                return []
        left: list[str] = []
        try:
            left = self._asked(held.logins.end)
        finally:
            left += self._asked(lambda: self._release(held.mode, held.data, keep))
        return left

    def _release(self, mode: Mode, data: Mapping[str, Json], keep: bool) -> list[str]:
        """Where a test may change the whole server, that is undone while its database is there."""
        if self._surroundings is None:
            return mode.release(data, keep)
        self._spoilt = name = data["database"]
        left = [] if data["schema"] else self._recycler.settle(name)
        return [*left, *self._undo(name), *mode.release(data, keep)]

    def _undo(self, database: str) -> list[str]:
        """Undo what the test in `database` has changed on the server; a sentence if it has.

        The server may be crashing just now: what fails is done before the next lease.
        """
        if self._surroundings is None:
            return []
        told = self._surroundings.undo(database)
        self._spoilt = ""
        return told

    def content(self) -> Content | None:
        """Return the schema of most leases, unless it came with the server or lasts for one run.

        Not where tests may do everything: a schema may need what is outside its database. Nor on
        a server that is kept, whose next run starts from no image.
        """
        cluster, favourite = self._cluster, self._templates.favourite()
        if favourite is None or not cluster.confines or cluster.server.is_shared:
            return None
        fingerprint, template = favourite
        if template.inherited or not template.lasts or not cluster.may_stay(template.database):
            return None
        # Nobody may connect to the template itself; in a clone, `public` can be the test's.
        copy = cluster.new_name()
        cluster.copy(copy, template.database, cluster.account().user)
        return content(copy, fingerprint, server=cluster.server, stem=cluster.names.role)

    def figures(self) -> dict[str, int]:
        """Return how many used databases were recycled, and how many replaced."""
        return self._pool.figures()

    def close(self) -> None:
        """Close every connection; on a server that outlives the run drop what it has made first.

        A server of the run's own goes as a whole, or stays with what is kept on it. On a shared
        one what is kept stays until another run sweeps it. Raises IsolationFailed for what else
        is left there.
        """
        for held in list(self._held.values()):
            held.logins.close()
        self._pool.close()
        self._recycler.close()
        server = self._cluster.server
        try:
            if server.is_external or server.is_shared:
                self._drop_everything()
            if server.is_shared:
                self._end_role()
        finally:
            self._cluster.admin.close()

    def _end_role(self) -> None:
        if left := self._cluster.made():
            raise IsolationFailed(
                f"databases are left on Postgres {self._cluster.server.name}: {', '.join(left[:3])}"
            )
        if not self._cluster.keeps:
            self._cluster.drop_role()

    def _drop_everything(self) -> None:
        """Errors are passed over, so that one database that resists does not save the others."""
        deadline = Deadline(CLOSE_LIMIT)
        work: list[Callable[[], None]] = [
            partial(self._cluster.drop, name) for name in self._cluster.made()
        ]
        if self._cluster.server.is_external:  # else the database of the schemas has just gone
            work += [mode.close for mode in self._modes.values() if isinstance(mode, SchemaMode)]
        for drop in work:
            if not deadline.passed:
                with contextlib.suppress(Exception):
                    drop()

    def _mode(self, request: LeaseRequest) -> str:
        """Return the mode that this lease gets.

        A test that asks for an empty database wants to connect to it: it gets a whole one.
        Where no databases may be made, a schema takes the place of a database.
        """
        mode = request.mode or "database"
        if mode not in self._modes:
            raise IsolationFailed(
                f"there is no Postgres isolation {mode!r}", fix=f"use one of {sorted(self._modes)}"
            )
        if request.kind == "empty_database":
            mode = "database"
        if mode == "database" and not self._asked(lambda: self._cluster.databases.may_create):
            mode = "schema"
        return mode

    def _asked(self, work: Callable[[], T]) -> T:
        """Do `work`; an error of the driver becomes one of the kit's."""
        import psycopg

        try:
            return work()
        except psycopg.Error as error:
            server = self._cluster.server
            raise IsolationFailed(
                f"Postgres {server.name} refused what a test's private part needs",
                cause=f"{type(error).__name__}: {str(error).strip()}",
                looked_at=f"{server.host}:{server.port} as {server.user!r}",
                fix="see the server's log: it has the statement",
            ) from None
