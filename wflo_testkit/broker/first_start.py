"""How one server of a run comes to be ready: what it needs, its image, containers and tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from wflo_testkit import references
from wflo_testkit.broker.started import Started, may_be_kept, on_networks
from wflo_testkit.broker.starting import Starter, connect
from wflo_testkit.broker.tasks import Tasks
from wflo_testkit.errors import StartFailed, TestkitError
from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime.containers import Containers
from wflo_testkit.runtime.running import Running
from wflo_testkit.wait import clock

if TYPE_CHECKING:
    from wflo_testkit.broker.reuse import Reuse
    from wflo_testkit.broker.warming import Warming


class FirstStart:
    """Safe to use from several threads.

    begin: starts another server in the background, once. network: see Servers.network. For the
    rest see Servers.
    """

    def __init__(
        self,
        containers: Containers,
        tasks: Tasks,
        begin: Callable[[Spec], Started],
        network: Callable[[str], str],
        *,
        reuse: Reuse | None,
        warming: Warming | None,
    ) -> None:
        self._containers = containers
        self._tasks = tasks
        self._begin = begin
        self._network = network
        self._reuse = reuse
        self._warming = warming

    def of(self, started: Started) -> Server:
        """Return the ready server, once all that it refers to is ready. Raises TestkitError."""
        spec, key = started.spec, started.spec.fingerprint
        if spec.external:
            started.server = connect(spec, started.service)
            return started.server
        started.prepared = self._containers.built(self._with_addresses(started))
        server = dataclasses.replace(
            self._run_it(started), key=key, join_network=partial(self._network, key)
        )
        started.server = server
        started.running.append(Running.of(server))
        if spec.replicas > 1:
            from wflo_testkit.broker.control import more

            numbers = range(2, spec.replicas + 1)  # such a server is not kept
            started.running += more(started, server, self._containers, numbers)
        for what in spec.asked:
            if what != "object":
                self._tasks.have_done(what, server)
        return server

    def _with_addresses(self, started: Started) -> Spec:
        """Start what a server needs, side by side; return its spec with their addresses."""
        spec = started.spec
        needed = {
            name: self._begin(Spec.from_json(need)).ready for name, need in spec.needs.items()
        }
        servers = {}
        for name, ready in needed.items():
            try:
                servers[name] = ready.result()
            except TestkitError as error:
                raise StartFailed(
                    f"{spec.name} is not started: {name}, which it needs, is not ready",
                    cause=error.text,
                ) from None
        started.needs = servers
        return on_networks(references.filled(spec, servers), servers.values())

    def _run_it(self, started: Started) -> Server:
        spec, service = started.prepared, started.service
        if "object" in spec.asked:
            return self._begun_outside(started)
        if self._reuse is not None and may_be_kept(started):
            from wflo_testkit.broker.reuse import CannotReuse

            try:
                server, found = self._reuse.get(spec, service)
                started.reused = "found" if found else "started"
                return server
            except CannotReuse as reason:
                started.note = f"not reused: {reason}"
        return Starter(self._containers, self._warming).start(spec, service)

    def _begun_outside(self, started: Started) -> Server:
        """Return a server whose container a Testcontainers object starts, where the tests are."""
        spec, containers, began = started.prepared, self._containers, clock.monotonic()
        told = containers.for_an_object(spec)
        server = started.service.server(
            service=spec.service,
            name=spec.name,
            host=containers.host,
            ports={},
            options=dict(spec.options),
            key=started.spec.fingerprint,
        )
        made = self._tasks.have_done("object", server, told=told)
        published = containers.published(made["id"])
        server = dataclasses.replace(
            server,
            ports=published,
            internal_host=spec.name,
            internal_ports={name: int(name) for name in published},
            container_id=made["id"],
            on_network=told["network"],
            image=made["image"],
            origin="an object's",
            options={**spec.options, "told": told, "state": made["state"]},
        )
        Starter(containers).wait(spec, started.service, server, Running.of(server))
        return dataclasses.replace(server, seconds=clock.monotonic() - began)
