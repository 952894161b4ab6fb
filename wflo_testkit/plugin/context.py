"""What the test-side code of a service sees of one test."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit.errors import LeftoverFound, LeftoverWarning, SettingError
from wflo_testkit.isolation import AGAIN
from wflo_testkit.plugin import outcome
from wflo_testkit.plugin.prefetch import OWN_SERVER, chosen_mode
from wflo_testkit.plugin.process import OWN_SERVERS
from wflo_testkit.plugin.session import session_of

if TYPE_CHECKING:
    from wflo_testkit.model import Server
    from wflo_testkit.plugin.scopes import Scoped
    from wflo_testkit.service import Lease, LeaseKind


class Context:
    """A service.TestContext for one test, or a wider scope, and one server.

    inputs: the values of fixtures of that server, by the fixtures' names.
    made: what `scoped` was asked for, if it made the fixture.
    is_wide: whether the scope is wider than a test. noted: what failed tests' reports tell of it.
    """

    __test__ = False

    def __init__(
        self,
        request: pytest.FixtureRequest,
        name: str,
        inputs: Mapping[str, Any] | None = None,
        made: Scoped | None = None,
    ) -> None:
        self._request = request
        self._made = made
        self.inputs = {key.removeprefix(f"{name}_"): value for key, value in (inputs or {}).items()}
        self.session = session_of(request.config)
        self.name = name
        self.is_wide = request.scope != "function"
        # Noted from now on, if the test is the first to use the kit.
        self._of_test = outcome.of(getattr(request, "_pyfuncitem", request.node))
        self.noted = outcome.Outcome() if self.is_wide else self._of_test

    @property
    def node(self) -> pytest.Item:
        """The test or scope that the fixture belongs to."""
        item: pytest.Item = self._request.node
        return item

    @property
    def fixture(self) -> str:
        """The fixture's name."""
        return str(self._request.fixturename)

    @property
    def nodeid(self) -> str:
        """The pytest id of the test or scope, for messages; the session has none."""
        return self.node.nodeid or self.scope

    @property
    def scope(self) -> str:
        """One of `scoped`'s or, where that did not make the fixture, of pytest's."""
        return self._made.scope if self._made is not None else self._request.scope

    @property
    def loop_scope(self) -> str:
        """See TestContext."""
        return self._made.loop_scope if self._made is not None else ""

    @property
    def name_in_run(self) -> str:
        """The name under which all workers ask for it; "" for a lease of this process.

        Raises SettingError.
        """
        if self._made is None or not self._made.lasts.is_shared:
            return ""
        what = f"{self.fixture} of {self._made.place}"
        return self.session.name_in_run(self.name, what)

    @property
    def run(self) -> str:
        """The run's id."""
        return self.session.process.run

    @property
    def records(self) -> Path | None:
        """Where services write down what a later run wants to know; None for nowhere."""
        return self.session.records

    @property
    def root(self) -> Path:
        """pytest's rootdir."""
        return self.session.process.config.rootpath

    @cached_property
    def server(self) -> Server:
        """The ready server of the fixture. Raises TestkitError."""
        unique = ""
        if self._chosen == OWN_SERVER:
            self._refuse_own_server()
            unique = self._request.getfixturevalue(OWN_SERVERS)[self.name]
        server = self.session.server(self.name, unique)
        self.noted.servers[server.key] = self._of_test.servers[server.key] = server
        return server

    def note(self, kind: LeaseKind, lease: Lease) -> outcome.NotedLease:
        """Note a lease for the reports of tests that fail while they use it."""
        noted = self.noted.leases[self.fixture] = outcome.NotedLease(kind, lease)
        if self.is_wide:
            self._of_test.wider[self.fixture] = noted
        return noted

    @property
    def mode(self) -> str:
        """How this test is isolated: by its marker, or by the setting; "" for the default."""
        chosen = self._chosen
        if chosen and chosen != OWN_SERVER:
            return chosen
        return str(self.settings.get("isolation", ""))

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the fixture's server, without prefix."""
        return self.session.settings.server(self.name)

    def variables(self, handle: Any) -> Mapping[str, str]:
        """Return the variables of the setting `env` that name no other server, from `handle`."""
        return self.session.variables.filled_from(handle, self.name)

    @property
    def has_failed(self) -> bool:
        """Whether a set-up or call has failed."""
        return self.noted.failed

    def warn(self, *messages: str) -> None:
        """Tell of leftovers, naming the test. Raises LeftoverFound where the setting says so.

        What is told once a run is an error in every test: which one fails must not depend on which
        ones ran before.
        """
        wanted = self.session.settings["leftovers"]
        if wanted != "error":
            messages = tuple(each for each in messages if not each.startswith(AGAIN))
        message = "; ".join(each.removeprefix(AGAIN) for each in messages)
        where = self.nodeid
        if self.is_wide:
            where += f" ({self.fixture}, scope {self.scope})"
        if wanted == "error":
            raise LeftoverFound(
                f"{where} left something open",
                cause=message,
                looked_at=f"setting leftovers ({self.session.settings.source('leftovers')})",
                fix="close it in the test or in a fixture; the kit has closed it this time",
            )
        if wanted == "warn" and message:
            warnings.warn(LeftoverWarning(f"{where}: {message}"), stacklevel=2)

    @cached_property
    def _chosen(self) -> str:
        """The mode that the closest `wflo` marker names for this server, or ""."""
        for marker in self.node.iter_markers("wflo"):
            self._check(marker)
        return chosen_mode(self.node, self.name)

    def _refuse_own_server(self) -> None:
        """Raise SettingError for a lease that outlasts what would be its server."""
        if self.is_wide:
            raise SettingError(
                f"{self.fixture} cannot have a server of its own",
                cause=f"its scope is {self.scope}, and such a server lasts for one test",
                looked_at=f"the marker `wflo` of {self.nodeid}",
                fix=f"use the marker where {self.name}_* are of function scope",
            )

    def _check(self, marker: pytest.Mark) -> None:
        for name, mode in marker.kwargs.items():
            if name not in self.session.process.servers:
                raise unknown("server", name, list(self.session.process.servers), self.nodeid)
            modes = [*self.session.service(name).modes, OWN_SERVER]
            if mode not in modes:
                raise unknown(f"mode of {name}", mode, modes, self.nodeid)


def unknown(what: str, given: str, known: list[str], nodeid: str) -> SettingError:
    """Return the error for what a test's marker says."""
    near = difflib.get_close_matches(str(given), known, n=1)
    return SettingError(
        f"unknown {what}: {given!r}",
        looked_at=f"the marker `wflo` of {nodeid}",
        fix=(f"write {near[0]!r}; " if near else "") + "known are: " + ", ".join(known),
    )
