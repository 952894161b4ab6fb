"""What every isolation mode works with on one server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from wflo_testkit.model import Build, Json
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.pool import Pool
from wflo_testkit.services.postgres.recycling.recycler import Recycler
from wflo_testkit.services.postgres.sessions import IN_SCHEMA, Where, settle
from wflo_testkit.services.postgres.templates import Templates


class Mode(Protocol):
    """One way to keep tests apart; called from several threads at once."""

    def lease(self, request: LeaseRequest) -> Mapping[str, Json] | Build:
        """Return what the handle needs (see `Workshop.grant`), or what must be built first."""

    def release(self, data: Mapping[str, Json], keep: bool) -> list[str]:
        """Take back what `lease` returned; a sentence per leftover."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """The tools that modes share."""

    cluster: Cluster
    templates: Templates
    pool: Pool
    recycler: Recycler

    def template(self, request: LeaseRequest) -> str | Build:
        """Return the template with the schema that a test asks for, or the Build of it."""
        schema = str(request.params.get("schema") or "")
        return self.templates.get(schema, lasts=bool(request.params.get("lasts")))

    def settle(self, data: Mapping[str, Json]) -> list[str]:
        """End the sessions in a lease's part; return a sentence for each that was left open.

        data: what `grant` returned.
        """
        if name := data["schema"]:
            return settle(self.cluster.admin, Where(IN_SCHEMA, (name, name), data["database"]))
        return self.recycler.settle(data["database"])

    def grant(
        self, mode: str, database: str, *, schema: str = "", template: str = ""
    ) -> dict[str, Json]:
        """Return a lease's data: account, database, parameters of the connection, and its mode.

        schema: the Postgres schema that is the test's own, if not the whole database is.
        template: what `database` was cloned from.
        """
        account = self.cluster.account(database)
        parameters = dict(self.cluster.server.options.get("parameters", {}))
        if schema:
            own = f"-csearch_path={schema}{self.cluster.search_path} -capplication_name={schema}"
            parameters["options"] = f"{parameters.get('options', '')} {own}".strip()
        return {
            "mode": mode,
            "database": database,
            "user": account.user,
            "password": account.password,
            "sockets": self.cluster.sockets,
            "parameters": parameters,
            "schema": schema,
            "template": template,
        }
