"""A process holds as many connections to the broker as it asks questions at once, and one more."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.broker.conftest import Listening
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.client import BrokerClient, _Links
from wflo_testkit.broker.wire import Stream
from wflo_testkit.model import Grant
from wflo_testkit.wait import wait_until

Connect = Callable[[str], BrokerClient]


def test_threads_that_come_and_go_share_them(connect: Connect, ask: Ask) -> None:
    client = connect("gw0")
    for _ in range(50):
        thread = threading.Thread(target=client.summary)
        thread.start()
        thread.join()

    assert len(client._links.every) == 2


def test_many_threads_at_once_each_get_their_own_answer(connect: Connect, ask: Ask) -> None:
    client = connect("gw0")

    def lease_and_look(_n: int) -> tuple[int, int]:
        grant = client.lease(ask)
        assert isinstance(grant, Grant)
        looked = client.call(grant.id, "look", {})["desk"]
        return grant.data["desk"], looked

    with ThreadPoolExecutor(8) as pool:
        desks = list(pool.map(lease_and_look, range(200)))

    assert all(desk == looked for desk, looked in desks)
    assert sorted(desk for desk, _ in desks) == list(range(200))
    assert len(client._links.every) <= 9


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """interrupted(): the next question is sent, and Ctrl-C comes before its answer."""
    receive = Stream.receive

    def arm() -> None:
        def be_interrupted(self: Stream) -> object:
            if threading.current_thread() is not threading.main_thread():
                return receive(self)  # the broker
            monkeypatch.setattr(Stream, "receive", receive)
            raise KeyboardInterrupt

        monkeypatch.setattr(Stream, "receive", be_interrupted)

    return arm


def test_after_an_interruption_the_next_answer_is_to_the_next_question(
    connect: Connect, ask: Ask, interrupted: Callable[[], None]
) -> None:
    client = connect("gw0")
    client.summary()  # so that it is connected
    interrupted()
    with pytest.raises(KeyboardInterrupt):
        client.summary()

    assert isinstance(client.lease(ask), Grant)


def test_a_process_is_not_gone_before_its_first_connection_was_read(
    broker: Broker, waiting: Listening, events: list[str], ask: Ask
) -> None:
    """Two connections are read by two threads; one that closed may be read to its end first."""
    ours, its = socket.socketpair()
    connections = waiting.connections
    connections.serve(broker)
    peer = connections._joined(ours, "gw0", 1, False)
    broker.owner("gw0").lease(ask)
    connections._left(ours, peer)
    assert events == ["gw0 gets 0"]

    peer = connections._joined(its, "gw0", 1, True)
    connections._left(its, peer)
    ours.close()
    its.close()

    assert events == ["gw0 gets 0", "0 back"]


def test_mutant_that_uses_the_connection_on_gets_the_answer_to_another_question(
    connect: Connect,
    ask: Ask,
    interrupted: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = connect("gw0")
    client.summary()  # so that it is connected
    monkeypatch.setattr(_Links, "drop", _Links.put_back)
    interrupted()
    with pytest.raises(KeyboardInterrupt):
        client.summary()

    assert isinstance(client.lease(ask), list), "the rows, which are no lease"


def test_an_interrupted_process_keeps_what_it_holds(
    connect: Connect,
    ask: Ask,
    interrupted: Callable[[], None],
    events: list[str],
    listener: Listening,
) -> None:
    client = connect("gw0")
    held = client.lease(ask)
    assert isinstance(held, Grant)
    interrupted()
    with pytest.raises(KeyboardInterrupt):
        client.summary()
    wait_until(lambda: listener.open("gw0") == 1, timeout=20, describe="the broker notices")

    assert client.call(held.id, "look", {})["desk"] == 0
    assert events == ["gw0 gets 0"]


def test_a_process_that_comes_again_keeps_what_it_takes_while_its_first_is_given_back(
    broker: Broker, connect: Connect, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop, has_begun, may_go_on = broker.leases.drop_owner, threading.Event(), threading.Event()

    def slowly(owner: str) -> None:
        has_begun.set()
        may_go_on.wait(10)
        drop(owner)

    monkeypatch.setattr(broker.leases, "drop_owner", slowly)
    first = connect("gw0")
    first.lease(ask)
    first.close()
    assert has_begun.wait(10)
    second = connect("gw0")
    grant = second.lease(ask)
    assert isinstance(grant, Grant)
    may_go_on.set()
    wait_until(lambda: len(broker.leases._held) == 1, timeout=10)

    assert second.call(grant.id, "look", {})["desk"] == grant.data["desk"]
