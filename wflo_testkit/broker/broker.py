"""The broker itself: starts servers, hands out leases, takes them back, removes everything."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.dumps import DumpWriter
from wflo_testkit.broker.external import MAX_AGE, External
from wflo_testkit.broker.leases import Leases
from wflo_testkit.broker.servers import Servers
from wflo_testkit.model import Build, Grant, Json, Server, Spec
from wflo_testkit.runtime import folders
from wflo_testkit.runtime.containers import Containers
from wflo_testkit.runtime.docker_session import REMOVAL_TIMEOUT, DockerSession
from wflo_testkit.service import Service

if TYPE_CHECKING:
    from wflo_testkit.broker.reuse import Reuse
    from wflo_testkit.broker.warming import Warming


class Broker:
    """One per run, in a process of its own; knows no socket and no pytest.

    external_max_age: see External.
    """

    def __init__(
        self,
        services: Mapping[str, Service],
        session: DockerSession,
        reuse: Reuse | None = None,
        warming: Warming | None = None,
        *,
        external_max_age: float = MAX_AGE,
    ) -> None:
        self._session = session
        self._warming = warming
        external, containers = External(session.run, external_max_age), Containers(session)
        self.servers = Servers(services, containers, session.run, reuse, warming, external=external)
        self.dumps = DumpWriter(self.servers)
        self.leases = Leases(self.servers, self.dumps)

    def owner(self, name: str) -> LocalBroker:
        """Return the broker as the process `name` sees it."""
        return LocalBroker(self, name)

    @property
    def notes(self) -> list[str]:
        """Return what a person should know about how this run is guarded and was started."""
        warming = self._warming.notes if self._warming is not None else []
        return [*self._session.notes, *warming, *self.dumps.notes()]

    def close(self, patience: float = REMOVAL_TIMEOUT) -> None:
        """Remove every container and network of the run; a second call tries again.

        Raises TestkitError for what could not be removed within `patience`, in seconds.
        """
        # Not with the sweep of containers: a run that starts none, as one that attaches to kept
        # servers, makes a folder all the same.
        folders.sweep()
        self.leases.close()
        self.dumps.close()
        try:
            self.servers.close()
        finally:
            try:
                self._session.close(patience)
            finally:
                if self._warming is not None:
                    self._warming.close(self._session.find)


class LocalBroker:
    """A BrokerApi for one process that runs tests."""

    def __init__(self, broker: Broker, name: str) -> None:
        self._broker = broker
        self.name = name

    def server(self, spec: Spec) -> Server | Build:
        return self._broker.servers.get(spec, self.name)

    def prefetch(self, spec: Spec) -> None:
        self._broker.servers.begin(spec)

    def discard(self, key: str) -> None:
        self._broker.leases.drop_server(key)
        self._broker.dumps.then(key, lambda: self._broker.servers.discard(key))

    def logs(self, key: str, since: float | None) -> str:
        return self._broker.servers.logs(key, since)

    def ended(self, key: str) -> str:
        return self._broker.servers.ended(key)

    def do(self, key: str, action: str, given: Mapping[str, Json]) -> Json:
        return self._broker.servers.do(key, action, given)

    def network(self, key: str) -> str:
        return self._broker.servers.network(key)

    def lease(self, ask: Ask) -> Grant | Build:
        return self._broker.leases.lease(ask, self.name)

    def withdraw(self, number: int) -> None:
        self._broker.leases.withdraw(self.name, number)

    def built(self, token: str, error: str | None, made: Json = None) -> None:
        if not self._broker.servers.tasks.finish(token, error, made):
            self._broker.leases.built(token, error)

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:
        return self._broker.leases.call(lease_id, verb, args)

    def release(self, lease_id: str, keep: bool, ahead: Ask | None = None) -> list[str]:  # noqa: ARG002
        return self._broker.leases.release(lease_id, keep=keep)

    def dump(self, lease_id: str, place: str, at_once: bool) -> bool:
        return self._broker.leases.dump(lease_id, place, at_once=at_once)

    def summary(self) -> list[dict[str, Json]]:
        return self._broker.servers.summary()

    def notes(self) -> list[str]:
        return self._broker.notes

    def close(self) -> None:
        # The run ends or its process is gone: nobody is left to whom an error could be told.
        self._broker.servers.tasks.drop_owner(self.name)
        with contextlib.suppress(Exception):
            self._broker.leases.drop_owner(self.name)
