"""A run that shares a kept server with others: it leases as a test process does."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from tests.services.asker import Asker, asker, row
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.reuse import Reuse
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.runtime.reuse.kept_servers import KeptServers

SETTINGS: dict[str, dict[str, Any]] = {"redis": {"databases": 6}, "temporal": {"namespaces": 2}}
"""Few of everything, so that runs get in each other's way where they can."""


@dataclass
class Member(Asker):
    """An Asker whose suite overrides no input, and the broker of its run."""

    of_run: Broker | None = None

    def end(self) -> None:
        assert self.of_run is not None
        self.of_run.close()


def member(broker: Broker, service: str) -> Member:
    """Return who asks `broker` for leases on the kept server of `service`."""
    found = asker(broker, service, **SETTINGS.get(service, {}))
    return Member(**{f.name: getattr(found, f.name) for f in fields(found)}, of_run=broker)


def begin(run: str, service: str) -> Member:
    """Begin a run with the id `run` in this process."""
    way = Reuse(KeptServers(run, "here", 3600.0))
    return member(Broker({service: row(service)}, DockerSession(run), way), service)
