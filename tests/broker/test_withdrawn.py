"""What an asker that was interrupted asked for is taken back, however far it had come."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.client import BrokerClient
from wflo_testkit.broker.leases import Leases
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Build, Grant
from wflo_testkit.wait import wait_until

Connect = Callable[[str], BrokerClient]


def room(ask: Ask, number: int) -> Ask:
    return replace(ask, params={"room": True}, number=number)


def test_a_grant_that_reached_nobody(connect: Connect, ask: Ask, events: list[str]) -> None:
    client = connect("gw0")
    client.lease(replace(ask, number=3))
    client.withdraw(3)

    assert events == ["gw0 gets 0", "0 back"]


def test_only_what_the_same_process_asked_for_under_that_number(
    connect: Connect, ask: Ask, events: list[str]
) -> None:
    one, two = connect("gw0"), connect("gw1")
    for client in (one, two):
        client.lease(replace(ask, number=3))
    one.lease(replace(ask, number=4))
    one.lease(ask)
    one.withdraw(3)

    assert events[4:] == ["0 back"]


def test_work_that_nobody_knows_of_is_left_to_the_next(
    connect: Connect, ask: Ask, events: list[str]
) -> None:
    client = connect("gw0")
    assert isinstance(client.lease(room(ask, 1)), Build)
    client.withdraw(1)

    assert isinstance(connect("gw1").lease(room(ask, 1)), Build)
    assert events[1] == "room: the test that was making it was interrupted"


def is_under_way(broker: Broker, number: int) -> bool:
    return any(held.number == number for held in broker.leases._held.values())


def withdraw_while_it_waits(broker: Broker, connect: Connect, ask: Ask) -> object:
    """Ask for what another is building, withdraw before that is built; return what came of it."""
    builder, client = connect("gw1"), connect("gw0")
    build = builder.lease(room(ask, 1))
    assert isinstance(build, Build)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.lease, room(ask, 2))
        wait_until(lambda: is_under_way(broker, 2), timeout=20, describe="the question is there")
        client.withdraw(2)
        builder.built(build.token, None)
        return waiting.exception(20) or waiting.result()


def test_one_under_way_is_ended_by_whoever_makes_it(
    broker: Broker, connect: Connect, ask: Ask, events: list[str]
) -> None:
    assert isinstance(withdraw_while_it_waits(broker, connect, ask), IsolationFailed)

    assert events == ["gw1 builds", "room: built", "gw0 gets 0", "0 back"]


def test_mutant_that_forgets_what_was_withdrawn_leaves_it_held(
    broker: Broker, connect: Connect, ask: Ask, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Leases, "_is_wanted", lambda *_: True)

    assert isinstance(withdraw_while_it_waits(broker, connect, ask), Grant)
    assert events[-1] == "gw0 gets 0"


def test_a_question_that_arrives_after_it_was_withdrawn(
    broker: Broker, ask: Ask, events: list[str]
) -> None:
    """Two connections are read by two threads."""
    owner = broker.owner("gw0")
    owner.withdraw(5)
    with pytest.raises(IsolationFailed, match="nobody waits"):
        owner.lease(replace(ask, number=5))

    assert events == []


def test_one_that_was_given_back_is_not_given_back_twice(
    connect: Connect, ask: Ask, events: list[str]
) -> None:
    client = connect("gw0")
    grant = client.lease(replace(ask, number=6))
    assert isinstance(grant, Grant)
    client.release(grant.id, False)
    client.withdraw(6)

    assert events == ["gw0 gets 0", "0 back"]
