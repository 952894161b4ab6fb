"""One pytest process, as far as it goes before a test uses the kit.

Loaded at every start of pytest, by suites that never use the kit too: nothing heavy here.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

import wflo_testkit
from wflo_testkit.outline import CONTAINER
from wflo_testkit.wait import clock  # takes hold of the time before a conftest freezes it

if TYPE_CHECKING:
    from wflo_testkit.outline import Fixture
    from wflo_testkit.plugin.parts import Part
    from wflo_testkit.plugin.scopes import Scoped
    from wflo_testkit.run.config import RunConfig
    from wflo_testkit.run.owner import RunOwner
    from wflo_testkit.service import Service
    from wflo_testkit.settings import Settings
    from wflo_testkit.settings.leases import DeclaredLease


MADE_BY_SCOPED = "wflo_scoped"
"""The attribute of a fixture's function that holds what `scoped` was asked for."""
OWN_SERVERS = "_wflo_own_servers"
"""The fixture that removes one test's own servers after everything that uses them."""


class Session(Protocol):
    """What is asked of a session before it is loaded: session.py makes it, and knows the rest."""

    @property
    def settings(self) -> Settings: ...

    def declared_servers(self) -> Mapping[str, str]: ...

    def service(self, name: str) -> Service: ...

    def run_config(self) -> RunConfig: ...

    def prefetch(self, tests: Mapping[str, int]) -> None: ...

    def close(self) -> None: ...


class PytestProcess:
    """One per pytest process; what it needs once a test uses the kit is its `session`.

    run: the run's id, in every name that the kit makes. began: when it did, in seconds since the
    epoch. name: "main", or a worker's name. count: how many of them share the tests.
    session: makes that part.
    invitation: how a worker of xdist finds the broker; empty in every other process.
    servers: server -> service: one server per service, and those that the file declares.
    leases: those that the file declares, by name.
    owners: fixture -> server. fixture_functions: those behind the kit's fixtures.
    is_used: whether any test that was collected uses the kit.
    """

    def __init__(
        self,
        config: pytest.Config,
        fixtures: Mapping[str, Sequence[Fixture]],
        session: Callable[[PytestProcess], Session],
    ) -> None:
        worker = getattr(config, "workerinput", {})
        self.config = config
        self._session = session
        self._fixtures = fixtures
        self.invitation: Mapping[str, Any] = worker.get("wflo_testkit", {})
        # What `secrets` is made of, whose import is not free; tests seed `random`.
        self.run = self.invitation.get("run") or os.urandom(4).hex()
        self.began: float = self.invitation.get("began", clock.loaded)
        self.name: str = worker.get("workerid", "main")
        self.count: int = worker.get("workercount", 1)
        self.servers = {service: service for service in fixtures if service != CONTAINER}
        self.leases: Mapping[str, DeclaredLease] = {}
        if declares_servers(config.rootpath):
            self.servers |= self.session.declared_servers()
            self.leases = self.session.settings.leases
        self.owners = {name: lease.server for name, lease in self.leases.items()} | {
            f"{server}_{suffix}": server
            for server, service in self.servers.items()
            for suffix, *_rest in fixtures[service]
        }
        self.fixture_functions: set[Callable[..., Any]] = set()
        self.is_used = False
        self._opening: threading.Thread | None = None
        self._opened: Mapping[str, Any] = {}

    @cached_property
    def session(self) -> Session:
        """What the kit needs once a test uses it; loaded when first asked for."""
        return self._session(self)

    @cached_property
    def owner(self) -> RunOwner:
        """The owner of the run's broker; in every process but xdist's workers."""
        from wflo_testkit.run.owner import RunOwner

        return RunOwner(self.run, lambda: self.session.run_config())

    def part(self, fixture: str) -> Part | None:
        """Return what a server's fixture is; None for every other."""
        from wflo_testkit.plugin.parts import find_part

        return find_part(fixture, self.servers, self._fixtures)

    @property
    def has_broker(self) -> bool:
        """Whether this process has begun a broker."""
        return "owner" in self.__dict__ and self.owner.has_begun

    def open_socket(self) -> None:
        """Open the broker's socket in a thread: its 8 ms pass while xdist awaits its workers."""
        self._opening = threading.Thread(target=self._open, name="wflo-socket", daemon=True)
        self._opening.start()

    def invite(self) -> Mapping[str, Any]:
        """Return how a worker finds the broker.

        What stands in the way is told to the tests that use the kit, not to all that xdist runs.
        """
        self._await_socket()
        return {"run": self.run, "began": self.began, **self._opened}

    def _open(self) -> None:
        try:
            self._opened = {"socket": self.owner.begin_when_asked()}
        except Exception as error:  # noqa: BLE001 - raised again in the worker
            from wflo_testkit import errors

            self._opened = {"problem": errors.to_json(error)}

    def _await_socket(self) -> None:
        if self._opening is not None:
            self._opening.join()

    def close(self) -> None:
        """End this process's part; the owner of the broker removes everything.

        Raises TestkitError when something could not be removed.
        """
        self._await_socket()
        if "session" in self.__dict__:
            self.session.close()
        if "owner" in self.__dict__:
            self.owner.close()

    def header(self) -> str:
        """Return the kit's line of pytest's header."""
        version, names = wflo_testkit.__version__, ", ".join(self.servers)
        return f"wflo-testkit: {version}, run {self.run}, servers on demand: {names}"

    def marker_lines(self) -> list[str]:
        """Return the lines that register the kit's markers."""
        lines = [f"{name}: uses the {name} server (set by the kit)" for name in self.servers]
        return [*lines, "wflo(<server>=<mode>): how the kit isolates this test, such as own_server"]

    def mark(self, items: Iterable[pytest.Item]) -> None:
        """Mark each test with the servers that it uses; one of a thousand may use any."""
        fixtures, may_be_scoped = self.owners.keys(), _scoped_is_loaded()
        for item in items:
            names = getattr(item, "fixturenames", ())
            if fixtures.isdisjoint(names) and not may_be_scoped:
                continue
            for server in dict.fromkeys(self.used_by(item).values()):
                item.add_marker(server)
                self.is_used = True

    def used_by(self, item: pytest.Item) -> dict[str, str]:
        """Return fixture -> server of the kit's fixtures that `item` asks for, in a stable order.

        One that the user has overridden counts if the override asks for it in turn; and what
        `scoped` has made.
        """
        found, may_be_scoped = {}, _scoped_is_loaded()
        for name in getattr(item, "fixturenames", ()):
            if name in self.owners and self._is_reached(item, name):
                found[name] = self.owners[name]
            elif may_be_scoped and (server := self.owners.get(scoped_like(item, name))):
                found[name] = server
        return found

    def _is_reached(self, item: pytest.Item, name: str) -> bool:
        """Say whether the innermost definition of a fixture leads to the kit's own."""
        known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
        for definition in reversed(known.get(name, ())):
            if definition.func in self.fixture_functions:
                return True
            if name not in definition.argnames:
                return False
        return True


def scoped_like(item: pytest.Item, name: str) -> str:
    """Return which fixture of the kit `scoped` has made the one like that `item` sees, or ""."""
    known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    made: Scoped | None = None
    if definitions := known.get(name):
        made = getattr(definitions[-1].func, MADE_BY_SCOPED, None)
    return made.fixture if made is not None else ""


def _scoped_is_loaded() -> bool:
    """Whether a conftest.py, or a test's module, has used `scoped`."""
    return "wflo_testkit.plugin.scoped" in sys.modules


def dest(key: str) -> str:
    """Return the attribute of pytest's options that holds what was given for a setting."""
    return f"wflo_{key}"


PROCESS = pytest.StashKey[PytestProcess]()
CURRENT: list[PytestProcess] = []
"""Those that are configured, for what is called at import; a pytest inside of pytest is last."""


def declares_servers(rootdir: Path) -> bool:
    """Say whether pyproject.toml may declare servers or leases of its own, without parsing it.

    Errs towards yes.
    """
    try:
        content = (rootdir / "pyproject.toml").read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return b"wflo-testkit" in content and (b"servers" in content or b"leases" in content)
