"""A run that shares a kept server with others: it leases as a test process does."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from tests.services.asker import Asker, asker, row
from wflo_testkit.broker.core import Core
from wflo_testkit.broker.reuse import Reuse
from wflo_testkit.runtime.reuse.shelf import Shelf
from wflo_testkit.runtime.session import Session

SETTINGS: dict[str, dict[str, Any]] = {"redis": {"databases": 6}, "temporal": {"namespaces": 2}}
"""Few of everything, so that runs get in each other's way where they can."""


@dataclass
class Member(Asker):
    """An Asker whose suite overrides no input, and the broker of its run."""

    core: Core | None = None

    def end(self) -> None:
        assert self.core is not None
        self.core.close()


def member(core: Core, service: str) -> Member:
    """Return who asks `core` for leases on the kept server of `service`."""
    found = asker(core, service, **SETTINGS.get(service, {}))
    return Member(**{f.name: getattr(found, f.name) for f in fields(found)}, core=core)


def begin(run: str, service: str) -> Member:
    """Begin a run with the id `run` in this process."""
    way = Reuse(Shelf(run, "here", 3600.0))
    return member(Core({service: row(service)}, Session(run), way), service)
