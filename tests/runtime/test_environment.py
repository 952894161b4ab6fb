"""What the environment says of proxies is for remote daemons, and tests may change it any time."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping

import pytest

from tests.lifecycle.proxy import Proxy
from tests.services.third_party import notes_service
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import TestkitError
from wflo_testkit.model import Spec
from wflo_testkit.runtime import daemon
from wflo_testkit.runtime.address import Endpoint
from wflo_testkit.runtime.docker_session import DockerSession

NOBODY = "http://127.0.0.1:9"


class Changing(MutableMapping[str, str]):
    """The environment while a test takes a variable away, as whoever looks at all of it sees it."""

    def __init__(self, real: MutableMapping[str, str]) -> None:
        self._real = real

    def __getitem__(self, name: str) -> str:
        return self._real[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._real[name] = value

    def __delitem__(self, name: str) -> None:
        del self._real[name]

    def __iter__(self) -> Iterator[str]:
        yield "TESTS_JUST_TAKEN_AWAY"
        yield from self._real

    def __len__(self) -> int:
        return len(self._real) + 1


@pytest.fixture
def way() -> Iterator[Proxy]:
    """A way to the daemon over TCP."""
    way = Proxy()
    yield way
    way.cut()


def test_a_server_starts_while_a_test_changes_the_environment(
    broker: Broker, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", Changing(os.environ))
    with pytest.raises(KeyError, match="JUST_TAKEN_AWAY"):
        dict(os.environ)
    server = broker.servers.get(spec)

    assert notes_service.ask(server, "PING") == "PONG"
    assert broker.servers.logs(server.key, None)


def test_mutant_that_lets_requests_look_at_the_environment_fails_then(
    broker: Broker, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "_leave_the_environment_alone", lambda _api, **_options: None)
    monkeypatch.setattr(os, "environ", Changing(os.environ))
    with pytest.raises((KeyError, TestkitError), match="JUST_TAKEN_AWAY"):
        broker.servers.get(spec)


def test_no_proxy_is_asked_for_a_daemon_on_loopback(
    way: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, NOBODY)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    client = daemon.connect(Endpoint(way.address)).client

    assert client.ping()
    client.close()


def test_a_remote_daemon_is_reached_by_the_proxy_that_was_named_when_it_was_connected_to(
    way: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documentation's address 198.51.100.1 (RFC 5737) answers nowhere."""
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", way.address.replace("tcp", "http"))
    client = daemon.connect(Endpoint("tcp://198.51.100.1:2375")).client
    monkeypatch.setenv("HTTP_PROXY", NOBODY)

    assert client.ping()
    assert all(b"http://198.51.100.1:2375/" in head for head in way.heads)
    client.close()


@pytest.mark.parametrize(
    ("url", "proxied"),
    [
        ("unix:///var/run/docker.sock", False),
        ("npipe:////./pipe/docker_engine", False),
        ("ssh://user@198.51.100.1", False),
        ("tcp://127.0.0.1:2375", False),
        ("tcp://localhost:2375", False),
        ("tcp://[::1]:2375", False),
        ("tcp://198.51.100.1:2375", True),
        ("https://198.51.100.1:2376", True),
    ],
)
def test_which_daemons_a_proxy_may_stand_before(url: str, proxied: bool) -> None:
    assert Endpoint(url).is_proxied is proxied


def test_a_session_reads_the_environment_at_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://198.51.100.1:2375")
    session = DockerSession("0123abcd")
    monkeypatch.setenv("DOCKER_HOST", "tcp://198.51.100.2:2375")

    assert session.host == "198.51.100.1"
    assert str(session.endpoint) == "tcp://198.51.100.1:2375 (environment: DOCKER_HOST)"
