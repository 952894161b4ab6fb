"""What a first lease needs is made as soon as a server is ready, without being asked."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.broker import desks
from wflo_testkit.broker import first_start
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import Prepares
from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.service import Service
from wflo_testkit.wait import wait_until

LIMIT = 30
SPEC = desks.spec(external="")


class Ready(desks.Desks):
    """Desks that are dusted ahead; may be told to fail, or to wait for `go_on`."""

    made: list[Ready]
    fails = False
    go_on: threading.Event

    def __init__(self, server: Server, run: str) -> None:
        super().__init__(server, run)
        self.made.append(self)

    def prepare(self) -> None:
        self.events.append("dusting")
        assert self.go_on.wait(LIMIT)
        if self.fails:
            raise OSError("no duster")
        self.events.append("dusted")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Ready]:
    """The isolations that the broker has made; what it starts is ready at once."""
    made: list[Ready] = []
    go_on = threading.Event()
    go_on.set()
    monkeypatch.setattr(Ready, "made", made, raising=False)
    monkeypatch.setattr(Ready, "go_on", go_on, raising=False)
    monkeypatch.setattr(first_start, "Starter", Instantly)
    return made


class Instantly:
    def __init__(self, *_given: Any) -> None: ...

    def start(self, spec: Spec, _service: Service) -> Server:
        return dataclasses.replace(desks.server(spec), is_external=False, key=spec.fingerprint)


@pytest.fixture
def broker(made: list[Ready]) -> Iterator[Broker]:
    assert issubclass(Ready, Prepares)
    row = dataclasses.replace(desks.SERVICE, isolation=Ready)
    broker = Broker({"desks": row}, DockerSession("0123abcd"))
    yield broker
    broker.close()


def eventually(check: Callable[[], object]) -> None:
    wait_until(check, timeout=LIMIT)


def test_nobody_has_to_lease_for_it(broker: Broker, made: list[Ready]) -> None:
    broker.owner("main").prefetch(SPEC)

    eventually(lambda: [each.events for each in made] == [["dusting", "dusted"]])


def test_a_lease_meets_the_same_isolation(broker: Broker, made: list[Ready]) -> None:
    key = broker.servers.get(SPEC).key

    assert broker.servers.isolation(key) is broker.servers.isolation(key)
    assert len(made) == 1


def test_an_error_is_left_to_the_lease_that_meets_it(
    broker: Broker, made: list[Ready], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ready, "fails", True)
    key = broker.servers.get(SPEC).key
    eventually(lambda: made and made[0].events == ["dusting"])

    assert broker.servers.isolation(key) is made[0]


def test_an_end_in_the_middle_closes_what_was_being_prepared(
    broker: Broker, made: list[Ready]
) -> None:
    Ready.go_on.clear()
    broker.owner("main").prefetch(SPEC)
    eventually(lambda: made and made[0].events == ["dusting"])
    end = threading.Thread(target=broker.close)
    end.start()
    Ready.go_on.set()
    end.join(LIMIT)

    assert [each.events for each in made] == [["dusting", "dusted", "closed"]]


def test_after_the_end_none_is_made(broker: Broker, made: list[Ready]) -> None:
    key = broker.servers.get(SPEC).key
    broker.close()
    closed = len(made)

    with pytest.raises(IsolationFailed, match="desks is given out no more"):
        broker.servers.isolation(key)
    assert len(made) == closed


def test_an_external_server_is_left_alone_until_somebody_leases(
    broker: Broker, made: list[Ready]
) -> None:
    broker.servers.get(desks.spec())
    for thread in threading.enumerate():
        if thread.name.startswith("wflo-start-"):
            thread.join(LIMIT)

    assert made == []
