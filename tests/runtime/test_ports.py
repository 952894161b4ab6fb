"""Ports are published on one address family, and looked up by it."""

from __future__ import annotations

import ipaddress
import secrets
import socket

import pytest

from tests.services.third_party import notes_service
from wflo_testkit.broker.broker import Broker
from wflo_testkit.model import Spec
from wflo_testkit.runtime import ports
from wflo_testkit.runtime.address import Endpoint
from wflo_testkit.runtime.docker_session import DockerSession

OVERRIDES = ("TESTCONTAINERS_HOST_OVERRIDE", "TC_HOST")


@pytest.fixture
def own_address(session: DockerSession) -> str:
    """An address of this machine that is not loopback: the first one of Docker's own network."""
    network = session.client.client.api.inspect_network("bridge")
    return str(ipaddress.ip_network(network["IPAM"]["Config"][0]["Subnet"])[1])


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.9", "127.0.0.9"),
        ("localhost", "127.0.0.1"),
        ("LOCALHOST", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("::", "::1"),
        ("198.51.100.1", "0.0.0.0"),
        ("no-such-host.invalid", "0.0.0.0"),
        ("2001:db8::1", "::"),
    ],
)
def test_only_what_is_elsewhere_needs_all_addresses_of_its_family(host: str, address: str) -> None:
    assert ports.publish_address(host) == address


def test_another_address_of_this_machine_is_published_on_alone(own_address: str) -> None:
    assert ports.publish_address(own_address) == own_address


def test_a_name_of_this_machine_is_its_ipv4_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake resolver: the names of the machine that runs the tests are not known."""
    monkeypatch.setattr(socket, "gethostbyname", {"desk": "127.0.1.1", "far": "198.51.100.1"}.get)
    ports.literal.cache_clear()
    try:
        assert (ports.literal("desk"), ports.publish_address("desk")) == ("127.0.1.1", "127.0.1.1")
        assert (ports.literal("far"), ports.publish_address("far")) == ("far", "0.0.0.0")
    finally:
        ports.literal.cache_clear()


@pytest.mark.parametrize(
    ("url", "override", "host"),
    [
        ("unix:///var/run/docker.sock", "", "127.0.0.1"),
        ("unix:///var/run/docker.sock", "localhost", "127.0.0.1"),
        ("unix:///var/run/docker.sock", "no-such-host.invalid", "no-such-host.invalid"),
        ("tcp://localhost:2375", "", "127.0.0.1"),
        ("localhost:2375", "", "127.0.0.1"),
        ("tcp://:2375", "", "127.0.0.1"),
        ("tcp://[2001:db8::1]:2375", "", "2001:db8::1"),
        ("tcp://198.51.100.1:2375", "", "198.51.100.1"),
        ("tcp://198.51.100.1:2375", "localhost", "127.0.0.1"),
        ("ssh://user@198.51.100.1:22", "", "198.51.100.1"),
    ],
)
def test_ports_are_reached_at_the_override_or_the_daemons_own_host(
    url: str, override: str, host: str
) -> None:
    assert Endpoint(url, named=override).host == host


BOTH = [{"HostIp": "::", "HostPort": "32768"}, {"HostIp": "0.0.0.0", "HostPort": "32769"}]


@pytest.mark.parametrize(
    ("bindings", "address", "port"),
    [
        (BOTH, "127.0.0.1", 32769),
        (BOTH, "0.0.0.0", 32769),
        (BOTH, "::1", 32768),
        (BOTH[::-1], "127.0.0.1", 32769),
        (BOTH[:1], "127.0.0.1", None),
        ([*BOTH, {"HostIp": "127.0.0.1", "HostPort": "5"}], "127.0.0.1", 5),
        ([{"HostIp": "", "HostPort": "7"}], "127.0.0.1", 7),
        ([{"HostIp": "127.0.0.1", "HostPort": ""}], "127.0.0.1", None),
        ([], "127.0.0.1", None),
        (None, "127.0.0.1", None),
    ],
)
def test_a_port_is_looked_up_among_the_bindings_of_its_family(
    bindings: list[dict[str, str]] | None, address: str, port: int | None
) -> None:
    assert ports.host_port(bindings, address) == port


def test_mutant_that_takes_the_first_binding_gets_another_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "is_of_family", lambda _found, _address: True)

    assert ports.host_port(BOTH, "127.0.0.1") == 32768


@pytest.mark.parametrize(
    "variable", [OVERRIDES[0], pytest.param(OVERRIDES[1], marks=pytest.mark.slow)]
)
def test_with_the_override_localhost_nothing_is_published_beside_loopback(
    monkeypatch: pytest.MonkeyPatch, spec: Spec, variable: str
) -> None:
    monkeypatch.setenv(variable, "localhost")
    published_by(spec, "127.0.0.1")


def test_with_another_address_of_this_machine_it_is_that_one_alone(
    monkeypatch: pytest.MonkeyPatch, spec: Spec
) -> None:
    monkeypatch.setenv(OVERRIDES[0], "127.0.0.9")
    published_by(spec, "127.0.0.9")


def published_by(spec: Spec, address: str) -> None:
    """Check that server and reaper of a run have one binding each, on `address`, and serve."""
    session = DockerSession(secrets.token_hex(4))
    broker = Broker({"notes": notes_service.SERVICE}, session)
    try:
        server = broker.servers.get(spec)
        api = session.client.client.api
        for name in (server.container_id, f"wflo-reaper-{session.run}"):
            [several] = api.inspect_container(name)["NetworkSettings"]["Ports"].values()

            assert [each["HostIp"] for each in several] == [address]
        assert server.host == address
        assert notes_service.ask(server, "PING") == "PONG"
    finally:
        broker.close()
