"""Decides whether a used database may be given out again."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.recycling import reading
from wflo_testkit.services.postgres.recycling.blueprint import (
    Blueprint,
    Place,
    Table,
)
from wflo_testkit.services.postgres.recycling.blueprint import Sequence as TemplateSequence
from wflo_testkit.services.postgres.recycling.reading import DATABASE, ROLE, Reading
from wflo_testkit.services.postgres.recycling.restore import restore
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
ENDING = 5.0
"""Seconds for those that were told to end."""


class Changed(Exception):
    """The database is not, or could not be made, what its template is; the text says why."""


@dataclass(slots=True)
class Watched:
    """A database under watch: its first state, as far as tests can change it.

    elsewhere: see restore.
    """

    link: WatchingConnection
    blueprint: Blueprint
    before: Reading
    elsewhere: dict[int, Place] = field(default_factory=dict)


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
            if _is_left(watched.link, GRACE):
                return []
            where = Where(f"{IN_DATABASE} AND pid <> {watched.link.pid}", (database,))
            return end_sessions(self._cluster.admin, where, 0, self._cluster.told)
        return end_sessions(self._cluster.admin, where, told=self._cluster.told)

    def end_all(self, database: str, released: Collection[int] = ()) -> list[str]:
        """End every session in `database`, which goes on; see `sessions.end_all`."""
        if watched := self.find(database):
            if _is_left(watched.link, SOON):
                return []
            where = Where(f"{IN_DATABASE} AND pid <> {watched.link.pid}", (database,))
            left = end_all(self._cluster.admin, where, released)
            _is_left(watched.link, ENDING)
            return left
        kits = self._cluster.admin.application
        where = Where(f"{IN_DATABASE} AND application_name <> %s", (database, kits))
        return end_all(self._cluster.admin, where, released)

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
        that the template's own rows were changed: a new database is there sooner.
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
        _settle(watched, now, [name for name in now.touched(watched.before) if name != ROLE])

    def _blueprint(self, template: str, link: WatchingConnection) -> Blueprint:
        with self._lock:
            known = self._blueprints.setdefault(template, TemplateBlueprint())
        with known.lock:
            if known.blueprint is None:
                known.blueprint = Blueprint.of(link)
            return known.blueprint


def _is_left(link: WatchingConnection, seconds: float) -> bool:
    """Wait until the kit is alone in the database; say whether it is."""
    deadline = Deadline(seconds)
    while reading.sessions(link) > 0:
        if deadline.passed:
            return False
        pause(POLL)
    return True


def _looked_at(watched: Watched) -> None:
    now = Reading.take(watched.link)
    _settle(watched, now, now.touched(watched.before), reload=False)


def _settle(watched: Watched, now: Reading, touched: list[str], *, reload: bool = True) -> None:
    if touched:
        raise Changed(f"{touched[0]} was changed")
    watched.before = _restored(watched, now, reload)


def _restored(watched: Watched, now: Reading, reload: bool) -> Reading:
    """Put back what has moved, prove it, and return the reading of the restored database."""
    moved = now.moved(watched.before)
    known = watched.blueprint.find(moved)
    if beyond := moved - known.keys():
        raise Changed(_beyond(watched.link, beyond))
    if not moved:
        return now
    writes, large, found = restore(
        watched.link, watched.blueprint, moved, watched.elsewhere, reload=reload
    )
    if large:
        raise Changed("a table has outgrown its template")
    _check_contents(known, found)
    after = Reading.take(watched.link)
    _check_nobody_else(now, writes, after, moved & watched.blueprint.sequences.keys())
    return after


def _check_contents(
    known: Mapping[int, Table | TemplateSequence], found: Mapping[int, str]
) -> None:
    """Raise Changed unless every relation that was put back is what it is in the template."""
    for oid, each in known.items():
        if found[oid] != each.content:
            raise Changed(f"{each.name} could not be restored")


def _check_nobody_else(
    before: Reading, writes: Counter[int], after: Reading, sequences: set[int]
) -> None:
    """Raise Changed unless all that was written meanwhile was written by the kit."""
    if touched := after.touched(before):
        raise Changed(f"{touched[0]} was changed while the kit restored it")
    expected = Counter(before.counts)
    expected.update(writes)
    for oid in after.moved(Reading({}, dict(expected))) - sequences:
        raise Changed(f"relation {abs(oid)} was changed while the kit restored it")


def _beyond(link: WatchingConnection, relations: set[int]) -> str:
    each = ", ".join(f"{abs(oid)}::regclass::text" for oid in relations)
    [[(names,)]] = link.ask(f"SELECT concat_ws(', ', {each})")
    return f"{names} was changed"
