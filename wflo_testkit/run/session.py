"""One process of a run: its settings, what its servers run, its way to the broker. No pytest."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflo_testkit import services, settings
from wflo_testkit.errors import SettingError, TestkitError
from wflo_testkit.model import Spec
from wflo_testkit.outline import CONTAINER
from wflo_testkit.run import needs
from wflo_testkit.run.asker_tasks import AskerTasks
from wflo_testkit.run.variables import Variables
from wflo_testkit.service import fixtures
from wflo_testkit.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflo_testkit.broker.api import BrokerApi
    from wflo_testkit.model import Server
    from wflo_testkit.service import Option, Service
    from wflo_testkit.settings.leases import DeclaredLease


class RunSession:
    """What a process knows of its run. Who derives from it says where the broker is.

    run: its id. rootdir: the project's folder. name: this process's own; count: how many share
    the work.
    """

    def __init__(self, run: str, rootdir: Path, *, name: str = "main", count: int = 1) -> None:
        self.run = run
        self.rootdir = rootdir
        self.name = name
        self.count = count
        self.tasks = AskerTasks()
        self._broker: BrokerApi | None = None
        self._specs: dict[str, Spec] = {}
        self._resolving: list[str] = []
        self._ready: dict[tuple[str, str], Server] = {}

    @cached_property
    def table(self) -> dict[str, Service]:
        """The rows of all services, loaded when first asked for."""
        return services.table()

    @cached_property
    def settings(self) -> Settings:
        """The settings, read when first asked for. Raises SettingError."""
        every, container = settings.every(self.table), services.row(CONTAINER)
        rows = self.table | {CONTAINER: container}
        return Settings.load(
            every,
            settings.words(self.table),
            rootdir=self.rootdir,
            environ=os.environ,
            command_line=self.command_line(every),
            fixtures={name: [own[0] for own in fixtures(row)] for name, row in rows.items()},
            container=container,
            kinds=settings.kinds(self.table),
        )

    def command_line(self, options: Sequence[Option]) -> Mapping[str, Any]:  # noqa: ARG002
        """Return key -> what was given for each of `options`; none here."""
        return {}

    @property
    def servers(self) -> Mapping[str, str]:
        """Server -> service: one per service, and those that the project's file declares."""
        return {name: name for name in self.table} | dict(self.settings.servers)

    @property
    def leases(self) -> Mapping[str, DeclaredLease]:
        """The leases that the project's file declares."""
        return self.settings.leases

    @cached_property
    def variables(self) -> Variables:
        """The setting `env`, to be filled from handles."""
        return Variables(self.settings, [*self.servers, *self.leases])

    @cached_property
    def records(self) -> Path | None:
        """The folder for what services know of earlier runs; None for a user without a home."""
        from wflo_testkit.runtime.reuse.user_folder import UserFolder

        try:
            return UserFolder().folder.with_name("records")
        except RuntimeError:  # of Path.home, for a number that is nobody's
            return None

    @property
    def broker(self) -> BrokerApi:
        """The broker as this process sees it; made, or connected to, at first use."""
        if self._broker is None:
            from wflo_testkit.broker import client

            self._broker = client.connect(self.broker_socket(), self.name)
        return self._broker

    def broker_socket(self) -> str:
        """Return where the broker answers. Raises TestkitError."""
        raise NotImplementedError

    def service(self, name: str) -> Service:
        """Return the service of the server `name`."""
        service = self.servers[name]
        return services.row(CONTAINER) if service == CONTAINER else self.table[service]

    def spec(self, name: str) -> Spec:
        """Return what to run for the server `name`, after the settings. Raises SettingError."""
        if name not in self._specs:
            self._specs[name] = self.resolved(self.service(name), name, self.settings.server(name))
        return self._specs[name]

    def resolved(self, service: Service, name: str, words: Mapping[str, Any]) -> Spec:
        """Return what to run by a service's words, with all that it needs. Raises SettingError."""
        if name in self._resolving:
            raise SettingError(
                "servers need one another in a circle",
                cause=" -> ".join([*self._resolving, name]),
                fix="take one of the references, or one `after`, out",
            )
        self._resolving.append(name)
        try:
            spec = self.first_spec(service, name, words)
            return needs.added(
                spec, self.servers, self.leases, lambda each: self.unique(self.spec(each))
            )
        finally:
            self._resolving.pop()

    def first_spec(self, service: Service, name: str, words: Mapping[str, Any]) -> Spec:
        """Return what the service itself makes of the words. Raises SettingError."""
        return service.spec(name, words)

    def unique(self, spec: Spec, unique: str = "") -> Spec:
        """Return the spec of a server for `unique` alone, or for this process if it must be."""
        if spec.per_process and not unique:
            unique = self.name
        return dataclasses.replace(spec, unique=unique)

    def server(self, name: str, unique: str = "") -> Server:
        """Return the ready server `name`, or one of its own for `unique`.

        Raises the TestkitError of its start. Every test asks; the broker is asked once.
        """
        if (name, unique) not in self._ready:
            spec = self.unique(self.spec(name), unique)
            self._ready[name, unique] = self.running(spec, self.service(name))
        return self._ready[name, unique]

    def begin(self, spec: Spec) -> None:
        """Begin to start a server in the background; where it holds leases, what else it needs."""
        if not needs.leases_of(spec, self.leases):
            self.broker.prefetch(spec)
            return
        for need in spec.needs.values():
            self.begin(Spec.from_json(need))

    def declared_lease(self, name: str) -> Any:
        """Return the handle of a lease that the project's file declares, for no test in particular.

        One in this process. Raises TestkitError.
        """
        raise NotImplementedError

    def discard(self, name: str, unique: str) -> None:
        """Remove the server that was started for `unique` alone."""
        self._ready.pop((name, unique), None)
        self.broker.discard(self.unique(self.spec(name), unique).fingerprint)

    def running(self, spec: Spec, service: Service) -> Server:
        """Return the ready server for `spec`; does first what only this process can do for it.

        Raises the TestkitError of its start.
        """
        spec = needs.with_leases(spec, self.leases, self.declared_lease)
        got: Any = self.broker.server(spec)
        while hasattr(got, "token"):  # not by its class: a test may import the kit anew
            server = self._server_of(got.data["server"])
            self.tasks.do(got, self.broker, server, spec.startup_timeout)
            got = self.broker.server(spec)
        return self._server_of(got.to_json(), service)

    def value(self, server: Server) -> Any:
        """Return what a test gets of a server: itself, or its Testcontainers object."""
        return self.tasks.attached(server) if server.options.get("object") else server

    def learn(self, told: Mapping[str, Any]) -> None:
        """Take note of what a server's data hold, passwords among it."""

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per server of the run; empty where nobody is there to tell."""
        with suppress(TestkitError):
            return self.broker.summary()
        return []

    def close(self) -> None:
        """Hang up: the broker gives back what this process still holds."""
        if self._broker is not None:
            self._broker.close()

    def _server_of(self, data: Mapping[str, Any], service: Service | None = None) -> Server:
        """Return the server that the broker has told of."""
        self.learn(data)
        key, row = data["key"], service or services.row(data["service"])
        return row.server.from_json(
            data,
            read_logs=partial(self.broker.logs, key),
            join_network=partial(self.broker.network, key),
            control=partial(self.broker.do, key),
        )
