"""A forked child asks the broker itself: what it inherits is its parent's."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker.conftest import Listening
from wflo_testkit.broker.api import Ask
from wflo_testkit.wait import wait_until

FORKS = """
import json, os, pickle, sys
from wflo_testkit.broker import client
from wflo_testkit.broker.api import Ask
from wflo_testkit.wait import wait_until

broker = client.connect(sys.argv[1], "main")
ask = Ask(**json.loads(sys.argv[2]))
mine = broker.lease(ask)
look = broker.call  # as a handle holds it that was made before the fork

{mutation}

def say(words):
    print(words, flush=True)

def fork(work):
    if (child := os.fork()):
        return child
    try:
        work()
    except BaseException as error:
        say(f"{{type(error).__name__}}: {{error}}")
    os._exit(0)

def in_child(work):
    os.waitpid(fork(work), 0)

def lease():
    say(broker.lease(ask).data["desk"])

{steps}
broker.release(mine.id, False)
broker.close()
"""

Forking = Callable[..., list[str]]


@pytest.fixture
def forking(root: Path, listener: Listening, ask: Ask) -> Forking:
    """forking(steps, mutation): take the steps in a process that holds desk 0; what it printed."""

    def forking(steps: str, mutation: str = "") -> list[str]:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                FORKS.format(steps=steps, mutation=mutation),
                str(listener.path),
                json.dumps(dataclasses.asdict(ask)),
            ],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    return forking


BOTH_HOLD = """
held, tell = os.pipe()
over, stay = os.pipe()

def lease_and_stay():
    os.close(stay)
    lease()
    os.write(tell, b".")
    os.read(over, 1)

child = fork(lease_and_stay)
os.read(held, 1)
lease()
os.close(stay)
os.waitpid(child, 0)
wait_until(lambda: broker.lease(ask).data["desk"] == 1, timeout=20)  # the lowest that is free
"""


def come_back(events: list[str], *desks: int) -> None:
    expected = {f"{n} back" for n in desks}
    wait_until(lambda: expected <= set(events), timeout=20, describe=f"{expected}")


def test_what_it_leases_is_its_own_and_comes_back_when_it_ends(
    forking: Forking, events: list[str]
) -> None:
    assert forking(BOTH_HOLD) == ["1", "2"]

    come_back(events, 0, 1, 2)
    assert events[0] == "main gets 0"
    assert events[1].startswith("main-"), "another owner"
    assert events.index("1 back") < events.index("0 back")


def test_mutant_that_uses_its_parents_connections_is_taken_for_it(
    forking: Forking, events: list[str]
) -> None:
    forking("in_child(lease)", "client._Links.is_ours = True")

    come_back(events, 0, 1)
    assert events[1] == "main gets 1"


def test_one_that_is_killed_gives_back_what_it_held(forking: Forking, events: list[str]) -> None:
    steps = "def work():\n    lease()\n    os.kill(os.getpid(), 9)\nin_child(work)\n"
    assert forking(steps) == ["1"]

    come_back(events, 0, 1)


def test_its_parents_lease_answers_it_and_stays_its_parents(
    forking: Forking, events: list[str]
) -> None:
    looks = "say(look(mine.id, 'look', {}))"
    theirs, ours = forking(f"in_child(lambda: {looks})\n{looks}")

    assert theirs == ours == "{'desk': 0, 'did': 'look'}"
    assert events == ["main gets 0", "0 back"]


def test_one_that_goes_on_to_the_end_of_the_run_ends_nothing(forking: Forking) -> None:
    steps = "in_child(broker.close)\nsay(look(mine.id, 'look', {})['desk'])"

    assert forking(steps) == ["0"]


def test_a_grandchild_is_an_owner_too(forking: Forking, events: list[str]) -> None:
    steps = """
def work():
    lease()
    in_child(lease)
    say(look(mine.id, "look", {})["desk"])

in_child(work)
"""
    assert forking(steps) == ["1", "2", "0"]

    come_back(events, 0, 1, 2)


SPAWNED = """
import subprocess
PROGRAM = '''
import pickle, sys
look = pickle.load(sys.stdin.buffer)
print(look({!r}, "look", {{}})["desk"])
'''
done = subprocess.run(
    [sys.executable, "-c", PROGRAM.format(mine.id)], input=pickle.dumps(look), capture_output=True
)
say(done.stdout.decode().strip() + done.stderr.decode())
say(look(mine.id, "look", {})["desk"])
"""


def test_the_way_to_the_broker_pickles_and_the_copy_is_another_owner(
    forking: Forking, events: list[str]
) -> None:
    assert forking(SPAWNED) == ["0", "0"]

    assert events == ["main gets 0", "0 back"], "the end of the copy gave nothing back"
