"""Mode `database`: a database of the test's own, cloned from a template with the schema."""

from __future__ import annotations

from collections.abc import Mapping

from wflo_testkit.model import Build, Json
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.postgres.workshop import Workshop


class DatabaseMode:
    name = "database"

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def lease(self, request: LeaseRequest) -> Mapping[str, Json] | Build:
        """Return a database with the schema, or the Build of its template."""
        self._workshop.cluster.require("create databases", self.name)
        template = self._template(request)
        if isinstance(template, Build):
            return template
        database = self._workshop.pool.take(template)
        return self._workshop.grant(self.name, database, template=template)

    def release(self, data: Mapping[str, Json], keep: bool) -> list[str]:
        """End what is open in the database and let it be recycled; return the leftovers."""
        name, template = data["database"], data["template"]
        clean = False
        try:
            left = self._workshop.settle(data)
            # Whoever kept a session open may try to open the next: in a database that is gone.
            clean = not left
        finally:
            self._workshop.pool.give_back(template, name, keep=keep, used=clean)
        return left

    def _template(self, request: LeaseRequest) -> str | Build:
        return self._workshop.template(request)
