"""Mode `rollback`: a database that tests use one after another, each inside a transaction.

The transaction is opened and rolled back in the test's process (see conveniences). Here the
database is given out, and taken back only when nothing in it has changed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import Build, Json
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.postgres.admin import Row
from wflo_testkit.services.postgres.mode_context import Mode, ModeContext
from wflo_testkit.services.postgres.proof import Proof
from wflo_testkit.services.postgres.recycling import reading
from wflo_testkit.services.postgres.recycling.proving import Watched
from wflo_testkit.services.postgres.recycling.reading import Reading
from wflo_testkit.services.postgres.recycling.restore import outgrown, restore, tidy


@dataclass(slots=True)
class Shared:
    """A database that one test after another gets, and the proof of its first state.

    visits: who had been there by the last check (reading.visits), "" if that is not known.
    """

    database: str
    template: str
    proof: Proof
    visits: str = ""


class RollbackMode(Mode):
    """Keeps its databases by name, and lists those that no test has by owner and template."""

    name = "rollback"
    gives_url = False

    def __init__(self, context: ModeContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._free: dict[tuple[str, str], list[Shared]] = {}
        self._shared: dict[str, Shared] = {}

    def lease(self, request: LeaseRequest) -> Mapping[str, Json] | Build:
        """Return the database that this owner's tests share, or the Build of its template."""
        self._context.cluster.require("create databases", self.name)
        template = self._context.template(request)
        if isinstance(template, Build):
            return template
        shared = self._take(request.owner, template) or self._make(template)
        return self._context.grant(self, shared.database, template=template)

    def release(self, lease: HeldLease, keep: bool) -> list[str]:  # noqa: ARG002
        """Check the database and put it back, or replace it; what is rolled back cannot be kept."""
        shared = self._shared[lease.data["database"]]
        left: list[str] = []
        found = "it"  # in case of an error
        try:
            if shared.visits and self._visits(shared.database) == shared.visits:
                found = ""
            else:
                left = self._context.recycler.end_sessions(shared.database)
                shared.visits = self._visits(shared.database)  # who comes later is found next time
                found = self._changed(shared)
        finally:
            if found:
                self._replace(shared)
            else:
                with self._lock:
                    self._free.setdefault((lease.owner, shared.template), []).append(shared)
        if found:
            left.append(_committed(found))
        return left

    def reset(self, lease: HeldLease, released: Sequence[int]) -> list[str]:
        """Check it as at the end; what was committed past the rollback goes with the database."""
        name = lease.data["database"]
        shared = self._shared[name]
        left = self._context.recycler.end_all(name, released)
        if found := self._changed(shared):
            left += self._context.replace(name, shared.template)
            shared.proof = Proof.of(partial(self._ask, name))
            left.append(_committed(found))
        shared.visits = ""
        return left

    def _take(self, owner: str, template: str) -> Shared | None:
        """Return a free database of this owner's; what a crash has touched is replaced."""
        while True:
            with self._lock:
                free = self._free.get((owner, template))
                if not free:
                    return None
                shared = free.pop()
            if self._context.recycler.is_there(shared.database):
                return shared
            self._replace(shared)

    def _replace(self, shared: Shared) -> None:
        del self._shared[shared.database]
        self._context.pool.give_back(shared.template, shared.database, used=False)

    def _make(self, template: str) -> Shared:
        database = self._context.pool.take(template)
        proof = Proof.of(partial(self._ask, database))
        self._shared[database] = shared = Shared(database, template, proof)
        return shared

    def _visits(self, database: str) -> str:
        """Return what one look is enough for: whether anybody has been there at all."""
        watched = self._context.recycler.find(database)
        return reading.visits(watched.link) if watched is not None else ""

    def _changed(self, shared: Shared) -> str:
        """Return what the test has changed for good; where counters tell, that takes one look."""
        if watched := self._context.recycler.find(shared.database):
            return _changed(watched, shared.proof)
        return shared.proof.changed(partial(self._ask, shared.database))

    def _ask(self, database: str, sql: str) -> list[Row]:
        if watched := self._context.recycler.find(database):
            return watched.link.ask(sql)[0]
        return self._context.cluster.admin.rows(sql, database=database)


def _committed(found: str) -> str:
    return f"{found} was changed for good, past the rollback: data was committed"


def _changed(watched: Watched, proof: Proof) -> str:
    """Return what is no longer as it was, as words for a message; "" if nothing.

    What is rolled back is counted like all the rest, so a count that has moved is a reason to look
    at the rows themselves. Sequences, which do not roll back, are set back.
    proof: the state at first; where more has moved than tables and sequences, all of it is asked.
    """
    now = Reading.take(watched.link)
    if touched := now.touched(watched.before):
        return ", ".join(touched)
    moved = now.moved(watched.before)
    if not moved:
        return ""
    tables = moved & watched.blueprint.tables.keys()
    sequences = moved & watched.blueprint.sequences.keys()
    parts = [f"table {watched.blueprint.tables[oid].name}" for oid in tables]
    everything = bool(moved - tables - sequences)
    if (parts or everything) and (
        found := proof.changed(lambda sql: watched.link.ask(sql)[0], () if everything else parts)
    ):
        return found
    restore(watched.link, watched.blueprint, sequences, watched.elsewhere, {})
    tidy(watched.link, watched.blueprint, outgrown(watched.link, watched.blueprint, tables))
    watched.before = Reading.take(watched.link)
    return ""
