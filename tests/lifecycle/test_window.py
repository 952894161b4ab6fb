"""A run is guarded from before it makes anything, and at every moment after."""

from __future__ import annotations

import signal

import pytest

from tests.lifecycle.conftest import GUARDS, Launch
from tests.lifecycle.runs import Launched, left_by
from wflo_testkit.wait import wait_until

RYUK_IS_SLOW = """
from wflo_testkit.runtime.reaper import Reaper

def start(self):
    self._container = self._create()
    self._container.start()
    rest()

Reaper.start = start

def pytest_wflo_spec(spec):
    return spec  # so that the server is on the run's network from its start
"""
"""A suite whose Ryuk runs and never gets to know what it is for."""

NO_WATCHDOG = """
from wflo_testkit.runtime.watchdog import Watchdog

Watchdog.start = lambda self: None
"""
NO_GUARD = """
from wflo_testkit.runtime.guard import Guard

Guard.begin = Guard.wait = lambda self: None
"""


def killed_before_ryuk_knew(launch: Launch, mutation: str = "") -> Launched:
    """Kill a run that has made a network, a container and a Ryuk, and started no server."""
    run = launch(texts={"conftest.py": RYUK_IS_SLOW + mutation})
    run.await_file("run")
    wait_until(
        lambda: len(left_by(run.run)) == 3, timeout=60, poll=0.05, describe="it makes things"
    )
    run.die(signal.SIGKILL, everybody=True)
    return run


def test_nothing_is_left_of_a_run_that_is_killed_before_ryuk_holds(launch: Launch) -> None:
    killed_before_ryuk_knew(launch).seconds_until_gone()


@pytest.mark.slow
def test_without_the_watchdog_that_window_would_leak(launch: Launch) -> None:
    assert not killed_before_ryuk_knew(launch, NO_WATCHDOG).is_gone(9)


@pytest.mark.slow
@pytest.mark.parametrize("guard", GUARDS)
def test_without_a_guard_the_same_check_sees_the_leak(launch: Launch, guard: str) -> None:
    run = launch(texts={"conftest.py": NO_GUARD}, guard=guard)
    run.await_ready()
    run.die(signal.SIGKILL, everybody=True)

    assert not run.is_gone(9)


@pytest.mark.slow
def test_a_ryuk_that_does_not_come_holds_a_start_up_for_ten_seconds_only(launch: Launch) -> None:
    run = launch(texts={"conftest.py": RYUK_IS_SLOW})
    run.await_ready()
    run.die(signal.SIGKILL, everybody=True)

    run.seconds_until_gone()
