"""Mode `rollback`: a database that tests use one after another, each inside a transaction.

The transaction is opened and rolled back in the test's process (see conveniences). Here the
database is given out, and taken back only when nothing in it has changed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from wflo_testkit.model import Build, Json
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.postgres.proof import Proof
from wflo_testkit.services.postgres.sessions import IN_DATABASE, Where, settle
from wflo_testkit.services.postgres.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Shared:
    """A database that one test after another gets, and the proof of its first state."""

    database: str
    template: str
    proof: Proof


class RollbackMode:
    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._lock = threading.Lock()
        self._free: dict[tuple[str, str], list[Shared]] = {}
        self._used: dict[str, tuple[str, Shared]] = {}

    def lease(self, request: LeaseRequest) -> Mapping[str, Json] | Build:
        self._workshop.cluster.require("create databases", "rollback")
        template = self._workshop.templates.get(str(request.params.get("schema") or ""))
        if isinstance(template, Build):
            return template
        shared = self._take(request.owner, template) or self._make(template)
        with self._lock:
            self._used[shared.database] = (request.owner, shared)
        return self._workshop.grant("rollback", shared.database, template=template)

    def release(self, data: Mapping[str, Json], keep: bool) -> list[str]:  # noqa: ARG002
        """Check the database and put it back, or replace it; what is rolled back cannot be kept."""
        with self._lock:
            owner, shared = self._used.pop(data["database"])
        admin = self._workshop.cluster.admin
        left = settle_but_kit(self._workshop, shared.database)
        if changed := shared.proof.changed(admin):
            self._workshop.pool.give_back(shared.template, shared.database)
            return [*left, f"{changed} was changed for good, past the rollback: data was committed"]
        with self._lock:
            self._free.setdefault((owner, shared.template), []).append(shared)
        return left

    def _take(self, owner: str, template: str) -> Shared | None:
        with self._lock:
            free = self._free.get((owner, template))
            return free.pop() if free else None

    def _make(self, template: str) -> Shared:
        database = self._workshop.pool.take(template)
        return Shared(database, template, Proof.of(self._workshop.cluster.admin, database))


def settle_but_kit(workshop: Workshop, database: str) -> list[str]:
    """End the test's sessions in a database to which the kit itself is connected."""
    user, _password = workshop.cluster.account()
    sql = f"{IN_DATABASE} AND application_name <> 'wflo-testkit'"
    if user != workshop.cluster.server.user:
        sql = f"{IN_DATABASE} AND usename = '{user}'"
    return settle(workshop.cluster.admin, Where(sql, (database,)))
