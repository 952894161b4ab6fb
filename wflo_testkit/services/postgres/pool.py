"""Clones of templates: made a little ahead, dropped a little later.

Where a used database is to be given out again, `give_back` is the place to decide that.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from wflo_testkit.services.postgres.cluster import Cluster

AHEAD = 8
"""Clones made ahead of one template, at most; never more than are in use."""
BEHIND = 16
"""Databases that wait to be dropped, at most; each takes 8 MB of memory."""


class Pool:
    """Fresh databases by template. Safe to use from several threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._ready: dict[str, list[str]] = {}
        self._coming: Counter[str] = Counter()
        self._in_use: Counter[str] = Counter()
        self._drops: set[Future[None]] = set()
        self._worker = ThreadPoolExecutor(1, "wflo-postgres")
        self._closed = False

    def take(self, template: str) -> str:
        """Return the name of a database equal to `template` that nobody else has seen."""
        with self._lock:
            self._in_use[template] += 1
            ready = self._ready.setdefault(template, [])
            name = ready.pop() if ready else ""
        try:
            name = name or self._cluster.create(template=template)
        except BaseException:
            self._count_down(template)
            raise
        self._make_ahead(template)
        return name

    def give_back(self, template: str, name: str, *, keep: bool = False) -> None:
        """End the use of `name`: it is dropped in the background unless it is to be kept."""
        self._count_down(template)
        if keep:
            self._cluster.keep(name)
        else:
            self.later(lambda: self._cluster.drop(name))

    def later(self, work: Callable[[], None]) -> None:
        """Do `work` in the background, or at once when too much is waiting already."""
        with self._lock:
            if self._closed:
                return  # `Cluster.made` still lists what is to be dropped
            self._drops = {future for future in self._drops if not future.done()}
            if len(self._drops) < BEHIND:
                self._drops.add(self._worker.submit(work))
                return
        work()

    def close(self) -> None:
        """Finish the work under way and start no more."""
        with self._lock:
            self._closed = True
        self._worker.shutdown(cancel_futures=True)

    def _make_ahead(self, template: str) -> None:
        with self._lock:
            there = len(self._ready[template]) + self._coming[template]
            if not self._closed and there < min(AHEAD, self._in_use[template]):
                self._coming[template] += 1
                self._worker.submit(self._make_one, template)

    def _make_one(self, template: str) -> None:
        name = ""
        try:
            name = self._cluster.create(template=template)
        finally:
            with self._lock:
                self._coming[template] -= 1
                if name:
                    self._ready[template].append(name)

    def _count_down(self, template: str) -> None:
        with self._lock:
            self._in_use[template] -= 1
