"""A server that tests use as a whole, for one test alone: its fixture is parametrized."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

import pytest

from wflo_testkit.errors import SettingError
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


def refuse(item: pytest.Item, servers: Collection[str]) -> None:
    """Fail a test that would share one of `servers` though its marker says that it must not.

    A marker of a class or a module may be about others of its tests.
    """
    has = getattr(getattr(item, "callspec", None), "params", ())
    for server in servers:
        fixture = f"{server}_server"
        if fixture in has or not chosen_mode(item, server):
            continue
        if fixture in getattr(item, "fixturenames", ()):
            raise _shared(item, server, _why_without_parameter(item))
        if any(server in mark.kwargs for mark in item.own_markers if mark.name == "wflo"):
            raise _shared(item, server, f"it does not take {fixture} as an argument")


def chosen(request: pytest.FixtureRequest) -> Chosen | None:
    """Return what the marker has chosen for the server of this fixture, if anything."""
    param = getattr(request, "param", None)
    return param if isinstance(param, Chosen) else None


def _why_without_parameter(item: pytest.Item) -> str:
    from unittest import TestCase

    if issubclass(getattr(item, "cls", None) or object, TestCase):
        return "methods of unittest.TestCase have no parameters"
    return (
        "the marker is of one set of parameters, or added later: pytest had made the tests by then"
    )


def _shared(item: pytest.Item, server: str, cause: str) -> BaseException:
    """Return the failure of a test that cannot have a server to itself."""
    error = SettingError(
        f"this test cannot have {server} to itself",
        cause=cause,
        looked_at=f"the marker `wflo` of {item.nodeid}",
        fix=f"write a function, def test({server}_server), and the marker right above it",
    )
    return pytest.fail.Exception(error.text, pytrace=False)
