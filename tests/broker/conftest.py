"""A broker that serves desks over its socket; needs no Docker."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.broker import desks
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.client import BrokerClient
from wflo_testkit.broker.process import Connections
from wflo_testkit.runtime import folders
from wflo_testkit.runtime.docker_session import DockerSession


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker({"desks": desks.SERVICE}, DockerSession("0123abcd"))
    yield broker
    broker.close()


@dataclass(frozen=True)
class Listening:
    """A broker's connections, and where they come in."""

    connections: Connections
    path: Path
    socket: socket.socket

    def open(self, owner: str) -> int:
        """Return how many connections the process of that name has."""
        peers = self.connections._peers.values()
        return sum(len(peer.connections) for peer in peers if peer.name == owner)


@contextmanager
def listening() -> Iterator[Listening]:
    """Yield connections without a broker yet, as while its modules load."""
    folder = folders.make()
    path = folder / "broker.sock"
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(path))
    bound.listen(64)
    made = Listening(Connections(bound), path, bound)
    yield made
    made.connections.close()
    folders.remove(folder)


@pytest.fixture
def waiting() -> Iterator[Listening]:
    with listening() as made:
        yield made


@pytest.fixture
def listener(broker: Broker, waiting: Listening) -> Listening:
    waiting.connections.serve(broker)
    return waiting


@pytest.fixture
def connect(listener: Listening) -> Iterator[Callable[[str], BrokerClient]]:
    """Connect as the owner of that name."""
    clients: list[BrokerClient] = []

    def connect(owner: str) -> BrokerClient:
        clients.append(BrokerClient(str(listener.path), owner))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def ask(broker: Broker) -> Ask:
    """Ask for a desk, no room needed."""
    key = broker.servers.get(desks.spec()).key
    return Ask(key=key, kind="desk", mode="", params={})


@pytest.fixture
def events(broker: Broker, ask: Ask) -> list[str]:
    """What has happened to the desks so far."""
    isolation = broker.servers.isolation(ask.key)
    assert isinstance(isolation, desks.Desks)
    return isolation.events
