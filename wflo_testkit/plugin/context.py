"""What the test-side code of a service sees of one test."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit.errors import LeftoverFound, LeftoverWarning, SettingError
from wflo_testkit.plugin import outcome
from wflo_testkit.plugin.kit import KIT

if TYPE_CHECKING:
    from wflo_testkit.model import Server

OWN_SERVER = "own_server"
"""The mode in which a test gets a server that nobody else uses."""

OWN_SERVERS = "_wflo_own_servers"
"""The fixture that removes such servers after everything that uses them."""


class Context:
    """A service.TestContext for one test and one server."""

    __test__ = False

    def __init__(self, request: pytest.FixtureRequest, name: str) -> None:
        self._request = request
        self.kit = request.config.stash[KIT]
        self.name = name

    @property
    def node(self) -> pytest.Item:
        item: pytest.Item = self._request.node
        return item

    @property
    def nodeid(self) -> str:
        return self.node.nodeid

    @cached_property
    def server(self) -> Server:
        unique = ""
        if self._chosen == OWN_SERVER:
            unique = self._request.getfixturevalue(OWN_SERVERS).unique(self.name)
        server = self.kit.server(self.name, unique)
        outcome.uses(self.node, server)
        return server

    @property
    def mode(self) -> str:
        chosen = self._chosen
        if chosen and chosen != OWN_SERVER:
            return chosen
        return str(self.settings.get("isolation", ""))

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        return self.kit.settings.server(self.name)

    def sibling(self, suffix: str) -> Any:
        return self._request.getfixturevalue(f"{self.name}_{suffix}")

    def warn(self, message: str) -> None:
        wanted = self.kit.settings["leftovers"]
        if wanted == "error":
            raise LeftoverFound(
                f"{self.nodeid} left something open",
                cause=message,
                looked_at=f"setting leftovers ({self.kit.settings.source('leftovers')})",
                fix="close it in the test or in a fixture; the kit has closed it this time",
            )
        if wanted == "warn":
            warnings.warn(LeftoverWarning(f"{self.nodeid}: {message}"), stacklevel=2)

    @cached_property
    def _chosen(self) -> str:
        """The mode that the closest `wflo` marker names for this server, or ""."""
        for marker in self.node.iter_markers("wflo"):
            self._check(marker)
            if self.name in marker.kwargs:
                return str(marker.kwargs[self.name])
        return ""

    def _check(self, marker: pytest.Mark) -> None:
        for name, mode in marker.kwargs.items():
            if name not in self.kit.names:
                raise _unknown("server", name, list(self.kit.names), self.nodeid)
            modes = [*self.kit.names[name].modes, OWN_SERVER]
            if mode not in modes:
                raise _unknown(f"mode of {name}", mode, modes, self.nodeid)


def _unknown(what: str, given: str, known: list[str], nodeid: str) -> SettingError:
    near = difflib.get_close_matches(str(given), known, n=1)
    return SettingError(
        f"unknown {what}: {given!r}",
        looked_at=f"the marker `wflo` of {nodeid}",
        fix=(f"write {near[0]!r}; " if near else "") + "known are: " + ", ".join(known),
    )
