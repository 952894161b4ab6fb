"""A server that tests use as a whole, for one test alone: its fixture is parametrized."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

import pytest

from wflo_testkit.plugin.prefetch import chosen_mode


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the marker of the test `nodeid` has chosen for such a server: its fixture's parameter.

    unique: tells the test's server from all others of that name.
    """

    nodeid: str
    mode: str
    unique: str = field(default_factory=partial(secrets.token_hex, 3))


def parametrize(metafunc: pytest.Metafunc, servers: Collection[str]) -> None:
    """Hand what a test's marker says of any of `servers` to that server's fixture.

    For a parameter that no other test has pytest sets the fixture up anew, with all that stands on
    it, and ends it before the next test that asks for the server (pytest's documentation, "Indirect
    parametrization" and "Automatic grouping of tests by fixture instances").
    """
    for server in servers:
        if f"{server}_server" not in metafunc.fixturenames:
            continue
        if mode := chosen_mode(metafunc.definition, server):
            choice = Chosen(metafunc.definition.nodeid, mode)
            hidden = [pytest.HIDDEN_PARAM]
            metafunc.parametrize(f"{server}_server", [choice], indirect=True, ids=hidden)


def chosen(request: pytest.FixtureRequest) -> Chosen | None:
    """Return what the marker has chosen for the server of this fixture, if anything."""
    param = getattr(request, "param", None)
    return param if isinstance(param, Chosen) else None
