"""One pytest process once a test uses the kit: its settings, its specs, its way to the broker."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import pytest

from wflo_testkit import errors, references
from wflo_testkit.errors import SettingError, TestkitError
from wflo_testkit.plugin import outcome, spec_hook
from wflo_testkit.plugin.asking import AskedAhead
from wflo_testkit.plugin.failures import Failures
from wflo_testkit.plugin.naming import Names
from wflo_testkit.plugin.overrides import Overrides
from wflo_testkit.plugin.passwords import Passwords
from wflo_testkit.plugin.process import PROCESS, dest
from wflo_testkit.plugin.wide import WideLeases
from wflo_testkit.run.declared import LeasingSession
from wflo_testkit.wait import clock

if TYPE_CHECKING:
    from wflo_testkit.model import Server, Spec
    from wflo_testkit.plugin.process import PytestProcess
    from wflo_testkit.run.config import RunConfig
    from wflo_testkit.run.leasing import Leased
    from wflo_testkit.service import LeaseKind, Option, Service
    from wflo_testkit.settings.leases import DeclaredLease


class PluginSession(LeasingSession):
    """One per pytest process that uses the kit."""

    def __init__(self, process: PytestProcess) -> None:
        root = process.config.rootpath
        super().__init__(process.run, root, name=process.name, count=process.count)
        self.process = process
        self.passwords = Passwords()
        self.ahead = AskedAhead(lambda: self.broker)
        self.failures = Failures(str(root), process.began)
        self.wide = WideLeases()
        self._got: dict[str, float] = {}

    def command_line(self, options: Sequence[Option]) -> Mapping[str, Any]:
        """Return key -> what was given for each of `options`."""
        given = self.process.config.option
        return {each.key: getattr(given, dest(each.key), None) for each in options}

    @property
    def servers(self) -> Mapping[str, str]:
        """Server -> service."""
        return self.process.servers

    @property
    def leases(self) -> Mapping[str, DeclaredLease]:
        """The leases that the project's file declares."""
        return self.process.leases

    @cached_property
    def names(self) -> Names:
        """Makes the names that tests ask for by a word."""
        return Names(self.process)

    @cached_property
    def overrides(self) -> Overrides:
        """Knows what leases that outlast a test would contain."""
        return Overrides(self.process)

    @property
    def requires_docker(self) -> bool:
        """Whether a missing daemon is a failure, not a skip."""
        return bool(self.settings["require"]) or self.settings["without_docker"] == "fail"

    def broker_socket(self) -> str:
        """Return where the broker answers; begins it in the process that owns it."""
        if problem := self.process.invitation.get("problem"):
            raise errors.from_json(problem)
        return self.process.invitation.get("socket") or self.process.owner.begin()

    def declared_servers(self) -> Mapping[str, str]:
        """Return server -> service of the servers that the project's file declares.

        Raises pytest.UsageError for a file that cannot be used.
        """
        try:
            return self.settings.servers
        except SettingError as error:
            raise pytest.UsageError(error.text) from error

    def took(self, name: str, kind: LeaseKind, leased: Leased) -> Callable[[], bool]:
        """Let failed tests' reports tell of a declared lease; it is kept if one has used it."""
        server = leased.lease.server
        noted = outcome.Outcome(
            servers={server.key: server},
            leases={name: outcome.NotedLease(kind, leased.lease, leased.handle)},
        )
        self.wide.add(leased.handle, noted)
        return lambda: noted.failed

    def learn_of_lease(self, told: Mapping[str, Any]) -> None:
        """Take note of the passwords that are to be masked."""
        self.passwords.learn_of_lease(told)

    def first_spec(self, service: Service, name: str, words: Mapping[str, Any]) -> Spec:
        """Return what the service, and then the hook, make of the words. Raises SettingError."""
        spec = spec_hook.resolved(service, name, words, self.process.config.hook.pytest_wflo_spec)
        self.passwords.learn_of_secrets(spec.secrets)
        return spec

    def learn(self, told: Mapping[str, Any]) -> None:
        """Take note of the passwords that are to be masked."""
        self.passwords.learn_of_server(told)

    def running(self, spec: Spec, service: Service) -> Server:
        """Return the ready server for `spec`, and note when. Raises what its start raised."""
        server = super().running(spec, service)
        self._got.setdefault(server.key, clock.wall())
        return server

    def got(self, server: Server) -> float:
        """Return when this process got a server first, in seconds since the epoch."""
        return self._got.get(server.key, 0.0)

    def own(self, spec: Spec, service: Service) -> Server:
        """Return a ready container that a fixture describes; one that holds a lease of this
        process's, or is to, is for this process. Raises the TestkitError of its start."""
        if self.count > 1 and references.hold(spec, self.wide.marks()):
            spec = dataclasses.replace(spec, per_process=True)
        return self.running(self.unique(spec), service)

    def prefetch(self, tests: Mapping[str, int]) -> None:
        """Begin to start servers, by how many tests need each; errors wait for those tests."""
        for name in sorted(tests, key=lambda name: -self.service(name).start_seconds):
            try:
                spec = self.unique(self.spec(name))
                if not spec.per_process or tests[name] >= self.count:
                    self.begin(spec)
            except (TestkitError, pytest.skip.Exception, pytest.fail.Exception):
                continue  # the fixture meets the same, and reports it

    def notes(self) -> list[str]:
        """Return what a person should know about how this run is guarded."""
        with suppress(TestkitError):
            return self.broker.notes()
        return []

    def run_config(self) -> RunConfig:
        """Return what the run's broker is told. Raises SettingError."""
        from wflo_testkit.run.config import RunConfig

        config = RunConfig.of(self.run, self.rootdir, self.settings)
        if self.process.config.option.wflo_up is not None:
            # So that other runs find its servers while it is there.
            config = dataclasses.replace(config, reuse=True, ends_reused=not config.keep)
        return config


def session_of(config: pytest.Config) -> PluginSession:
    """Return the session of a pytest process, made when first asked for."""
    return cast("PluginSession", config.stash[PROCESS].session)
