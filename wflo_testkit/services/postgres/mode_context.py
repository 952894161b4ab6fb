"""What every isolation mode works with on one server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import Build, Json
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.postgres.cluster import Cluster
from wflo_testkit.services.postgres.pool import Pool
from wflo_testkit.services.postgres.recycling.recycler import Recycler
from wflo_testkit.services.postgres.replacing import exchange
from wflo_testkit.services.postgres.sessions import IN_SCHEMA, Where, end_sessions, prepared
from wflo_testkit.services.postgres.templates import Templates


class Mode(Protocol):
    """One way to keep tests apart; called from several threads at once.

    name: in `postgres_isolation`. gives_url: whether tests may connect by themselves.
    brings_schema: whether the database holds the schema when it is given out; if not, the test's
        process applies it. removes_schema: whether that removes it again at the test's end.
    instead: the mode that takes its place where the kit may make no databases, "" for none.
    """

    name: str
    gives_url: bool = True
    brings_schema: bool = True
    removes_schema: bool = False
    instead: str = ""

    def lease(self, request: LeaseRequest) -> Mapping[str, Json] | Build:
        """Return what the handle needs (see `ModeContext.grant`), or what must be built first."""

    def release(self, lease: HeldLease, keep: bool) -> list[str]:
        """Take back what `lease` returned; a sentence per leftover."""

    def reset(self, lease: HeldLease, released: Sequence[int]) -> list[str]:
        """Make it what `lease` returned, under the same names; a sentence per leftover.

        released: ids of sessions that the test's process has let go of.
        """

    def close(self) -> None:
        """Drop what it has left on an external server besides databases: by default nothing."""


@dataclass(frozen=True, slots=True)
class ModeContext:
    """The tools that modes share."""

    cluster: Cluster
    templates: Templates
    pool: Pool
    recycler: Recycler

    def template(self, request: LeaseRequest) -> str | Build:
        """Return the template with the schema that a test asks for, or the Build of it."""
        schema = str(request.params.get("schema") or "")
        return self.templates.get(schema, lasts=bool(request.params.get("lasts")))

    def end_sessions(self, data: Mapping[str, Json]) -> list[str]:
        """End the sessions in a lease's part; return a sentence for each that was left open.

        data: what `grant` returned.
        """
        if name := data["schema"]:
            where = Where(IN_SCHEMA, (name, name), data["database"])
            return end_sessions(self.cluster.admin, where, told=self.cluster.told)
        return self.recycler.end_sessions(data["database"])

    def replace(self, name: str, template: str) -> list[str]:
        """Put a new clone of `template` in the place of the database `name`: see `exchange`.

        Returns a sentence for each transaction that was prepared in the old one.
        """
        told = [prepared(gid) for gid in self.cluster.databases.roll_back_prepared(name)]
        fresh = self.pool.take(template)
        gone = fresh
        try:
            gone = exchange(self.cluster, self.recycler, name, fresh)
        finally:
            self.pool.give_back(template, gone, used=False)
        return told

    def grant(
        self, mode: Mode, database: str, *, schema: str = "", template: str = ""
    ) -> dict[str, Json]:
        """Return a lease's data: account, database, parameters of the connection, its mode's ways.

        schema: the Postgres schema that is the test's own, if not the whole database is.
        template: what `database` was cloned from.
        """
        account = self.cluster.account(database)
        parameters = dict(self.cluster.server.options.get("parameters", {}))
        if schema:
            own = f"-csearch_path={schema}{self.cluster.search_path} -capplication_name={schema}"
            parameters["options"] = f"{parameters.get('options', '')} {own}".strip()
        return {
            "mode": mode.name,
            "gives_url": mode.gives_url,
            "brings_schema": mode.brings_schema,
            "removes_schema": mode.removes_schema,
            "database": database,
            "user": account.user,
            "password": account.password,
            "sockets": self.cluster.sockets,
            "parameters": parameters,
            "schema": schema,
            "template": template,
        }
