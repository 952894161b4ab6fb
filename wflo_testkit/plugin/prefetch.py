"""Which servers the selected tests are going to share, so that these start ahead of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from wflo_testkit.plugin.process import PytestProcess

OWN_SERVER = "own_server"
"""The mode in which a test gets a server that nobody else uses."""


def begin(process: PytestProcess, items: Iterable[pytest.Item]) -> None:
    """Begin to start what `items` need: first the broker, which loads while the kit does here.

    Errors wait for the tests that they concern.
    """
    if tests := _count(process, items):
        if not process.invitation:
            with suppress(Exception):  # raised again, once asked for a server
                process.owner.begin()
        process.session.prefetch(tests)


def _count(process: PytestProcess, items: Iterable[pytest.Item]) -> Counter[str]:
    """Return shared server -> number of `items` that use it.

    Left out: what is skipped for certain, and what a test gets to itself.
    """
    found: Counter[str] = Counter()
    for item in items:
        if item.get_closest_marker("skip") is None:
            used = process.used_by(item).items()
            found.update(
                {server for name, server in used if _is_shared(process, item, name, server)}
            )
    return found


def _is_shared(process: PytestProcess, item: pytest.Item, fixture: str, server: str) -> bool:
    """Say whether `item` gets, by this fixture, the server that other tests get too."""
    if chosen_mode(item, server) != OWN_SERVER:
        return True
    return fixture == f"{server}_server" and process.session.service(server).leases != ()


def chosen_mode(item: pytest.Item, server: str) -> str:
    """Return the mode that the closest `wflo` marker names for a server, or ""."""
    for marker in item.iter_markers("wflo"):
        if server in marker.kwargs:
            return str(marker.kwargs[server])
    return ""
