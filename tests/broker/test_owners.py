"""What a process holds is given back when it dies, at once and wholly."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.broker import desks
from tests.broker.conftest import Listening
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.client import BrokerClient
from wflo_testkit.broker.process import Peer
from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import Build, Grant
from wflo_testkit.runtime import kernel
from wflo_testkit.wait import WaitTimeout, wait_until

HOLDER = """
import json, sys
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.client import BrokerClient
from wflo_testkit.broker.process import Peer

path, owner, ask, leases = sys.argv[1:]
client = BrokerClient(path, owner)
for _ in range(int(leases)):
    client.lease(Ask(**json.loads(ask)))
print("holding", flush=True)
sys.stdin.read()
"""

FORKER = HOLDER.replace(
    "print(", "import os\nif os.fork() == 0:\n    sys.stdin.read()\n    os._exit(0)\nprint("
)
"""The same with a child that lives on."""

LEASING_FORKER = HOLDER.replace(
    "print(",
    "import os\n"
    "if (child := os.fork()) == 0:\n"
    "    client.lease(Ask(**json.loads(ask)))\n"
    "    os._exit(0)\n"
    "os.waitpid(child, 0)\n"
    "print(",
)
"""The same with a child that leases one more, and ends without giving it back."""

Hold = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def looking(listener: Listening) -> Iterator[None]:
    """Look at the processes, as the broker's process does."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            listener.connections.hang_up_on_the_dead()

    thread = threading.Thread(target=look)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.fixture
def hold(listener: Listening) -> Iterator[Hold]:
    """hold(owner, ask, leases, script): a process that leases and then waits to be killed."""
    processes: list[subprocess.Popen[str]] = []

    def hold(owner: str, ask: Ask, leases: int, script: str = HOLDER) -> subprocess.Popen[str]:
        words = [str(listener.path), owner, json.dumps(dataclasses.asdict(ask)), str(leases)]
        process = subprocess.Popen(
            [sys.executable, "-c", script, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


def test_a_killed_process_gives_everything_back(ask: Ask, hold: Hold, events: list[str]) -> None:
    process = hold("gw1", ask, 3)
    process.kill()
    wait_until(lambda: len(events) == 6, timeout=20, describe="three desks come back")

    assert sorted(events[3:]) == ["0 back", "1 back", "2 back"]


@pytest.mark.parametrize("kernel_tells", [True, False], ids=["kernel's", "its own"])
def test_a_child_that_lives_on_does_not_keep_what_its_killed_parent_held(
    ask: Ask,
    hold: Hold,
    events: list[str],
    monkeypatch: pytest.MonkeyPatch,
    kernel_tells: bool,
) -> None:
    """Whichever word on the process id there is."""
    if not kernel_tells:
        monkeypatch.setattr(kernel, "peer", lambda _connection: 0)
    hold("gw1", ask, 2, FORKER).kill()
    wait_until(lambda: len(events) == 4, timeout=20, describe="two desks come back")

    assert sorted(events[2:]) == ["0 back", "1 back"]


def test_mutant_that_believes_the_sockets_alone_takes_such_a_child_for_its_parent(
    ask: Ask, hold: Hold, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Peer, "is_dead", False)
    hold("gw1", ask, 2, FORKER).kill()
    with pytest.raises(WaitTimeout):
        wait_until(lambda: len(events) == 4, timeout=2, describe="two desks come back")


def test_what_its_child_leased_goes_with_the_child(ask: Ask, hold: Hold, events: list[str]) -> None:
    hold("gw1", ask, 2, LEASING_FORKER)
    wait_until(lambda: "2 back" in events, timeout=20, describe="the child's desk comes back")

    assert events[-1] == "2 back", "the parent lives, and keeps its own"


def test_what_resists_does_not_keep_the_rest(
    ask: Ask, hold: Hold, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    release = desks.Desks.release

    def resist(self: desks.Desks, lease: HeldLease, *, keep: bool) -> list[str]:
        if lease.data["desk"] != 1:
            raise OSError("the desk is locked")
        return release(self, lease, keep=keep)

    monkeypatch.setattr(desks.Desks, "release", resist)
    hold("gw1", ask, 3).kill()

    wait_until(lambda: "1 back" in events, timeout=20, describe="the desk between comes back")


def test_a_build_that_cannot_be_ended_does_not_keep_what_is_held(
    ask: Ask, hold: Hold, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def resist(self: desks.Desks, token: str, error: str | None) -> None:
        raise OSError("the room is locked")

    monkeypatch.setattr(desks.Desks, "built", resist)
    needs_room = dataclasses.replace(ask, params={"room": True})
    script = HOLDER.replace(
        "print(", f"client.lease(Ask(**{dataclasses.asdict(needs_room)}))\nprint("
    )
    hold("gw1", ask, 1, script).kill()

    wait_until(lambda: "0 back" in events, timeout=20, describe="the desk comes back")


def test_a_bystander_keeps_what_it_holds(
    ask: Ask, hold: Hold, connect: Callable[[str], BrokerClient], events: list[str]
) -> None:
    bystander = connect("gw0")
    kept = bystander.lease(ask)
    assert isinstance(kept, Grant)
    hold("gw1", ask, 2).kill()
    wait_until(lambda: "2 back" in events, timeout=20, describe="the dead one's desks come back")

    assert "0 back" not in events
    assert bystander.call(kept.id, "look", {})["desk"] == 0


def test_a_builder_that_is_killed_leaves_the_work_to_the_next(
    ask: Ask, hold: Hold, connect: Callable[[str], BrokerClient], events: list[str]
) -> None:
    needs_room = dataclasses.replace(ask, params={"room": True})
    builder = hold("gw1", needs_room, 1)
    builder.kill()
    client = connect("gw0")
    build = client.lease(needs_room)  # waits until the death of the first builder is noticed
    assert isinstance(build, Build)
    client.built(build.token, None)
    grant = client.lease(needs_room)

    assert isinstance(grant, Grant)
    assert events == [
        "gw1 builds",
        "room: the process that was making it died",
        "gw0 builds",
        "room: built",
        "gw0 gets 0",
    ]


def test_an_owner_with_two_connections_dies_with_the_last_one(
    ask: Ask, connect: Callable[[str], BrokerClient], events: list[str]
) -> None:
    first, second = connect("gw0"), connect("gw0")
    first.lease(ask)
    second.summary()
    first.close()
    second.summary()
    assert events == ["gw0 gets 0"]

    second.close()
    wait_until(lambda: "0 back" in events, timeout=20, describe="the desk comes back")
