"""One pytest process once a test uses the kit: its settings, its specs, its way to the broker."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit import errors, services, settings
from wflo_testkit.errors import SettingError, TestkitError
from wflo_testkit.outline import CONTAINER
from wflo_testkit.plugin import outcome, spec_hook
from wflo_testkit.plugin.asking import AskedAhead
from wflo_testkit.plugin.failures import Failures
from wflo_testkit.plugin.passwords import Passwords
from wflo_testkit.plugin.process import dest
from wflo_testkit.run import needs
from wflo_testkit.run.asker_tasks import AskerTasks
from wflo_testkit.service import fixtures
from wflo_testkit.settings import Settings

if TYPE_CHECKING:
    from wflo_testkit.broker.api import BrokerApi
    from wflo_testkit.model import Server, Spec
    from wflo_testkit.plugin.process import PytestProcess
    from wflo_testkit.run.config import RunConfig
    from wflo_testkit.service import Service


class PluginSession:
    """One per pytest process that uses the kit."""

    def __init__(self, process: PytestProcess) -> None:
        self.process = process
        self.passwords = Passwords()
        self.ahead = AskedAhead(self)
        self.failures = Failures(str(process.config.rootpath), process.began)
        outcome.watch(process.config)
        self._broker: BrokerApi | None = None
        self.tasks = AskerTasks()
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
        config, every = self.process.config, settings.every(self.table)
        container = services.row(CONTAINER)
        return Settings.load(
            every,
            settings.words(self.table),
            rootdir=config.rootpath,
            environ=os.environ,
            command_line={o.key: getattr(config.option, dest(o.key), None) for o in every},
            fixtures={
                name: [own[0] for own in fixtures(row)]
                for name, row in (self.table | {CONTAINER: container}).items()
            },
            container=container,
        )

    @cached_property
    def records(self) -> Path | None:
        """The folder for what services know of earlier runs; None for a user without a home."""
        from wflo_testkit.runtime.reuse.user_folder import UserFolder

        try:
            return UserFolder().folder.with_name("records")
        except RuntimeError:  # of Path.home, for a number that is nobody's
            return None

    @property
    def requires_docker(self) -> bool:
        """Whether a missing daemon is a failure, not a skip."""
        return bool(self.settings["require"]) or self.settings["without_docker"] == "fail"

    @property
    def broker(self) -> BrokerApi:
        """The broker as this process sees it; made, or connected to, at first use."""
        if self._broker is None:
            self._broker = self._connect()
        return self._broker

    def declared_servers(self) -> Mapping[str, str]:
        """Return server -> service of the servers that the project's file declares.

        Raises pytest.UsageError for a file that cannot be used.
        """
        try:
            return self.settings.servers
        except SettingError as error:
            raise pytest.UsageError(error.text) from error

    def service(self, name: str) -> Service:
        """Return the service of the server `name`."""
        service = self.process.servers[name]
        return services.row(CONTAINER) if service == CONTAINER else self.table[service]

    def spec(self, name: str) -> Spec:
        """Return what to run for the server `name`, after the settings and the hook.

        Raises SettingError.
        """
        if name not in self._specs:
            self._specs[name] = self.resolved(self.service(name), name, self.settings.server(name))
        return self._specs[name]

    def resolved(self, service: Service, name: str, words: Mapping[str, Any]) -> Spec:
        """Return what to run by a service's words, with all that it needs. Raises SettingError."""
        if name in self._resolving:
            circle = " -> ".join([*self._resolving, name])
            raise SettingError(
                "servers need one another in a circle",
                cause=circle,
                fix="take one of the references, or one `after`, out",
            )
        self._resolving.append(name)
        try:
            hook = self.process.config.hook.pytest_wflo_spec
            spec = spec_hook.resolved(service, name, words, hook)
            return needs.added(
                spec, self.process.servers, lambda each: self._unique(self.spec(each))
            )
        finally:
            self._resolving.pop()

    def server(self, name: str, unique: str = "") -> Server:
        """Return the ready server `name`, or one of its own for `unique`.

        Raises the TestkitError of its start. Every test asks; the broker is asked once.
        """
        if (name, unique) not in self._ready:
            spec = self._unique(self.spec(name), unique)
            self._ready[name, unique] = self.running(spec, self.service(name))
        return self._ready[name, unique]

    def value(self, server: Server) -> Any:
        """Return what a test gets of a server: itself, or its Testcontainers object."""
        return self.tasks.attached(server) if server.options.get("object") else server

    def own(self, spec: Spec, service: Service) -> Server:
        """Return a ready container that a fixture describes; one that holds a lease of this
        process's, or is to, is for this process. Raises the TestkitError of its start."""
        if self.process.count > 1 and self.passwords.are_in(spec):
            spec = dataclasses.replace(spec, per_process=True)
        return self.running(self._unique(spec), service)

    def running(self, spec: Spec, service: Service) -> Server:
        """Return the ready server for `spec`; does first what only this process can do for it.

        Raises the TestkitError of its start.
        """
        got: Any = self.broker.server(spec)
        while hasattr(got, "token"):  # not by its class: a test may import the kit anew
            server = self._server_of(got.data["server"])
            self.tasks.do(got, self.broker, server, spec.startup_timeout)
            got = self.broker.server(spec)
        return self._server_of(got.to_json(), service)

    def _server_of(self, data: Mapping[str, Any], service: Service | None = None) -> Server:
        """Return the server that the broker has told of."""
        self.passwords.learn_of_server(data)
        key, row = data["key"], service or services.row(data["service"])
        return row.server.from_json(
            data,
            read_logs=partial(self.broker.logs, key),
            join_network=partial(self.broker.network, key),
            control=partial(self.broker.do, key),
        )

    def discard(self, name: str, unique: str) -> None:
        """Remove the server that was started for `unique` alone."""
        self._ready.pop((name, unique), None)
        self.broker.discard(self._unique(self.spec(name), unique).fingerprint)

    def prefetch(self, tests: Mapping[str, int]) -> None:
        """Begin to start servers, by how many tests need each; errors wait for those tests."""
        for name in sorted(tests, key=lambda name: -self.service(name).start_seconds):
            try:
                spec = self._unique(self.spec(name))
                if not spec.per_process or tests[name] >= self.process.count:
                    self.broker.prefetch(spec)
            except (TestkitError, pytest.skip.Exception, pytest.fail.Exception):
                continue  # the fixture meets the same, and reports it

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per server of the run; empty where nobody is there to tell."""
        with suppress(TestkitError):
            return self.broker.summary()
        return []

    def notes(self) -> list[str]:
        """Return what a person should know about how this run is guarded."""
        with suppress(TestkitError):
            return self.broker.notes()
        return []

    def run_config(self) -> RunConfig:
        """Return what the run's broker is told. Raises SettingError."""
        from wflo_testkit.run.config import RunConfig

        return RunConfig.of(self.process.run, self.process.config.rootpath, self.settings)

    def close(self) -> None:
        """Hang up: the broker gives back what this process still holds."""
        if self._broker is not None:
            self._broker.close()

    def _unique(self, spec: Spec, unique: str = "") -> Spec:
        """Return the spec of a server for `unique` alone, or for this process if it must be."""
        if spec.per_process and not unique:
            unique = self.process.name
        return dataclasses.replace(spec, unique=unique)

    def _connect(self) -> BrokerApi:
        from wflo_testkit.broker import client

        if problem := self.process.invitation.get("problem"):
            raise errors.from_json(problem)
        path = self.process.invitation.get("socket") or self.process.owner.begin()
        return client.connect(path, self.process.name)
