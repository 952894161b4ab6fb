"""Leases on one Postgres server: who holds which part, in which mode."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import Dump, HeldLease
from wflo_testkit.model import Build, Content, Json, Server
from wflo_testkit.reset import VERB
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.dump import dump
from wflo_testkit.services.postgres.logins import Logins
from wflo_testkit.services.postgres.mode_context import Mode, ModeContext
from wflo_testkit.services.postgres.pool import Pool
from wflo_testkit.services.postgres.recycling.recycler import Recycler
from wflo_testkit.services.postgres.remedies import remedy
from wflo_testkit.services.postgres.server import PostgresServer
from wflo_testkit.services.postgres.server_state import ServerState
from wflo_testkit.services.postgres.spec import MODES
from wflo_testkit.services.postgres.sweep import abandoned, sweep
from wflo_testkit.services.postgres.templates import Templates
from wflo_testkit.services.postgres.warm_image import content
from wflo_testkit.wait import Deadline

T = TypeVar("T")
CLOSE_LIMIT = 15.0
"""Seconds that dropping what the run has made may take at its end."""


class PostgresIsolation:
    """The isolation of one server; lives in the broker's process, used by several threads."""

    def __init__(self, server: Server, run: str) -> None:
        assert isinstance(server, PostgresServer)
        self._cluster = Cluster(server, run)
        self._recycler = Recycler(self._cluster)
        self._pool = Pool(self._cluster, self._recycler)
        self._templates = Templates(self._cluster)
        self._context = ModeContext(self._cluster, self._templates, self._pool, self._recycler)
        self._logins = Logins(self._context)
        self._modes: dict[str, Mode] = {name: make(self._context) for name, make in MODES.items()}
        self._lock = threading.Lock()
        self._server_state: ServerState | None = None
        self._spoilt = ""

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
        mode = self._mode(request)
        return self._asked(lambda: self._lease(mode, request))

    def _lease(self, mode: Mode, request: LeaseRequest) -> Mapping[str, Json] | Build:
        if self._spoilt:
            self._undo(self._spoilt)
        answer = mode.lease(request)
        if (
            not isinstance(answer, Build)
            and self._cluster.server.options.get("role") == "superuser"
        ):
            with self._lock:
                if self._server_state is None:
                    stem = self._cluster.names.stem
                    self._server_state = ServerState(self._cluster.admin, stem)
        return answer

    def built(self, token: str, error: str | None) -> None:
        self._templates.built(token, error)
        if self._server_state is not None and error is None:
            self._asked(self._server_state.accept)

    def call(self, lease: HeldLease, verb: str, args: Mapping[str, Json]) -> Json:
        """Do something for a lease.

        `end_sessions`: end the sessions in its database; returns a sentence per session.
        `reset`, with `released`: see `Mode.reset`.
        `as_role`, with `role`: return account and parameters of a login besides the test's own.
        """
        if verb == "as_role":
            return self._asked(lambda: self._logins.get(lease, args["role"]))
        if verb == VERB:
            return self._asked(lambda: self._reset(lease, args["released"]))
        if verb == "end_sessions":
            return self._context.end_sessions(lease.data)
        raise IsolationFailed(f"a Postgres database knows no {verb!r}", fix="use `end_sessions`")

    def release(self, lease: HeldLease, *, keep: bool) -> list[str]:
        """Take a lease back: first what its test has asked for besides, then its database."""
        left: list[str] = []
        try:
            left = self._asked(lambda: self._logins.end(lease))
        finally:
            left += self._asked(lambda: self._release(lease, keep))
        return left

    def _release(self, lease: HeldLease, keep: bool) -> list[str]:
        """Where a test may change the whole server, that is undone while its database is there."""
        mode = self._modes[lease.data["mode"]]
        if self._server_state is None:
            return mode.release(lease, keep)
        self._spoilt = name = lease.data["database"]
        left = [] if lease.data["schema"] else self._recycler.end_sessions(name)
        return [*left, *self._undo(name), *mode.release(lease, keep)]

    def _reset(self, lease: HeldLease, released: Sequence[int]) -> list[str]:
        """Make a lease what it was; the logins that its test has asked for go, as at its end."""
        left: list[str] = []
        if self._logins.has_any(lease) or self._server_state is not None:
            name = lease.data["database"]
            if not lease.data["schema"]:
                left += self._context.recycler.end_all(name, released)
            left += [*self._logins.end(lease), *self._undo(name)]
        return left + self._modes[lease.data["mode"]].reset(lease, released)

    def _undo(self, database: str) -> list[str]:
        """Undo what the test in `database` has changed on the server; a sentence if it has.

        The server may be crashing just now: what fails is done before the next lease.
        """
        if self._server_state is None:
            return []
        told = self._server_state.undo(database)
        self._spoilt = ""
        return told

    def dump(self, lease: HeldLease) -> Dump | None:
        """Return how a lease's database is dumped; None where nothing is, as after a rollback."""
        return dump(self._cluster.server, lease.data)

    def drop_kept(self, lease: HeldLease) -> None:
        """Drop, in the background, what was kept of a lease: it takes memory of the server's."""
        if not lease.data["schema"]:
            self._pool.drop(lease.data["database"])

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

    def sweep(self, runs: Sequence[str]) -> Iterator[None]:
        """Drop what `runs` have left there. Raises IsolationFailed."""
        return sweep(self._cluster.server, runs)

    def abandoned(self) -> set[str]:
        """Return the dated runs that have something there and no session."""
        return abandoned(self._cluster.server)

    def figures(self) -> dict[str, int]:
        """Return how many used databases were recycled, and how many replaced."""
        return self._pool.figures()

    def close(self, kept: Sequence[HeldLease] = ()) -> None:  # noqa: ARG002 - the cluster knows
        """Close every connection; on a server that outlives the run drop what it has made first.

        A server of the run's own goes as a whole, or stays with what is kept on it. On a shared
        one what is kept stays until another run sweeps it. Raises IsolationFailed for what else
        is left there.
        """
        self._logins.close()
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
            work += [mode.close for mode in self._modes.values()]
        for drop in work:
            if not deadline.passed:
                with contextlib.suppress(Exception):
                    drop()

    def _mode(self, request: LeaseRequest) -> Mode:
        """Return the mode that this lease gets.

        A test that asks for an empty database wants to connect to it: it gets a whole one.
        Where no databases may be made, another mode may take the place of one that makes them.
        """
        default = next(iter(self._modes))
        if (name := request.mode or default) not in self._modes:
            raise IsolationFailed(
                f"there is no Postgres isolation {name!r}", fix=f"use one of {sorted(self._modes)}"
            )
        mode = self._modes[default if request.kind == "empty_database" else name]
        if mode.instead and not self._asked(lambda: self._cluster.databases.may_create):
            mode = self._modes[mode.instead]
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
                fix=remedy(error, server),
            ) from None
