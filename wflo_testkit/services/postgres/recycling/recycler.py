"""Decides whether a used database may be given out again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.recycling import reading
from wflo_testkit.services.postgres.recycling.blueprint import Blueprint
from wflo_testkit.services.postgres.recycling.proving import Changed, Watched, settle
from wflo_testkit.services.postgres.recycling.reading import DATABASE, ROLE, Reading
from wflo_testkit.services.postgres.recycling.watching_connection import WatchingConnection
from wflo_testkit.services.postgres.sessions import (
    GRACE,
    IN_DATABASE,
    Where,
    end_all,
    end_sessions,
)
from wflo_testkit.wait import Deadline, pause

POLL = 0.0001
"""Seconds between two looks for sessions that are just ending."""


SOON = 0.002
"""Seconds for sessions whose clients have just hung up, before others are looked for at a reset."""
AT_ONCE = 64 * 1024
"""Bytes that are copied in at a reset; they take about as long as a new database that is ready."""
ENDING = 5.0
"""Seconds for those that were told to end."""


@dataclass(slots=True)
class TemplateBlueprint:
    """The blueprint of one template, drawn by the first who needs it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    blueprint: Blueprint | None = None


class Recycler:
    """Watches the databases of tests. Safe to use from several threads, one for each database."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._watched: dict[str, Watched] = {}
        self._blueprints: dict[str, TemplateBlueprint] = {}

    @property
    def works(self) -> bool:
        """Whether databases can be recycled on this server.

        Counters prove nothing where tests may falsify them: as superusers, and on servers where
        the kit does not know what their role may do. Up to 14 they went by UDP and could get lost.
        """
        return self._cluster.confines and self._cluster.databases.version >= 150000

    def watch(self, database: str, template: str) -> None:
        """Record a fresh clone before anybody has used it. Raises psycopg.Error."""
        link = WatchingConnection(
            self._cluster.admin, database, self._cluster.account(database).user
        )
        try:
            reading.prepare(link)
            watched = Watched(link, self._blueprint(template, link), Reading.take(link))
        except BaseException:
            link.close()
            raise
        with self._lock:
            self._watched[database] = watched

    def exchange(self, used: str, fresh: str, statements: Sequence[str]) -> None:
        """Watch, under the name `used`, what is called `fresh` until the `statements` are run.

        They rename it and its role, and nobody can be in there before. Raises psycopg.Error.
        """
        self.forget(used)
        watched = self.find(fresh)
        if watched is None:
            self._cluster.admin.rows("; ".join(statements))
            return
        [[(marks,)]] = watched.link.ask("BEGIN", *statements, "COMMIT", reading.READ[0])
        now = Reading.of(marks, []).marks
        watched.before.marks.update({name: now[name] for name in (DATABASE, ROLE)})
        with self._lock:
            self._watched[used] = self._watched.pop(fresh)

    def find(self, database: str) -> Watched | None:
        """Return what is known of `database`, if it is watched."""
        with self._lock:
            return self._watched.get(database)

    def forget(self, database: str) -> None:
        """Watch no longer: the database is about to be dropped, or to be kept."""
        if link := self.give_up(database):
            link.close()

    def give_up(self, database: str) -> WatchingConnection | None:
        """Watch no longer: what comes now is the kit's own doing, and the database is not to be
        given out again. Returns the link to it, now the caller's, if it was watched."""
        with self._lock:
            watched = self._watched.pop(database, None)
        return watched.link if watched is not None else None

    def close(self) -> None:
        """Watch nothing any more."""
        for name in list(self._watched):
            self.forget(name)

    def end_sessions(self, database: str) -> list[str]:
        """End every session in `database`; return a sentence for each that was left open.

        Most are just closing, and are looked for more often than `sessions.end_sessions` does:
        their backends end within a millisecond (measured: 0.8 ms).
        """
        kits = self._cluster.admin.application
        where = Where(f"{IN_DATABASE} AND application_name <> %s", (database, kits))
        if watched := self.find(database):
            if _is_alone(watched.link, GRACE):
                return []
            where = Where(f"{IN_DATABASE} AND pid <> {watched.link.pid}", (database,))
            return end_sessions(self._cluster.admin, where, 0, self._cluster.told)
        return end_sessions(self._cluster.admin, where, told=self._cluster.told)

    def end_all(self, database: str, released: Collection[int] = ()) -> list[str]:
        """End every session in `database`, which goes on; see `sessions.end_all`.

        Where a crash has ended the kit's own, it is watched no longer.
        """
        import psycopg

        try:
            if watched := self.find(database):
                return self._end_watched(watched.link, database, released)
        except psycopg.Error:
            self.forget(database)
        kits = self._cluster.admin.application
        where = Where(f"{IN_DATABASE} AND application_name <> %s", (database, kits))
        return end_all(self._cluster.admin, where, released)

    def _end_watched(
        self, link: WatchingConnection, database: str, released: Collection[int]
    ) -> list[str]:
        if _is_alone(link, SOON):
            return []
        where = Where(f"{IN_DATABASE} AND pid <> {link.pid}", (database,))
        left = end_all(self._cluster.admin, where, released)
        _is_alone(link, ENDING)
        return left

    def is_quiet(self, database: str) -> bool:
        """Whether `database` is still as it was when it was proven, one round trip before use.

        A crash may since have undone what the kit had restored (synchronous_commit is off); it
        ends the kit's session. And a client may have come in while the role was renamed.
        """
        import psycopg

        watched = self.find(database)
        try:
            return watched is None or reading.sessions(watched.link) == 0
        except psycopg.Error:
            return False

    def is_there(self, database: str) -> bool:
        """Whether no crash has thrown away what was proven, as far as can be told from here.

        For a database whose account stays: a client may come at any time, and is found later.
        """
        import psycopg

        watched = self.find(database)
        try:
            return watched is None or watched.link.is_silent
        except psycopg.Error:
            return False

    def renew(self, database: str) -> str:
        """Make `database` what its template is; return "" when that is proven, else the reason.

        All sessions in it must have ended.
        """
        return self._proven(database, partial(self._lock_out, database))

    def put_back(self, database: str) -> str:
        """Do the same for a database that goes on, with its account.

        No client is locked out: one that has come meanwhile is seen, and is a reason, too. So is
        that many of the template's own rows were changed: a new database is there sooner.
        """
        return self._proven(database, _looked_at)

    def _proven(self, database: str, prove: Callable[[Watched], None]) -> str:
        import psycopg

        watched = self.find(database)
        if watched is None:
            return "it was not watched"
        try:
            prove(watched)
            return ""
        except Changed as reason:
            return str(reason)
        except (psycopg.Error, IsolationFailed) as error:
            return str(error).splitlines()[0]

    def _lock_out(self, database: str, watched: Watched) -> None:
        """Rename the role, so that no client of the last test can come back; then look."""
        accounts = self._cluster.accounts
        statement, account = accounts.renewed(self._cluster.account(database))
        role, marks, counts = watched.link.ask(
            reading.role_mark(watched.link), "BEGIN", statement, "COMMIT", *reading.READ
        )
        accounts.replace(database, account)
        now = Reading.of(marks[0][0], counts)
        if role[0][0] != watched.before.marks[ROLE]:
            raise Changed(f"{ROLE} was changed")
        settle(watched, now, [name for name in now.touched(watched.before) if name != ROLE])

    def _blueprint(self, template: str, link: WatchingConnection) -> Blueprint:
        with self._lock:
            known = self._blueprints.setdefault(template, TemplateBlueprint())
        with known.lock:
            if known.blueprint is None:
                known.blueprint = Blueprint.of(link)
            return known.blueprint


def _is_alone(link: WatchingConnection, seconds: float) -> bool:
    """Wait until the kit is alone in the database; say whether it is."""
    deadline = Deadline(seconds)
    while reading.sessions(link) > 0:
        if deadline.passed:
            return False
        pause(POLL)
    return True


def _looked_at(watched: Watched) -> None:
    now = Reading.take(watched.link)
    settle(watched, now, now.touched(watched.before), most=AT_ONCE)
