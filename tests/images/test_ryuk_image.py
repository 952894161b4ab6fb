"""The Ryuk image's contract: filters acknowledged, what matches removed, itself spared."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable

import docker
import pytest
from docker.errors import NotFound

from tests.images.conftest import Box
from wflo_testkit.runtime.images import ResolvedImage
from wflo_testkit.wait import wait_until

Run = Callable[..., Box]
SOCKET = {"/var/run/docker.sock": {"bind": "/var/run/docker.sock", "mode": "rw"}}
QUICK = {"RYUK_RECONNECTION_TIMEOUT": "200ms"}


@pytest.fixture
def label() -> str:
    """A label that nothing else on this daemon has."""
    return f"dev.wflo.testkit.imagetest={secrets.token_hex(6)}"


@pytest.fixture
def ryuk(run: Run) -> Box:
    """Ryuk, ready for clients."""
    box = run("ryuk", ports=(8080,), environment=QUICK, volumes=SOCKET)
    box.wait_for_log("Started")
    return box


def say(box: Box, line: str) -> tuple[socket.socket, str]:
    """Send one line; return the open connection and the answer."""
    connection = socket.create_connection(("127.0.0.1", box.port(8080)), timeout=10)
    connection.sendall(line.encode() + b"\n")
    return connection, connection.recv(64).decode()


def test_each_filter_is_acknowledged(ryuk: Box, label: str) -> None:
    connection, answer = say(ryuk, f"label={label}")

    with connection:
        assert answer == "ACK\n"


def test_what_matches_goes_when_the_last_client_has_gone(
    client: docker.DockerClient, ryuk: Box, run: Run, label: str
) -> None:
    """Containers, networks and volumes; what does not match stays."""
    name, _, value = label.partition("=")
    other = run("redis")
    network = client.networks.create(f"imagetest-{value}", labels={name: value})
    volume = client.volumes.create(f"imagetest-{value}", labels={name: value})
    connection, _ = say(ryuk, f"label={label}")
    connection.close()

    def gone() -> bool:
        for get, key in ((client.networks.get, network.id), (client.volumes.get, volume.id)):
            try:
                get(key)
            except NotFound:
                continue
            return False
        return True

    wait_until(gone, timeout=20, describe="Ryuk has removed what matches")
    other.container.reload()
    assert other.container.status == "running"


def test_nothing_goes_while_a_client_is_connected(
    client: docker.DockerClient, ryuk: Box, label: str
) -> None:
    name, _, value = label.partition("=")
    network = client.networks.create(f"imagetest-{value}", labels={name: value})
    first, _ = say(ryuk, f"label={label}")
    second, _ = say(ryuk, f"label={label}")
    first.close()

    # Longer than the reconnection time-out: had it run, the network would be gone.
    second.settimeout(1.0)
    with pytest.raises(TimeoutError):
        second.recv(1)
    client.networks.get(network.id)

    second.close()
    assert ryuk.exit_code() == 0


def test_it_spares_itself(
    client: docker.DockerClient, run: Run, image_of: Callable[[str], ResolvedImage], label: str
) -> None:
    """A filter that its own label matches must not end it before its work is done."""
    name, _, value = label.partition("=")
    labels = {name: value}
    box = run("ryuk", ports=(8080,), environment=QUICK, volumes=SOCKET, labels=labels)
    box.wait_for_log("Started")
    connection, _ = say(box, f"label={label}")
    connection.close()

    assert box.exit_code() == 0
    assert client.images.get(image_of("ryuk").reference)


def test_without_any_client_it_leaves(run: Run) -> None:
    box = run(
        "ryuk", ports=(8080,), environment={"RYUK_CONNECTION_TIMEOUT": "200ms"}, volumes=SOCKET
    )

    assert box.exit_code() == 0
