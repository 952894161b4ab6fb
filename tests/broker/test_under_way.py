"""What is being made for somebody who dies meanwhile is ended by the broker, once it is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.broker import desks
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.leases import Leases
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import Build, Grant
from wflo_testkit.wait import wait_until

Waiting = Callable[[str], "Future[Grant | Build]"]


@pytest.fixture
def room(ask: Ask) -> Ask:
    return replace(ask, params={"room": True})


@pytest.fixture
def build(broker: Broker, room: Ask) -> Build:
    """The room, which `builder` is building: who asks for a desk waits."""
    build = broker.owner("builder").lease(room)
    assert isinstance(build, Build)
    return build


@pytest.fixture
def waiting(broker: Broker, room: Ask, build: Build) -> Iterator[Waiting]:
    """waiting(owner): asks, and returns once the broker is about to make the lease."""
    with ThreadPoolExecutor(2) as pool:

        def ask_for(owner: str) -> Future[Grant | Build]:
            asked = pool.submit(broker.owner(owner).lease, room)
            wait_until(lambda: owner in owners(broker), timeout=20, describe="it is under way")
            return asked

        yield ask_for
        broker.owner("builder").built(build.token, "the test is over")


def owners(broker: Broker) -> list[str]:
    return [held.owner for held in broker.leases._held.values()]


def test_a_lease(broker: Broker, build: Build, waiting: Waiting, events: list[str]) -> None:
    asked = waiting("dies")
    broker.owner("dies").close()
    broker.owner("builder").built(build.token, None)

    assert isinstance(asked.exception(20), IsolationFailed)
    assert events[-2:] == ["dies gets 0", "0 back"]
    assert owners(broker) == []


def test_a_build_is_left_to_the_next(
    broker: Broker, build: Build, waiting: Waiting, events: list[str]
) -> None:
    asked = waiting("dies")
    broker.owner("dies").close()
    broker.owner("builder").built(build.token, "no bricks")
    assert isinstance(asked.exception(20), IsolationFailed)

    assert events[-2:] == ["dies builds", "room: nobody waits for it any more"]
    assert owners(broker) == []


def test_what_another_waits_for_at_the_same_time_is_its_own(
    broker: Broker, build: Build, waiting: Waiting
) -> None:
    dies, lives = waiting("dies"), waiting("lives")
    broker.owner("dies").close()
    broker.owner("builder").built(build.token, None)

    assert isinstance(dies.exception(20), IsolationFailed)
    assert isinstance(lives.result(20), Grant)
    assert owners(broker) == ["lives"]


def test_mutant_that_does_not_look_leaves_it_held_by_a_dead_one(
    broker: Broker,
    build: Build,
    waiting: Waiting,
    events: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Leases, "_is_wanted", lambda *_: True)
    asked = waiting("dies")
    broker.owner("dies").close()
    broker.owner("builder").built(build.token, None)

    assert isinstance(asked.result(20), Grant)
    assert events[-1] == "dies gets 0"


def test_a_call_is_waited_for_and_later_ones_find_no_lease(
    broker: Broker, ask: Ask, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    called, go_on, call = threading.Event(), threading.Event(), desks.Desks.call

    def slowly(self: desks.Desks, lease: HeldLease, verb: str, args: dict[str, str]) -> object:
        called.set()
        go_on.wait(20)
        events.append(verb)
        return call(self, lease, verb, args)

    monkeypatch.setattr(desks.Desks, "call", slowly)
    owner = broker.owner("main")
    grant = owner.lease(ask)
    assert isinstance(grant, Grant)
    with ThreadPoolExecutor(2) as pool:
        tidied = pool.submit(owner.call, grant.id, "tidy", {})
        assert called.wait(20)
        pool.submit(owner.release, grant.id, False)
        wait_until(lambda: not owners(broker), timeout=20, describe="the lease is going back")
        with pytest.raises(IsolationFailed, match="after it had been given back"):
            owner.call(grant.id, "tidy", {})
        go_on.set()
        assert tidied.result(20)["did"] == "tidy"

    assert events == ["main gets 0", "tidy", "0 back"]


def test_notes_of_a_lease_last_as_long_as_the_lease(broker: Broker, ask: Ask) -> None:
    owner = broker.owner("main")
    first = owner.lease(ask)
    assert isinstance(first, Grant)
    owner.call(first.id, "tidy", {})
    owner.call(first.id, "wipe", {})
    assert owner.call(first.id, "recall", {}) == ["tidy", "wipe"]

    owner.release(first.id, False)
    second = owner.lease(ask)
    assert isinstance(second, Grant)
    assert owner.call(second.id, "recall", {}) == []


def test_what_was_kept_is_handed_on_when_the_run_ends_and_what_is_held_goes_first(
    broker: Broker, ask: Ask, events: list[str]
) -> None:
    owner = broker.owner("main")
    kept, _held = owner.lease(ask), owner.lease(ask)
    assert isinstance(kept, Grant)
    owner.release(kept.id, True)
    broker.close()

    assert events[2:] == ["0 back, kept", "1 back", "closed, desk 0 is kept"]


Dying = Callable[[], "Future[None]"]


@pytest.fixture
def dying(
    broker: Broker, ask: Ask, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dying]:
    """dying(): what a process held is being given back, which takes until the broker closes."""
    release, begun, go_on = desks.Desks.release, threading.Event(), threading.Event()

    def take_long(self: desks.Desks, lease: HeldLease, *, keep: bool) -> list[str]:
        begun.set()
        go_on.wait(20)
        return release(self, lease, keep=keep)

    monkeypatch.setattr(desks.Desks, "release", take_long)
    with ThreadPoolExecutor(2) as pool:

        def die() -> Future[None]:
            broker.owner("dies").lease(ask)
            pool.submit(broker.owner("dies").close)
            assert begun.wait(20)
            closing = pool.submit(broker.close)
            wait_until(
                lambda: broker.leases._ended._waiters or "closed" in events,  # type: ignore[attr-defined]
                timeout=20,
                describe="the broker waits, or has closed",
            )
            go_on.set()
            return closing

        yield die


def test_a_server_is_closed_after_what_is_being_given_back_to_it(
    dying: Dying, events: list[str]
) -> None:
    dying().result(20)

    assert events == ["dies gets 0", "0 back", "closed"]


def test_mutant_that_waits_for_no_end_closes_too_early(
    dying: Dying, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wflo_testkit.broker.leases.END_TIMEOUT", 0.0)
    dying().result(20)

    wait_until(lambda: events[-1] == "0 back", timeout=20, describe="it comes back all the same")
    assert events == ["dies gets 0", "closed", "0 back"]
