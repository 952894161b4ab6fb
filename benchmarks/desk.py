"""The broker in this process, and somebody who leases from it as a test would."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from wflo_testkit import services
from wflo_testkit.broker.api import Ask, Broker
from wflo_testkit.broker.core import Core
from wflo_testkit.model import Grant, Server, Spec
from wflo_testkit.runtime.session import Session
from wflo_testkit.service import Lease, Service
from wflo_testkit.settings.options import common


@contextmanager
def session() -> Iterator[Session]:
    """Yield a run of its own; everything that carries its labels is removed at the end."""
    made = Session(secrets.token_hex(4))
    try:
        yield made
    finally:
        made.close()


@contextmanager
def broker() -> Iterator[Core]:
    """Yield a broker that knows every service."""
    core = Core(services.table(), Session(secrets.token_hex(4)))
    try:
        yield core
    finally:
        core.close()


def settings(service: Service) -> dict[str, Any]:
    """Return the defaults of a service's settings, without the prefix."""
    options = (*common(service.name), *service.options)
    return {each.key.removeprefix(f"{service.name}_"): each.default for each in options}


def spec(name: str) -> Spec:
    """Return what the kit runs for a service by default."""
    service = services.table()[name]
    return service.spec(name, settings(service))


@dataclass
class Desk:
    """Leases from one server; it is the TestContext of these leases, too."""

    broker: Broker
    service: Service
    server: Server
    settings: Mapping[str, Any]
    schema: Any = None
    mode: str = ""
    nodeid: str = "benchmark"
    __test__: bool = False

    @classmethod
    def of(cls, core: Core, name: str, *, schema: Any = None, mode: str = "") -> Desk:
        """Start the server if need be, and stand in front of it."""
        asker, service = core.owner("bench"), services.table()[name]
        return cls(asker, service, asker.server(spec(name)), settings(service), schema, mode)

    def sibling(self, suffix: str) -> Any:
        return {"schema": self.schema}[suffix]

    def warn(self, message: str) -> None:
        raise AssertionError(f"a benchmark left something open: {message}")

    def timed(self, give: Callable[[Any], None], use: Callable[[Any], None]) -> tuple[float, float]:
        """Lease, use and give back once; return the seconds of give-out and give-back.

        give: what belongs to the hand-out on the handle; use: what the test does, not counted.
        """
        clock = time.perf_counter
        asked = clock()
        lease = self._take()
        with self.service.leases[0].handle(lease, self) as handle:
            give(handle)
            given = clock()
            use(handle)
            ended = clock()
        left = self.broker.release(lease.id, False)
        back = clock()
        for each in left:
            self.warn(each)
        return given - asked, back - ended

    def _take(self) -> Lease:
        kind = self.service.leases[0]
        ask = Ask(
            key=self.server.key, kind=kind.name, mode=self.mode, params=dict(kind.params(self))
        )
        while not isinstance(got := self.broker.lease(ask), Grant):
            kind.build(self, got.data)
            self.broker.built(got.token, None)
        return Lease(id=got.id, server=self.server, data=got.data, call=self._call(got.id))

    def _call(self, lease_id: str) -> Callable[..., Any]:
        return lambda verb, **args: self.broker.call(lease_id, verb, args)
