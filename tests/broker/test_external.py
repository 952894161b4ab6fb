"""On an external server what older runs have left is dropped behind the tests' backs."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.broker import desks
from wflo_testkit.broker import external
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.external import MAX_AGE
from wflo_testkit.dated import age, dated
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import Sweeps
from wflo_testkit.model import Grant, Server
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.wait import clock

LIMIT = 30
ASK = Ask(key=desks.spec().fingerprint, kind="desk", mode="", params={})


class Place(desks.Desks):
    """Desks on which runs have left things."""

    def __init__(self, server: Server, run: str) -> None:
        super().__init__(server, run)
        self.run = run
        self.things: dict[str, int] = {}
        self.resists: set[str] = set()
        self.is_open = threading.Event()
        self.is_open.set()
        self.stepped = threading.Event()

    def abandoned(self) -> list[str]:
        assert self.is_open.wait(LIMIT)
        return [run for run, count in self.things.items() if count]

    def sweep(self, runs: Sequence[str]) -> Iterator[None]:
        for run in runs:
            if run in self.resists:
                raise IsolationFailed(f"what {run} made resists")
            while self.things[run]:
                self.things[run] -= 1
                self.stepped.set()
                yield


def ago(hours: float) -> str:
    return dated("aa", clock.wall() - hours * 3600)


@pytest.fixture
def begin() -> Iterator[Callable[..., Broker]]:
    """begin(place): a broker on whose external server is what `place` says.

    own: how much the run itself has there.
    """
    begun: list[Broker] = []

    def begin(place: Place, max_age: float = MAX_AGE, own: int = 0) -> Broker:
        def isolation(_server: Server, run: str) -> Place:
            place.run = run
            place.things |= {run: own} if own else {}
            return place

        row = dataclasses.replace(desks.SERVICE, isolation=isolation)
        begun.append(Broker({"desks": row}, DockerSession("0123abcd"), external_max_age=max_age))
        return begun[-1]

    yield begin
    for broker in begun:
        broker.close()


def use(broker: Broker) -> None:
    """Take and give back one part, as a test does."""
    owner = broker.owner("main")
    owner.server(desks.spec())
    granted = owner.lease(ASK)
    assert isinstance(granted, Grant)
    owner.release(granted.id, False)


@pytest.fixture
def place() -> Place:
    return Place(desks.server(desks.spec()), "")


Begin = Callable[..., Broker]


def test_what_is_older_than_the_age_goes_and_nothing_else(place: Place, begin: Begin) -> None:
    assert isinstance(place, Sweeps)
    place.things = {ago(25): 3, ago(24.1): 2, ago(23.9): 3, ago(0): 1, ago(-48): 1}
    broker = begin(place)

    use(broker)
    broker.close()

    assert list(place.things.values()) == [0, 0, 3, 1, 1]


def test_the_age_can_be_set(place: Place, begin: Begin) -> None:
    place.things = {ago(2): 1, ago(0.5): 1}
    broker = begin(place, max_age=3600)

    use(broker)
    broker.close()

    assert list(place.things.values()) == [0, 1]


def test_without_a_look_at_the_age_a_young_run_would_lose_what_it_has(
    place: Place, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks above must be able to fail."""
    monkeypatch.setattr("wflo_testkit.dated.age", lambda _run, _now: float("inf"))
    place.things = {ago(0): 1}
    broker = begin(place)

    use(broker)
    broker.close()

    assert list(place.things.values()) == [0]


def test_a_run_never_sweeps_itself(place: Place, begin: Begin) -> None:
    place.things = {ago(1): 1}
    broker = begin(place, max_age=-1000, own=1)

    use(broker)
    broker.close()

    assert list(place.things.values()) == [0, 1]


def test_the_run_is_dated_when_it_first_makes_something_there(place: Place, begin: Begin) -> None:
    broker = begin(place)
    broker.owner("main").server(desks.spec())
    assert place.run == ""

    use(broker)

    assert place.run.endswith("_0123abcd")
    assert age(place.run, clock.wall()) < 120


def test_no_test_waits_for_it(place: Place, begin: Begin) -> None:
    place.is_open.clear()
    place.things = {ago(25): 1}
    broker = begin(place)

    use(broker)
    assert list(place.things.values()) == [1]

    place.is_open.set()
    broker.close()
    assert list(place.things.values()) == [0]


def test_no_run_fails_for_it_and_what_resists_does_not_save_the_rest(
    place: Place, begin: Begin
) -> None:
    resisting = ago(26)
    place.things = {ago(27): 1, resisting: 1, ago(25): 1}
    place.resists = {resisting}
    broker = begin(place)

    use(broker)
    broker.close()

    assert [run for run, count in place.things.items() if count] == [resisting]


def test_a_server_that_cannot_be_asked_harms_nobody(
    place: Place, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> list[str]:
        place.stepped.set()
        raise IsolationFailed("no rights")

    monkeypatch.setattr(place, "abandoned", refused)
    broker = begin(place)

    use(broker)
    broker.close()

    assert place.stepped.is_set()


def test_a_long_sweep_ends_with_the_run_and_the_next_one_goes_on(
    place: Place, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "CLEARING_TIMEOUT", 0.01)
    old, many = ago(25), 10**9
    place.things = {old: many}
    broker = begin(place)
    use(broker)
    assert place.stepped.wait(LIMIT)
    broker.close()
    assert 0 < place.things[old] < many

    monkeypatch.undo()
    place.things = {old: 2}
    following = begin(place)
    use(following)
    following.close()

    assert place.things == {old: 0}


def test_an_isolation_that_cannot_sweep_is_let_be() -> None:
    broker = Broker({"desks": desks.SERVICE}, DockerSession("0123abcd"))

    use(broker)
    broker.close()

    assert not isinstance(desks.Desks(desks.server(desks.spec()), ""), Sweeps)
