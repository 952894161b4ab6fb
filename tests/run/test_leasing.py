"""A lease from the broker to its handle and back, without pytest between."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.broker import desks
from wflo_testkit import service
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.run import leasing
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.service import Lease, LeaseKind

LEARNT: list[Mapping[str, Any]] = []
EVENTS: list[str] = []


def learn(data: Mapping[str, Any]) -> None:
    LEARNT.append(data)


@contextmanager
def handle(lease: Lease, test: service.TestContext) -> Iterator[Lease]:
    EVENTS.append("open")
    yield lease
    EVENTS.append("closed")
    test.warn("a drawer was open")


def build(test: service.TestContext, data: Mapping[str, Any]) -> None:
    EVENTS.append(f"{test.inputs['plan']} {data['where']}")


KIND = LeaseKind(
    name="desk", doc="", handle=handle, params=lambda _test: {"room": True}, build=build
)


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker({"desks": desks.SERVICE}, DockerSession("0123abcd"))
    EVENTS.clear()
    LEARNT.clear()
    yield made
    made.close()


def context(broker: Broker) -> leasing.WithoutTest:
    return leasing.WithoutTest(
        nodeid="the lease shop",
        run="0123abcd",
        root=Path(),
        settings={},
        inputs={"plan": "a room"},
        find_server=lambda: broker.servers.get(desks.spec()),
        fill=lambda _handle: {},
    )


def test_what_is_missing_is_built_and_the_handle_is_closed_before_the_release(
    broker: Broker,
) -> None:
    own, test = broker.owner("main"), context(broker)
    ask = leasing.ask_for(KIND, test, number=3, shared="the desk")
    lease = leasing.take(own, KIND, test, ask, learn)
    leased = leasing.Leased(KIND, lease, test)

    def release() -> list[str]:
        EVENTS.append("released")
        return ["a cup"]

    assert (ask.kind, ask.test, ask.number, ask.shared) == ("desk", "the lease shop", 3, "the desk")
    assert leased.handle.call("look", at="it") == {"desk": 0, "did": "look", "at": "it"}
    assert leased.give_back(release) == ["a cup"]
    assert EVENTS == ["a room here", "open", "closed", "released"]
    assert LEARNT == [{"where": "here"}, {"desk": 0}, {"desk": 0, "did": "look", "at": "it"}]


def test_a_build_that_fails_is_told_to_the_broker_and_raised(broker: Broker) -> None:
    def fail(_test: service.TestContext, _data: Mapping[str, Any]) -> None:
        raise IsolationFailed("no wood")

    own, test = broker.owner("main"), context(broker)
    ask = leasing.ask_for(KIND, test)
    with pytest.raises(IsolationFailed, match="no wood"):
        leasing.take(own, replace(KIND, build=fail), test, ask, learn)

    isolation = broker.servers.isolation(ask.key)
    assert isinstance(isolation, desks.Desks)
    assert isolation.events == ["main builds", "room: IsolationFailed: no wood"]


def test_what_a_handle_calls_pickles(broker: Broker) -> None:
    test = context(broker)
    ask = leasing.ask_for(KIND, test)

    class Picklable:
        def __getattr__(self, verb: str) -> Any:
            return getattr(broker.owner("main"), verb)

        def __reduce__(self) -> Any:
            return str, ("the broker",)

    made: Any = Picklable()
    lease = leasing.take(made, KIND, test, ask, learn)
    copy = pickle.loads(pickle.dumps(lease.call))

    assert copy.args == ("the broker", learn, lease.id)


def test_the_release_is_not_skipped_where_the_handle_cannot_be_closed(broker: Broker) -> None:
    @contextmanager
    def stuck(lease: Lease, _test: service.TestContext) -> Iterator[Lease]:
        yield lease
        raise OSError("the drawer is stuck")

    own, test, kind = broker.owner("main"), context(broker), replace(KIND, handle=stuck)
    lease = leasing.take(own, kind, test, leasing.ask_for(kind, test), learn)
    with pytest.raises(OSError, match="stuck"):
        leasing.Leased(kind, lease, test).give_back(lambda: own.release(lease.id, False))

    with pytest.raises(IsolationFailed, match="given back"):
        lease.call("look")


def test_it_knows_no_pytest() -> None:
    code = "import sys, wflo_testkit.run.leasing as _; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
