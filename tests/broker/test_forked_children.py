"""A forked child asks its parent's broker; what it inherits of it is a copy that nothing serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FORKS = """
import os, sys
from tests.broker import desks
from wflo_testkit.broker import connection
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.core import Core
from wflo_testkit.broker.listener import Listener
from wflo_testkit.broker.resident import Resident
from wflo_testkit.runtime.session import Session
from wflo_testkit.wait import wait_until

{mutation}

core = Core({{"desks": desks.SERVICE}}, Session("0123abcd"))
broker = Resident(core, "main")
ask = Ask(key=broker.server(desks.spec()).key, kind="desk", mode="", params={{}})
events = core.servers.isolation(ask.key).events
mine = broker.lease(ask)
look = broker.call  # as a handle holds it that was made before the fork

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
broker.close()
core.close()
say(events)
"""


def forking(root: Path, steps: str, mutation: str = "") -> list[str]:
    """Run `steps` in a process that owns a broker; return the lines that it printed."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS.format(steps=steps, mutation=mutation)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def back(*desks: int) -> str:
    """Return the step that waits until these desks have come back."""
    expected = {f"{n} back" for n in desks}
    return f"wait_until(lambda: {expected} <= set(events), timeout=20)\n"


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
"""


def test_what_it_leases_is_its_own_and_comes_back_when_it_ends(root: Path) -> None:
    theirs, ours, events = forking(root, BOTH_HOLD + back(1))

    assert (theirs, ours) == ("1", "2")
    assert "0 back" not in events.partition("1 back")[0]


def test_mutant_that_asks_the_copy_gives_one_desk_to_two(root: Path) -> None:
    theirs, ours, _events = forking(root, BOTH_HOLD, "Resident._move_out = lambda self: None")

    assert (theirs, ours) == ("1", "1")


def test_one_that_is_killed_gives_back_what_it_held(root: Path) -> None:
    steps = "def work():\n    lease()\n    os.kill(os.getpid(), 9)\nin_child(work)\n" + back(1)
    leased, events = forking(root, steps)

    assert leased == "1"
    assert events.endswith("'1 back', '0 back', 'closed']")


def test_its_parents_lease_answers_it_and_stays_its_parents(root: Path) -> None:
    looks = "say(look(mine.id, 'look', {}))"
    theirs, ours, events = forking(root, f"in_child(lambda: {looks})\n{looks}")

    assert theirs == ours == "{'desk': 0, 'did': 'look'}"
    assert events == "['main gets 0', '0 back', 'closed']"


def test_one_that_goes_on_to_the_end_of_the_run_ends_nothing(root: Path) -> None:
    steps = """
def to_the_end():
    broker.close()
    core.close()

in_child(to_the_end)
say(events)
say(look(mine.id, "look", {})["desk"])
"""
    before, desk, events = forking(root, steps)

    assert before == "['main gets 0']"
    assert desk == "0"
    assert events == "['main gets 0', '0 back', 'closed']"


def test_a_grandchild_is_an_owner_too(root: Path) -> None:
    steps = """
def work():
    lease()
    in_child(lease)
    say(look(mine.id, "look", {})["desk"])

in_child(work)
"""
    *desks, events = forking(root, steps + back(1, 2))

    assert desks == ["1", "2", "0"]
    assert events.count(" back") == 3


ORPHAN_AND_SIBLING = """
parent, life = os.pipe()
orphan, answered = os.pipe()

def ask_an_orphan():
    os.close(life)
    broker.summary()
    os.write(answered, b".")
    os.read(parent, 1)  # ends when the parent has died
    broker.summary()

def live_as_long():
    os.close(life)
    os.close(answered)
    os.read(orphan, 1)  # ends when the orphan has

fork(ask_an_orphan)
os.read(orphan, 1)
fork(live_as_long)
os.kill(os.getpid(), 9)
"""
IMPATIENT = "connection.ANSWER_TIMEOUT = 8\n"


@pytest.mark.parametrize(
    ("mutation", "hangs"),
    [
        ("", False),
        pytest.param("Listener._let_go = lambda self: None", True, marks=pytest.mark.slow),
    ],
    ids=["as it is", "mutant that keeps them"],
)
def test_a_sibling_does_not_keep_the_sockets_of_a_killed_broker_open(
    root: Path, mutation: str, hangs: bool
) -> None:
    [lost, cause, *_] = forking(root, ORPHAN_AND_SIBLING, IMPATIENT + mutation)

    assert lost.startswith("BrokerLost")
    assert ("timed out" in cause) is hangs
