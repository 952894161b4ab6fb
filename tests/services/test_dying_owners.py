"""Of two processes that lease at once one is killed: what it got, or was getting, comes back."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.broker.conftest import Listening, listening
from tests.services.asker import Asker, asker
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import HeldLease, Isolation
from wflo_testkit.model import Build, LeaseRequest
from wflo_testkit.wait import pause, wait_until

pytestmark = pytest.mark.slow

SERVICES = ("postgres", "redis", "kafka", "temporal")

FIGHTER = """
import json, sys
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.client import BrokerClient

path, owner, ask, times, gives_back = sys.argv[1:]
client, ask = BrokerClient(path, owner), Ask(**json.loads(ask))
print("here", flush=True)
for _ in range(int(times)):
    grant = client.lease(ask)
    if gives_back:
        client.release(grant.id, False)
print("done", flush=True)
"""
"""A process that leases one after the other."""


class Ledger:
    """Everything that one isolation gives out and takes back, whoever asks."""

    def __init__(self, isolation: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lock = threading.Lock()
        self.out: list[str] = []
        self.given = 0
        lease, release = isolation.lease, isolation.release

        def lease_and_note(request: LeaseRequest) -> Mapping[str, Any] | Build:
            answer = lease(request)
            with self.lock:
                self.out.append(request.id)
                self.given += 1
            return answer

        def release_and_note(held: HeldLease, *, keep: bool) -> list[str]:
            with self.lock:
                self.out.remove(held.id)  # a second release of the same is a ValueError
            return release(held, keep=keep)

        monkeypatch.setattr(isolation, "lease", lease_and_note)
        monkeypatch.setattr(isolation, "release", release_and_note)


@pytest.fixture(params=SERVICES)
def first(request: pytest.FixtureRequest, service_core: Broker) -> Asker:
    return asker(service_core, request.param)


@pytest.fixture
def ask(first: Asker) -> Ask:
    kind = first.service.leases[0]
    return Ask(key=first.server.key, kind=kind.name, mode="", params=kind.params(first))


@pytest.fixture
def ledger(service_core: Broker, first: Asker, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    with first.lease():  # what a first lease has to prepare is not what is looked at here
        pass
    return Ledger(service_core.servers.isolation(ask.key), monkeypatch)


@pytest.fixture
def listener(service_core: Broker) -> Iterator[Listening]:
    with listening() as made:
        made.connections.serve(service_core)
        yield made


def fighter(
    listener: Listening, owner: str, ask: Ask, times: int, *, gives_back: bool
) -> subprocess.Popen[str]:
    words = [str(listener.path), owner, json.dumps(dataclasses.asdict(ask)), str(times)]
    command = [sys.executable, "-c", FIGHTER, *words, "yes" if gives_back else ""]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def test_a_process_that_is_killed_while_it_leases_and_one_that_goes_on(
    listener: Listening, ask: Ask, ledger: Ledger
) -> None:
    # Names of their own: the broker outlives the test, and gives back by name a moment later.
    of = uuid.uuid4().hex[:6]
    lives = fighter(listener, f"lives-{of}", ask, 40, gives_back=True)
    for number, moment in enumerate((0.01, 0.02, 0.04)):
        dies = fighter(listener, f"dies{number}-{of}", ask, 7, gives_back=False)
        pause(moment)
        dies.kill()
        dies.communicate()
    said, _ = lives.communicate(timeout=60)

    assert said == "done\n"
    wait_until(lambda: not ledger.out, timeout=30, describe="all of it comes back")
    assert ledger.given >= 40


def test_one_that_dies_while_its_lease_is_made_leaves_nothing_and_others_theirs(
    service_core: Broker, first: Asker, ask: Ask, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolation = service_core.servers.isolation(ask.key)
    lease = isolation.lease

    def lease_and_die(request: LeaseRequest) -> Mapping[str, Any] | Build:
        answer = lease(request)
        if request.owner == "dies":
            service_core.leases.drop_owner("dies")
            assert request.id in ledger.out, "the broker does not give back what it does not know"
        return answer

    monkeypatch.setattr(isolation, "lease", lease_and_die)
    with first.lease():
        with pytest.raises(IsolationFailed, match="nobody waits"):
            service_core.owner("dies").lease(ask)
        assert len(ledger.out) == 1, "that of the one that lives"
    assert ledger.out == []
