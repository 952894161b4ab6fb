"""A lease of the run: made once, held by all who ask, given back when the run ends."""

from __future__ import annotations

import dataclasses
import json
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.broker import desks
from tests.broker.conftest import Listening
from wflo_testkit.broker import leases as broker_leases
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.client import BrokerClient
from wflo_testkit.broker.shared import Shared
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Grant, LeaseRequest
from wflo_testkit.wait import wait_until

Connect = Callable[[str], BrokerClient]


@pytest.fixture
def shared(ask: Ask) -> Ask:
    """Ask for the run's desk, which needs a room."""
    return dataclasses.replace(ask, shared="the desk", params={"room": True})


def take(client: BrokerClient, ask: Ask) -> Grant:
    """Lease, building what is named."""
    while not (got := client.lease(ask)).is_granted:
        client.built(got.token, None)
    assert isinstance(got, Grant)
    return got


def test_all_get_one_and_it_goes_back_at_the_runs_end(
    broker: Broker, connect: Connect, shared: Ask, ask: Ask, events: list[str]
) -> None:
    first, second = connect("gw0"), connect("gw1")
    one, other = take(first, shared), take(second, shared)
    own = take(second, ask)
    assert one.data == other.data
    assert one.data != own.data

    first.release(one.id, True)
    first.close()
    assert second.call(other.id, "look", {})["desk"] == one.data["desk"]
    second.release(other.id, False)
    late = take(connect("gw2"), shared)
    assert late.data == one.data
    assert events == ["run builds", "room: built", "run gets 0", "gw1 gets 1"]

    broker.close()
    assert events[4:] == ["1 back", "0 back, kept", "closed, desk 0 is kept"]


def test_different_ones_are_told_apart_by_name_and_by_what_they_contain(
    connect: Connect, shared: Ask, events: list[str]
) -> None:
    client = connect("gw0")
    others = [
        dataclasses.replace(shared, shared="another"),
        dataclasses.replace(shared, params={"room": "large"}),
        dataclasses.replace(shared, test="another_test.py::test", number=7),
    ]
    found = [take(client, each).data["desk"] for each in (shared, *others)]

    assert found == [0, 1, 2, 0]


def test_a_reset_is_for_who_holds_it_alone(connect: Connect, shared: Ask) -> None:
    first, second = connect("gw0"), connect("gw1")
    one = take(first, shared)
    take(first, shared)
    assert first.call(one.id, "reset", {})["did"] == "reset", "one process holds it, twice"

    other = take(second, shared)
    with pytest.raises(IsolationFailed, match="while several workers hold it") as error:
        second.call(other.id, "reset", {})
    assert "gw0 and gw1 hold it" in error.value.text
    assert second.call(other.id, "look", {})["did"] == "look"

    first.close()
    wait_until(lambda: second.call(other.id, "reset", {}), timeout=20, describe="gw0 is gone")


def test_what_was_given_back_is_not_the_holders_any_more(connect: Connect, shared: Ask) -> None:
    client = connect("gw0")
    grant = take(client, shared)
    assert client.release(grant.id, False) == [], "nobody is blamed for what others left"

    with pytest.raises(IsolationFailed, match="used after it had been given back"):
        client.call(grant.id, "look", {})


def test_an_interrupted_asker_leaves_it_to_the_others(
    connect: Connect, shared: Ask, events: list[str]
) -> None:
    client = connect("gw0")
    assert not client.lease(dataclasses.replace(shared, number=3)).is_granted
    client.withdraw(3)
    take(connect("gw1"), shared)

    assert events == [
        "run builds",
        "room: the test that was making it was interrupted",
        "run builds",
        "room: built",
        "run gets 0",
    ]


FIGHTER = """
import json, sys
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.client import BrokerClient

path, owner, ask = sys.argv[1:]
client = BrokerClient(path, owner)
print("ready", flush=True)
sys.stdin.readline()
while not (got := client.lease(Ask(**json.loads(ask)))).is_granted:
    print("builds", flush=True)
    sys.stdin.readline()
    client.built(got.token, None)
print(json.dumps(dict(got.data)), flush=True)
sys.stdin.read()
"""


class Fighter:
    """A process that asks for the run's lease."""

    def __init__(self, listener: Listening, owner: str, ask: Ask) -> None:
        words = [str(listener.path), owner, json.dumps(dataclasses.asdict(ask))]
        self.process = subprocess.Popen(
            [sys.executable, "-c", FIGHTER, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.says() == "ready"

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@pytest.fixture
def fighters(listener: Listening, shared: Ask) -> Iterator[list[Fighter]]:
    both = [Fighter(listener, owner, shared) for owner in ("gw0", "gw1")]
    yield both
    for each in both:
        each.process.kill()
        each.process.communicate()


def test_of_two_processes_that_fight_for_it_one_is_killed_and_the_other_makes_it(
    fighters: list[Fighter], connect: Connect, shared: Ask, events: list[str]
) -> None:
    for each in fighters:
        each.go_on()
    outputs = [each.process.stdout for each in fighters]
    ready, _, _ = select.select(outputs, [], [], 20)
    builder = fighters[outputs.index(ready[0])]
    other = fighters[1 - fighters.index(builder)]
    assert builder.says() == "builds"
    builder.process.kill()
    assert other.says() == "builds"
    other.go_on()
    granted = json.loads(other.says())
    other.process.kill()

    later = take(connect("gw2"), shared)
    assert later.data == granted, "it is the run's, whoever has made it"
    assert events.count("run gets 0") == 1
    assert not any("back" in each for each in events)


def test_mutant_whose_lease_is_the_first_askers_gives_each_its_own(
    connect: Connect, shared: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_leases, "name_of", lambda ask: f"{ask.shared} {ask.test}")
    asks = [dataclasses.replace(shared, test=test) for test in ("a", "b")]
    found = [take(connect(f"gw{n}"), each).data for n, each in enumerate(asks)]

    assert found[0] != found[1], "so the comparison of the first test sees it"


def test_mutant_that_does_not_count_the_holders_resets_under_the_others_hands(
    connect: Connect, shared: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Shared.call

    def careless(self: Shared, verb: str, args: Mapping[str, Any], _holders: set[str]) -> Any:
        return call(self, verb, args, set())

    monkeypatch.setattr(Shared, "call", careless)
    take(connect("gw0"), shared)
    client = connect("gw1")

    assert client.call(take(client, shared).id, "reset", {})["did"] == "reset"


def test_mutant_without_turns_makes_it_twice(
    broker: Broker, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two askers in step: each sees that it is missing before either has made it."""
    isolation = broker.servers.isolation(ask.key)
    made = Shared(ask.key, isolation)
    lease = desks.Desks.lease
    request = LeaseRequest(kind="desk", mode="", params={}, id="1", owner="gw0")

    class Free:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    answers = []

    def in_step(self: desks.Desks, asked: LeaseRequest) -> Any:
        monkeypatch.setattr(desks.Desks, "lease", lease)
        answers.append(made.get(request))  # the other one, meanwhile
        return lease(self, asked)

    monkeypatch.setattr(made, "_turn", Free())
    monkeypatch.setattr(desks.Desks, "lease", in_step)
    answers.append(made.get(request))

    assert answers[0] != answers[1]
