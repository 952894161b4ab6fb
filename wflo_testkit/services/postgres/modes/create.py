"""Mode `create`: an empty database; the handle creates the schema before and drops it after.

For those who test exactly that; the other modes are faster.
"""

from __future__ import annotations

from wflo_testkit.model import Build
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.postgres.modes.database import DatabaseMode


class CreateMode(DatabaseMode):
    name = "create"
    brings_schema = False
    removes_schema = True
    instead = ""

    def _template(self, request: LeaseRequest) -> str | Build:  # noqa: ARG002 - always empty
        return self._context.templates.get("")
