"""A process holds as many connections to the broker as it asks questions at once, and one more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.client import Client
from wflo_testkit.broker.connection import Connection
from wflo_testkit.broker.listener import Listener
from wflo_testkit.model import Grant
from wflo_testkit.wait import wait_until

Connect = Callable[[str], Client]


def test_threads_that_come_and_go_share_them(connect: Connect, ask: Ask) -> None:
    client = connect("gw0")
    for _ in range(50):
        thread = threading.Thread(target=client.summary)
        thread.start()
        thread.join()

    assert len(client._all) == 2


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
    assert len(client._all) <= 9


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """interrupted(): the next question is sent, and Ctrl-C comes before its answer."""
    receive = Connection.ask

    def arm() -> None:
        def ask_and_be_interrupted(self: Connection, question: object) -> None:
            monkeypatch.setattr(Connection, "ask", receive)
            self._stream.write(b'{"do": "summary"}\n')
            self._stream.flush()
            raise KeyboardInterrupt

        monkeypatch.setattr(Connection, "ask", ask_and_be_interrupted)

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


def test_what_keeps_a_process_from_counting_as_gone_is_known_before_the_first_question(
    connect: Connect, ask: Ask, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hello that the broker has not read yet would not count when another connection closes."""
    opened: list[int] = []
    begin = Connection.__init__

    def count(self: Connection, path: str, owner: str) -> None:
        opened.append(listener._open[owner])
        begin(self, path, owner)

    monkeypatch.setattr(Connection, "__init__", count)
    connect("gw0").lease(ask)

    assert opened == [0, 1]


def test_mutant_that_uses_the_connection_on_gets_the_answer_to_another_question(
    connect: Connect,
    ask: Ask,
    interrupted: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = connect("gw0")
    client.summary()  # so that it is connected
    monkeypatch.setattr(client, "_drop", client._idle.append)
    interrupted()
    with pytest.raises(KeyboardInterrupt):
        client.summary()

    with pytest.raises((TypeError, AttributeError)):  # a list of rows is no lease
        client.lease(ask)


def test_an_interrupted_process_keeps_what_it_holds(
    connect: Connect,
    ask: Ask,
    interrupted: Callable[[], None],
    events: list[str],
    listener: Listener,
) -> None:
    client = connect("gw0")
    held = client.lease(ask)
    assert isinstance(held, Grant)
    interrupted()
    with pytest.raises(KeyboardInterrupt):
        client.summary()
    wait_until(lambda: listener._open["gw0"] == 1, timeout=20, describe="the broker notices")

    assert client.call(held.id, "look", {})["desk"] == 0
    assert events == ["gw0 gets 0"]
