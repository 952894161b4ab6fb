"""Mode `database`: a database of the test's own, cloned from a template with the schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import Build, Json
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.postgres.mode_context import Mode, ModeContext


class DatabaseMode(Mode):
    name = "database"
    instead = "schema"

    def __init__(self, context: ModeContext) -> None:
        self._context = context

    def lease(self, request: LeaseRequest) -> Mapping[str, Json] | Build:
        """Return a database with the schema, or the Build of its template."""
        self._context.cluster.require("create databases", self.name)
        template = self._template(request)
        if isinstance(template, Build):
            return template
        database = self._context.pool.take(template)
        return self._context.grant(self, database, template=template)

    def release(self, lease: HeldLease, keep: bool) -> list[str]:
        """End what is open in the database and let it be recycled; return the leftovers."""
        name, template = lease.data["database"], lease.data["template"]
        clean = False
        try:
            left = self._context.end_sessions(lease.data)
            # Whoever kept a session open may try to open the next: in a database that is gone.
            clean = not left
        finally:
            self._context.pool.give_back(template, name, keep=keep, used=clean)
        return left

    def reset(self, lease: HeldLease, released: Sequence[int]) -> list[str]:
        """Put it back where that can be proven, else put a new clone in its place."""
        name, template = lease.data["database"], lease.data["template"]
        left = self._context.recycler.end_all(name, released)
        if self._context.recycler.put_back(name):
            left += self._context.replace(name, template)
        return left

    def _template(self, request: LeaseRequest) -> str | Build:
        return self._context.template(request)
