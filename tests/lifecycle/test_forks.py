"""Children that a test forks and that outlive it do not keep the containers alive."""

from __future__ import annotations

import os
import signal

import pytest

from tests.cases import quick
from tests.lifecycle.conftest import GUARDS, Launch
from tests.lifecycle.runs import Launched, lives

FORKING = """
import os
from conftest import put, ready, rest

def test_forks(redis_client, planted):
    if (child := os.fork()) == 0:
        rest(300)
        os._exit(0)
    put("child", child)
    ready()
    rest()
"""

HELD_OPEN = """
from wflo_testkit.runtime import forks

forks.in_child = lambda method: None
"""
"""A suite whose forked children keep what they inherit, as one forked by a C library does."""

BLIND = """
from pathlib import Path
from wflo_testkit.runtime import watchdog

mutant = HERE / "watchdog_process.py"
source = watchdog.SCRIPT.read_text()
assert source.count("os.getppid() != parent") == 1
mutant.write_text(source.replace("os.getppid() != parent", "False"))
watchdog.SCRIPT = mutant
"""
"""A suite whose watchdog does not look whether its parent lives."""


def killed_beside_its_child(launch: Launch, guard: str, conftest: str = "") -> Launched:
    """Run a test that forks, and kill it but not the child."""
    run = launch(texts={"test_it.py": FORKING, "conftest.py": conftest}, guard=guard)
    run.await_ready()
    run.die(signal.SIGKILL)
    assert lives(child_of(run))
    return run


def child_of(run: Launched) -> int:
    return int((run.folder / "child").read_text())


@pytest.mark.parametrize("guard", quick(GUARDS, ("watchdog",)))
def test_nothing_is_left_beside_a_child_that_lives_on(launch: Launch, guard: str) -> None:
    run = killed_beside_its_child(launch, guard)

    run.seconds_until_gone()
    assert lives(child_of(run))


@pytest.mark.slow
def test_the_watchdog_is_not_misled_by_a_socket_that_a_child_holds_open(launch: Launch) -> None:
    run = killed_beside_its_child(launch, "watchdog", HELD_OPEN)

    run.seconds_until_gone()
    assert lives(child_of(run))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guard", "mutation"), [("Ryuk", HELD_OPEN), ("watchdog", HELD_OPEN + BLIND)]
)
def test_without_these_two_precautions_the_child_would_hold_the_guard_back(
    launch: Launch, guard: str, mutation: str
) -> None:
    run = killed_beside_its_child(launch, guard, mutation)
    assert not run.is_gone(9)

    os.kill(child_of(run), signal.SIGKILL)
    run.seconds_until_gone()
