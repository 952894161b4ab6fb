"""Databases equal to a template: made or recycled a little ahead, dropped a little later."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.recycling.recycler import Recycler
from wflo_testkit.wait import Deadline, clock

AHEAD = 8
"""Databases that wait for a test, at most, for each template."""
IDLE = 16
"""Databases that wait for a test, at most, of all templates together."""
BEHIND = 8
"""Databases that wait to be dropped, at most; each takes 8 MB of memory."""
RECYCLERS = 8
"""Databases that are recycled at once, at most: each waits for the server more than it computes.

One is enough for one process; behind one, the tests of several queue (measured with 2, 4 and 8
workers on two cores, 300 tables: 8, 33 and 68 ms a test; behind eight 6, 11 and 19 ms).
"""
TAKE_TIMEOUT = 30.0
"""Seconds to wait for a database that is being made for somebody, before making one oneself."""


@dataclass(slots=True)
class Shelved:
    """The databases of one template.

    coming: how many are being made or recycled; waiting: how many tests wait for one;
    given: how often one was asked for, last: and when.
    """

    ready: list[str] = field(default_factory=list)
    coming: int = 0
    waiting: int = 0
    in_use: int = 0
    given: int = 0
    last: float = 0.0

    @property
    def wanted(self) -> int:
        """How many should be ready or coming: as many again as are in use, and two more, so that
        a test that follows at once finds one while the last two are being recycled."""
        return min(AHEAD, self.in_use + 2, self.given) + self.waiting


class Pool:
    """Databases for tests by template. Safe to use from several threads."""

    def __init__(self, cluster: Cluster, recycler: Recycler) -> None:
        self._cluster = cluster
        self._recycler = recycler
        self._changed = threading.Condition()
        self._of_template: dict[str, Shelved] = {}
        self._drops: set[Future[None]] = set()
        self._doomed: list[str] = []
        # Recycling takes a few milliseconds and is not to wait for a copy, which takes more.
        self._recycling = ThreadPoolExecutor(RECYCLERS, "wflo-postgres-recycle")
        self._making = ThreadPoolExecutor(1, "wflo-postgres-make")
        self._dropping = ThreadPoolExecutor(1, "wflo-postgres-drop")
        self._closed = False
        self._recycled = 0
        self.reasons: Counter[str] = Counter()

    def figures(self) -> dict[str, int]:
        """Return how many used databases were recycled, and how many replaced."""
        with self._changed:
            return {"recycled": self._recycled, "replaced": self.reasons.total()}

    def expect(self, template: str) -> None:
        """Begin with the databases that the first two tests will ask for."""
        with self._changed:
            clones = self._of_template.setdefault(template, Shelved(given=2))
            self._fill(template, clones)

    def take(self, template: str) -> str:
        """Return the name of a database that is equal to `template` and nobody's."""
        with self._changed:
            clones = self._of_template.setdefault(template, Shelved())
            clones.in_use += 1
            clones.given += 1
            clones.last = clock.monotonic()
        try:
            while name := self._next(template, clones):
                if self._recycler.is_quiet(name):
                    return name
                self._replace(name, "a crash, or a client that came back")
            return self._make(template)
        except BaseException:
            self._count_down(template)
            raise

    def give_back(self, template: str, name: str, *, keep: bool = False, used: bool = True) -> None:
        """End the use of `name`: in the background it is recycled, or dropped and replaced.

        keep: leave it as it is. used: False says that it is not to be given out again.
        """
        self._count_down(template)
        if keep:
            self._recycler.forget(name)
            self._cluster.keep(name)
        elif used and self._recycler.find(name) is not None:
            with self._changed:
                self._of_template[template].coming += 1
                self._begin(self._recycling, template, lambda: self._renewed(name))
        else:
            self._replace(name, "it was not to be recycled")

    def drop(self, name: str) -> None:
        """Drop a database that was kept, in the background."""
        self._discard(name)

    def later(self, work: Callable[[], None]) -> None:
        """Do `work` in the background, or at once when too much is waiting already."""
        with self._changed:
            if self._closed:
                return  # `Cluster.made` still lists what is to be dropped
            self._drops = {future for future in self._drops if not future.done()}
            if len(self._drops) < BEHIND:
                self._drops.add(self._dropping.submit(work))
                return
        work()

    def close(self) -> None:
        """Finish the work under way and start no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in (self._recycling, self._making, self._dropping):
            worker.shutdown(cancel_futures=True)

    def _next(self, template: str, clones: Shelved) -> str:
        """Return a ready database, or one that is coming and not for somebody else; "" if none."""
        deadline = Deadline(TAKE_TIMEOUT)
        with self._changed:
            clones.waiting += 1
            try:
                while not clones.ready and clones.coming >= clones.waiting and not self._closed:
                    if not self._changed.wait(deadline.left):
                        break
                name = clones.ready.pop() if clones.ready else ""
            finally:
                clones.waiting -= 1
            self._fill(template, clones)
        return name

    def _fill(self, template: str, clones: Shelved) -> None:
        """Make databases in the background until there are as many as wanted."""
        while not self._closed and len(clones.ready) + clones.coming < clones.wanted:
            clones.coming += 1
            self._begin(self._making, template, lambda: self._make(template))

    def _make(self, template: str) -> str:
        name = self._cluster.new_name()
        try:
            self._cluster.clone(template, name)
            if self._recycler.works:
                self._recycler.watch(name, template)
        except BaseException:  # it may be there all the same
            self._discard(name)
            raise
        return name

    def _renewed(self, name: str) -> str:
        if reason := self._recycler.renew(name):
            self._replace(name, reason)
            return ""
        with self._changed:
            self._recycled += 1
        return name

    def _arrive(self, template: str, make: Callable[[], str]) -> None:
        """Put what `make` returns on the shelf, or make another one if that is nothing.

        If it fails, whoever waits makes one and meets the error.
        """
        name = ""
        clones = self._of_template[template]
        try:
            name = make()
        finally:
            with self._changed:
                clones.coming -= 1
                if name:
                    clones.ready.append(name)
                surplus = self._surplus()
                self._changed.notify_all()
        for each in surplus:
            self._discard(each)
        if not surplus:  # what is made while the shelf is full is discarded in its turn, and so on
            with self._changed:
                self._fill(template, clones)

    def _surplus(self) -> list[str]:
        """Take from the shelf what is too much, of the template that was not used for longest."""
        surplus = []
        while sum(len(clones.ready) for clones in self._of_template.values()) > IDLE:
            oldest = min((s for s in self._of_template.values() if s.ready), key=lambda s: s.last)
            surplus.append(oldest.ready.pop())
        return surplus

    def _replace(self, name: str, reason: str) -> None:
        with self._changed:
            self.reasons[reason] += 1
        self._discard(name)

    def _discard(self, name: str) -> None:
        """Drop a database in the background, and with it those that could not be dropped before."""
        with self._changed:
            self._doomed.append(name)
        self.later(self._drop_doomed)

    def _drop_doomed(self) -> None:
        with self._changed:
            names, self._doomed = self._doomed, []
        for name in names:
            try:
                self._recycler.forget(name)
                self._cluster.drop(name)
            except Exception:  # noqa: BLE001 - of a crash, say: it goes with the next one
                with self._changed:
                    self._doomed.append(name)

    def _begin(self, worker: ThreadPoolExecutor, template: str, make: Callable[[], str]) -> None:
        if not self._closed:
            worker.submit(self._arrive, template, make)

    def _count_down(self, template: str) -> None:
        with self._changed:
            self._of_template[template].in_use -= 1
