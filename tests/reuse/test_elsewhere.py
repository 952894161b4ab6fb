"""A daemon that is not behind a local socket is asked by Docker's library."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial

import pytest

from tests.lifecycle.proxy import Proxy
from tests.reuse.conftest import Begin
from tests.reuse.parts import docker, kept_by, row_of
from tests.services.third_party import notes_service
from wflo_testkit.model import Spec
from wflo_testkit.runtime.address import DEFAULT, Endpoint
from wflo_testkit.runtime.engine import Engine, Refused
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.wait import wait_until

IMAGE = "wflo-testkit/redis:8"


@pytest.fixture(autouse=True)
def way(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The same daemon, over TCP."""
    way = Proxy()
    monkeypatch.setenv("DOCKER_HOST", way.address)
    yield way
    way.cut()


def test_its_servers_are_found_again_and_replaced(
    begin: Begin, spec: Spec, home: UserFolder
) -> None:
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
    begin: Begin, spec: Spec, home: UserFolder, way: Proxy, over: str
) -> None:
    server = begin().servers.get(spec)
    engine = Engine(Endpoint(way.address if over == "tcp" else DEFAULT))
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

    for _ in range(2):
        wait_until(lambda: engine.remove(server.container_id), timeout=30)

    assert kept_by(home) == []


@pytest.mark.parametrize("over", ["tcp", "socket"])
def test_both_ways_start_a_container_or_say_in_dockers_words_why_not(way: Proxy, over: str) -> None:
    engine = Engine(Endpoint(way.address if over == "tcp" else DEFAULT))
    names = [f"tests-{secrets.token_hex(4)}" for _ in range(2)]
    config = {"Image": IMAGE, "HostConfig": {"NetworkMode": "none"}}
    made = [engine.create(names[0], config | {"Cmd": ["sleep", "100"]})]
    try:
        engine.start(made[0])
        found = engine.container(names[0])
        assert found is not None
        assert found["State"]["Running"]
        made.append(engine.create(names[1], config | {"Entrypoint": ["no-such-program"]}))

        with pytest.raises(Refused, match="no-such-program") as caught:
            engine.start(made[1])
        assert caught.value.status == 400
        with pytest.raises(Refused, match="already in use") as caught:
            engine.create(names[0], config)
        assert caught.value.status == 409
    finally:
        for each in made:
            wait_until(partial(engine.remove, each), timeout=30)


def test_a_daemon_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(OSError, match="No such file"):
        Engine(Endpoint("unix:///nowhere/docker.sock")).container("x")
