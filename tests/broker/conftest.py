"""A broker that serves desks over its socket; needs no Docker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.broker import desks
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.client import Client
from wflo_testkit.broker.core import Core
from wflo_testkit.broker.listener import Listener
from wflo_testkit.runtime.session import Session


@pytest.fixture
def core() -> Iterator[Core]:
    core = Core({"desks": desks.SERVICE}, Session("0123abcd"))
    yield core
    core.close()


@pytest.fixture
def listener(core: Core) -> Iterator[Listener]:
    listener = Listener(core)
    yield listener
    listener.close()


@pytest.fixture
def connect(listener: Listener) -> Iterator[Callable[[str], Client]]:
    """Connect as the owner of that name."""
    clients: list[Client] = []

    def connect(owner: str) -> Client:
        clients.append(Client(str(listener.path), owner))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def ask(core: Core) -> Ask:
    """Ask for a desk, no room needed."""
    key = core.servers.get(desks.spec()).key
    return Ask(key=key, kind="desk", mode="", params={})


@pytest.fixture
def events(core: Core, ask: Ask) -> list[str]:
    """What has happened to the desks so far."""
    isolation = core.servers.isolation(ask.key)
    assert isinstance(isolation, desks.Desks)
    return isolation.events
