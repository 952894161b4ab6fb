"""A daemon that is not behind a local socket is asked by Docker's library."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lifecycle.proxy import Proxy
from tests.reuse.conftest import Begin
from tests.reuse.parts import docker, kept_by, row_of
from tests.services.third_party import notes_service
from wflo_testkit.model import Spec
from wflo_testkit.runtime.reuse.engine import Engine
from wflo_testkit.runtime.reuse.home import Home


@pytest.fixture(autouse=True)
def way(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The same daemon, over TCP."""
    way = Proxy()
    monkeypatch.setenv("DOCKER_HOST", way.address)
    yield way
    way.cut()


def test_its_servers_are_found_again_and_replaced(begin: Begin, spec: Spec, home: Home) -> None:
    started = begin().servers.get(spec)
    second = begin()
    assert second.servers.get(spec).container_id == started.container_id
    assert row_of(second)["reused"] == "found"

    docker("rm", "-fv", started.container_id)
    replaced = begin().servers.get(spec)

    assert kept_by(home) == [replaced.container_id]
    assert notes_service.ask(replaced, "PING") == "PONG"


def test_a_local_daemons_server_is_not_taken_for_its(
    begin: Begin, spec: Spec, monkeypatch: pytest.MonkeyPatch, way: Proxy
) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    local = begin().servers.get(spec)
    monkeypatch.setenv("DOCKER_HOST", way.address)
    other = begin().servers.get(spec)

    assert other.is_shared
    assert other.container_id != local.container_id


@pytest.mark.parametrize("over", ["tcp", "socket"])
def test_both_ways_give_the_same_answers(
    begin: Begin, spec: Spec, home: Home, way: Proxy, over: str
) -> None:
    server = begin().servers.get(spec)
    engine = Engine(way.address if over == "tcp" else "unix:///var/run/docker.sock")
    found = engine.container(server.container_id)

    assert found is not None
    assert found["Id"] == server.container_id
    assert engine.image_id(server.image) == found["Image"]
    assert engine.has_network(home.network)
    assert engine.container("wflo-no-such-container") is None
    assert engine.image_id("wflo-no-such-image") == ""
    assert not engine.has_network("wflo-no-such-network")
    listed = engine.containers(f"dev.wflo.testkit.home={home.label}")
    assert [each["Id"] for each in listed] == [server.container_id]

    engine.remove(server.container_id)
    engine.remove(server.container_id)

    assert kept_by(home) == []


def test_a_daemon_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(OSError, match="No such file"):
        Engine("unix:///nowhere/docker.sock").container("x")
