"""A test process in front of a real broker: leases as the plugin does, without pytest between."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from wflo_testkit.broker.api import Ask, BrokerApi
from wflo_testkit.broker.broker import Broker
from wflo_testkit.isolation import AGAIN
from wflo_testkit.model import Grant, Server
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.service import Lease, Service
from wflo_testkit.services import BUILT_IN
from wflo_testkit.settings.options import common


@dataclass
class Asker:
    """Leases from one server; it is the TestContext, too."""

    broker: BrokerApi
    service: Service
    server: Server
    settings: Mapping[str, Any]
    mode: str = ""
    nodeid: str = "test_it.py::test"
    run: str = "a0a0a0a0"
    loop_scope: str = ""
    records: Path | None = None
    root: Path = field(default_factory=Path.cwd)
    warnings: list[str] = field(default_factory=list)
    has_failed: bool = False

    __test__ = False

    def afresh(self) -> Asker:
        """Return the same without warnings."""
        return replace(self, warnings=[])

    def variables(self, handle: Any) -> Mapping[str, str]:
        return {}

    @property
    def inputs(self) -> Mapping[str, Any]:
        return {"schema": None}

    def warn(self, *messages: str) -> None:
        self.warnings += [each.removeprefix(AGAIN) for each in messages]

    @contextmanager
    def lease(self, mode: str = "", keep: bool = False) -> Iterator[Any]:
        """Yield the handle of the service's first kind of lease; leftovers go to `warnings`."""
        kind = self.service.leases[0]
        params = kind.params(self)
        grant = self.broker.lease(
            Ask(
                key=self.server.key,
                kind=kind.name,
                mode=mode or self.mode,
                params=params,
                test=self.nodeid,
            )
        )
        assert isinstance(grant, Grant)
        lease = Lease(
            id=grant.id, server=self.server, data=grant.data, call=partial(self._call, grant.id)
        )
        try:
            with kind.handle(lease, self) as handle:
                yield handle
        finally:
            self.warn(*self.broker.release(grant.id, keep))

    @contextmanager
    def opened(self, name: str, handle: Any) -> Iterator[Any]:
        """Yield the value of the convenience `name` on top of `handle`."""
        [row] = [each for each in self.service.conveniences if each.name == name]
        with contextmanager(row.open)(handle, self) as value:
            yield value

    def _call(self, lease_id: str, verb: str, **args: Any) -> Any:
        return self.broker.call(lease_id, verb, args)


@contextmanager
def run_of_its_own() -> Iterator[Broker]:
    """A broker with these tests' services; what it started is removed at the end."""
    the_broker = Broker({name: row(name) for name in BUILT_IN}, DockerSession(secrets.token_hex(4)))
    try:
        yield the_broker
    finally:
        the_broker.close()


def asker(
    the_broker: Broker, service: str, owner: str = "main", name: str = "", **given: Any
) -> Asker:
    """Start `service` with these settings and return who asks it for leases."""
    found = row(service)
    options = (*common(service), *found.options)
    defaults = {each.key.removeprefix(f"{service}_"): each.default for each in options}
    settings = defaults | given
    broker = the_broker.owner(owner)
    server = broker.server(found.spec(name or service, settings))
    return Asker(broker, found, server, settings)


def row(service: str) -> Service:
    """Return the row of the table of services."""
    found = import_module(f"wflo_testkit.services.{service}").SERVICE
    assert isinstance(found, Service)
    return found
