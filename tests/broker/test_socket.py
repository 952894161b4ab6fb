"""Over the socket the broker behaves as it does in one process."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import pytest

from tests.broker import desks
from tests.broker.conftest import Listening
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.client import BrokerClient
from wflo_testkit.errors import BrokerLost, IsolationFailed, StartFailed
from wflo_testkit.model import Build, Grant

Connect = Callable[[str], BrokerClient]


def test_a_lease_goes_out_and_comes_back_with_what_was_left(connect: Connect, ask: Ask) -> None:
    client = connect("gw0")
    grant = client.lease(ask)
    assert isinstance(grant, Grant)

    assert grant.data == {"desk": 0}
    assert client.call(grant.id, "tidy", {"well": True}) == {
        "desk": 0,
        "did": "tidy",
        "well": True,
    }
    assert client.release(grant.id, False) == ["a cup was left on desk 0"]
    assert client.release(grant.id, False) == []


def test_both_ways_to_the_broker_give_the_same_server(broker: Broker, connect: Connect) -> None:
    assert connect("gw0").server(desks.spec()) == broker.owner("main").server(desks.spec())


def test_an_error_crosses_with_its_kind_and_every_part(connect: Connect, ask: Ask) -> None:
    with pytest.raises(IsolationFailed, match="after it had been given back") as caught:
        connect("gw0").call("gone", "tidy", {})

    assert caught.value.fix == "use a fixture's value only while its test runs"


def test_a_start_that_fails_is_the_same_failure_for_everybody(
    broker: Broker, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[str] = []

    def refuse(given: object) -> None:
        starts.append("tried")
        raise StartFailed("no desks today", cause="strike")

    broken = dataclasses.replace(desks.SERVICE, external=refuse)
    monkeypatch.setattr(broker.servers, "_services", {"desks": broken})
    for owner in ("gw0", "gw1", "gw2"):
        with pytest.raises(StartFailed, match="no desks today"):
            connect(owner).server(desks.spec("other"))

    assert starts == ["tried"]


def test_one_thread_may_build_while_another_of_the_same_process_waits(
    connect: Connect, ask: Ask, events: list[str]
) -> None:
    client = connect("gw0")
    needs_room = dataclasses.replace(ask, params={"room": True})
    build = client.lease(needs_room)
    waiter = threading.Thread(target=lambda: client.lease(needs_room))
    waiter.start()
    assert isinstance(build, Build)
    client.built(build.token, None)
    waiter.join(10)

    assert events == ["gw0 builds", "room: built", "gw0 gets 0"]


def test_a_client_learns_that_the_broker_is_gone(listener: Listening, connect: Connect) -> None:
    client = connect("gw0")
    client.summary()
    listener.connections.close()

    with pytest.raises(BrokerLost, match="owns the containers, is gone"):
        client.summary()


def test_nonsense_on_the_socket_harms_nobody(listener: Listening, connect: Connect) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(listener.path))
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")

    assert connect("gw0").summary() == []
