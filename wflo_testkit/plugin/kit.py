"""The kit in one pytest process: its settings, its servers' names, its way to the broker."""

from __future__ import annotations

import dataclasses
import os
import secrets
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit import __version__, services, settings
from wflo_testkit.errors import SettingError, TestkitError
from wflo_testkit.plugin import options
from wflo_testkit.service import Service
from wflo_testkit.settings import Settings

if TYPE_CHECKING:
    from wflo_testkit.broker.api import Broker
    from wflo_testkit.broker.core import Core
    from wflo_testkit.broker.reuse import Reuse
    from wflo_testkit.broker.warming import Warming
    from wflo_testkit.model import Server, Spec


class Kit:
    """One per pytest process. In a worker of xdist the broker lives in the controller."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.table = services.table()
        self._invited: Mapping[str, str] = getattr(config, "workerinput", {}).get(
            "wflo_testkit", {}
        )
        self.run = self._invited.get("run") or secrets.token_hex(4)
        self.process: str = getattr(config, "workerinput", {}).get("workerid", "main")
        self._core: Core | None = None
        self._broker: Broker | None = None
        self._specs: dict[str, Spec] = {}

    @cached_property
    def settings(self) -> Settings:
        """The settings, read when first asked for. Raises SettingError."""
        return Settings.load(
            settings.every(self.table),
            settings.words(self.table),
            rootdir=self.config.rootpath,
            environ=os.environ,
            command_line=options.given(self.config, self.table),
            fixtures={name: suffixes(service) for name, service in self.table.items()},
        )

    @cached_property
    def names(self) -> Mapping[str, Service]:
        """Server name -> service: one server per service, and those that the file declares."""
        found = dict(self.table)
        if settings.declares_servers(self.config.rootpath):
            try:
                extra = self.settings.servers
            except SettingError as error:
                raise pytest.UsageError(error.text) from None
            found |= {name: self.table[service] for name, service in extra.items()}
        return found

    @cached_property
    def fixture_names(self) -> Mapping[str, str]:
        """Fixture name -> name of the server behind it."""
        return {
            f"{name}_{suffix}": name
            for name, service in self.names.items()
            for suffix in suffixes(service)
        }

    @property
    def requires_docker(self) -> bool:
        """Whether a missing daemon is a failure, not a skip."""
        return bool(self.settings["require"]) or settings.in_ci(os.environ)

    @property
    def broker(self) -> Broker:
        """The broker as this process sees it; made, or connected to, at first use."""
        if self._broker is None:
            self._broker = self._connect()
        return self._broker

    def marker_lines(self) -> list[str]:
        """Return the lines that register the kit's markers."""
        lines = [f"{name}: uses the {name} server (set by the kit)" for name in self.names]
        return [*lines, "wflo(<server>=<mode>): how the kit isolates this test, such as own_server"]

    def used_by(self, item: pytest.Item) -> dict[str, None]:
        """Return the servers behind the fixtures that `item` asks for, in a stable order."""
        owners = self.fixture_names
        found = (owners.get(name) for name in getattr(item, "fixturenames", ()))
        return dict.fromkeys(name for name in found if name is not None)

    def spec(self, name: str) -> Spec:
        """Return what to run for the server `name`, after the settings and the hook.

        Raises SettingError.
        """
        if name not in self._specs:
            spec = self.names[name].spec(name, self.settings.server(name))
            changed = self.config.hook.pytest_wflo_spec(spec=spec)
            self._specs[name] = spec if changed is None else changed
        return self._specs[name]

    def server(self, name: str, unique: str = "") -> Server:
        """Return the ready server `name`, or one of its own for `unique`.

        Raises the TestkitError of its start.
        """
        server = self.broker.server(self._unique(name, unique))
        return self.names[name].server.from_json(
            server.to_json(), read_logs=partial(self.broker.logs, server.key)
        )

    def discard(self, name: str, unique: str) -> None:
        """Remove the server that was started for `unique` alone."""
        self.broker.discard(self._unique(name, unique).fingerprint)

    def prefetch(self, items: Iterable[pytest.Item]) -> None:
        """Begin to start the servers that `items` need; errors wait for the tests they concern."""
        wanted: dict[str, None] = {}
        for item in items:
            wanted |= self.used_by(item)
        for name in wanted:
            try:
                self.broker.prefetch(self._unique(name))
            except TestkitError:
                continue  # the fixture meets the same error and reports it

    def invitation(self) -> Mapping[str, str]:
        """Open the broker's socket, if need be, and return how a worker finds it."""
        return {"run": self.run, "socket": self._own().listen()}

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per server of the run; empty in a worker and when nothing was asked."""
        return self._core.servers.summary() if self._core is not None else []

    def notes(self) -> list[str]:
        """Return what a person should know about how this run is guarded; empty in a worker."""
        return self._core.notes if self._core is not None else []

    def close(self) -> None:
        """End this process's part; the owner of the broker removes everything.

        Raises TestkitError when something could not be removed.
        """
        if self._broker is not None:
            self._broker.close()
        if self._core is not None:
            self._core.close()

    def _unique(self, name: str, unique: str = "") -> Spec:
        """Return the spec of a server for `unique` alone, or for this process if it must be."""
        spec = self.spec(name)
        if spec.per_process and not unique:
            unique = self.process
        return dataclasses.replace(spec, unique=unique)

    def _connect(self) -> Broker:
        if self._invited:
            from wflo_testkit.broker.client import Client

            return Client(self._invited["socket"], self.process)
        from wflo_testkit.broker.resident import Resident

        return Resident(self._own(), self.process)

    def _own(self) -> Core:
        if self._core is None:
            from wflo_testkit.broker.core import Core
            from wflo_testkit.runtime.session import Session

            session = Session(
                self.run,
                policy=self.settings["images"],
                reaper=self.settings["ryuk"],
                keep=self.settings["keep"],
            )
            warming = self._warming()
            self._core = Core(self.table, session, self._reuse(warming), warming)
        return self._core

    def _warming(self) -> Warming | None:
        """Return this run's way to warm images. In CI none are made: nobody would wait for it."""
        if not self.settings["warm_images"]:
            return None
        from wflo_testkit.broker.warming import Warming

        return Warming(__version__, may_make=not settings.in_ci(os.environ))

    def _reuse(self, warming: Warming | None) -> Reuse | None:
        """Return this run's way to kept servers; without one, only look for idle ones."""
        if not self.settings["reuse"]:
            from wflo_testkit.broker.idle import sweep_behind

            sweep_behind(self.run)
            return None
        from wflo_testkit.broker.reuse import Reuse

        return Reuse.begin(
            self.run,
            self.config.rootpath,
            warming,
            max_idle=self.settings["reuse_max_idle"],
            policy=self.settings["images"],
        )


KIT = pytest.StashKey[Kit]()


def suffixes(service: Service) -> list[str]:
    """Return the suffixes of the fixtures that a server of `service` brings."""
    return [
        "server",
        *(kind.name for kind in service.leases),
        *(extra.name for extra in service.conveniences),
        *(each.name for each in service.inputs),
    ]
