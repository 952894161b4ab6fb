"""A run is guarded from before it makes anything, and at every moment after."""

from __future__ import annotations

import contextlib
import signal

import docker
import pytest

from tests.docker_state import containers_named
from tests.lifecycle.conftest import Launch
from tests.lifecycle.runs import LIMIT, Launched, left_by
from tests.lifecycle.test_deaths import kill_both
from wflo_testkit.runtime import labels
from wflo_testkit.wait import wait_until

RYUK_IS_SLOW = """
from wflo_testkit.runtime.reaper import Reaper

def start(self):
    self._container = self._create()
    self._engine.start(self._container)
    rest()

Reaper.start = start

def pytest_wflo_spec(spec):
    return spec  # so that the server is on the run's network from its start
"""
"""A suite whose Ryuk runs and never gets to know what it is for."""

GOES_WITH_ITS_OWNER = """
from wflo_testkit.broker import process

really_watch = process.until_its_end

def until_its_end(*given):
    said = really_watch(*given)
    if said is None:
        os._exit(1)
    return said

process.until_its_end = until_its_end
"""
NO_RYUK = """
from wflo_testkit.runtime.guard import Guard

Guard.begin = Guard.wait = lambda self: None
"""
NO_GUARD = NO_RYUK + GOES_WITH_ITS_OWNER
RYUK_IS_REMOVED = """
from wflo_testkit.runtime.docker_session import DockerSession

def remove(self, client, patience):
    self._guard.remove()
    self._guard.wait_until_removed()
    ready()
    owner_of_run = os.getppid()
    wait_until(lambda: os.getppid() != owner_of_run, timeout=50)
    really_remove(self, client, patience)

really_remove, DockerSession._remove = DockerSession._remove, remove
"""
"""A suite that stays at its end, when Ryuk was let go and the servers were not yet removed."""


DIES_THEN = """
really_remove = lambda *given: os._exit(1)
"""


def before_ryuk_knows(launch: Launch, mutation: str = "") -> Launched:
    """Return a run that has made a network, a container and a Ryuk, and started no server."""
    run = launch(texts={"conftest.py": RYUK_IS_SLOW + mutation})
    run.await_file("run")
    wait_until(
        lambda: len(left_by(run.run)) == 3, timeout=60, poll=0.05, describe="it makes things"
    )
    return run


def statuses(run: Launched) -> list[str]:
    """Return the status of each container that carries the run's label."""
    with contextlib.closing(docker.from_env().api) as api:
        found = api.containers(all=True, filters={"label": f"{labels.RUN}={run.run}"})
    return [each["State"] for each in found]


def killed_before_ryuk_knew(launch: Launch, mutation: str = "") -> Launched:
    run = before_ryuk_knows(launch, mutation)
    run.die(signal.SIGKILL, everybody=True)
    return run


@pytest.mark.slow
def test_nothing_is_left_of_a_run_that_is_killed_before_ryuk_holds(launch: Launch) -> None:
    killed_before_ryuk_knew(launch).seconds_until_gone()


@pytest.mark.slow
def test_without_the_broker_that_window_would_leak(launch: Launch) -> None:
    assert not killed_before_ryuk_knew(launch, GOES_WITH_ITS_OWNER).is_gone(9)


@pytest.mark.slow
def test_a_ryuk_that_both_died_before_they_greeted_it_goes_by_itself(launch: Launch) -> None:
    run = before_ryuk_knows(launch)
    kill_both(run)

    wait_until(
        lambda: not containers_named(f"wflo-reaper-{run.run}"),
        timeout=LIMIT,
        poll=0.1,
        describe="Ryuk goes",
    )
    # Nobody guarded what was made by then; nothing of it runs, and the next run's sweep is for it.
    assert len(left_by(run.run)) == 2
    assert all(status == "created" for status in statuses(run))


@pytest.mark.slow
def test_without_a_guard_the_same_check_sees_the_leak(launch: Launch) -> None:
    run = launch(texts={"conftest.py": NO_GUARD})
    run.await_ready()
    run.die(signal.SIGKILL, everybody=True)

    assert not run.is_gone(9)


def at_its_end(launch: Launch, mutation: str = "") -> Launched:
    """Return a run that has let Ryuk go and is about to remove its servers."""
    suite = {"test_it.py": "def test(redis_client, planted):\n    pass\n"}
    run = launch(texts=suite | {"conftest.py": RYUK_IS_REMOVED + mutation})
    run.await_ready()
    return run


@pytest.mark.slow
def test_nothing_is_left_of_a_run_that_is_killed_when_ryuk_was_let_go(launch: Launch) -> None:
    run = at_its_end(launch)
    assert not containers_named(f"wflo-reaper-{run.run}")

    run.die(signal.SIGKILL, everybody=True)

    run.seconds_until_gone()


@pytest.mark.slow
def test_a_run_whose_broker_went_with_it_then_would_leak(launch: Launch) -> None:
    run = at_its_end(launch, DIES_THEN)
    run.die(signal.SIGKILL, everybody=True)

    assert not run.is_gone(9)


@pytest.mark.slow
def test_a_ryuk_that_does_not_come_holds_a_start_up_for_ten_seconds_only(launch: Launch) -> None:
    run = launch(texts={"conftest.py": RYUK_IS_SLOW})
    run.await_ready()
    run.die(signal.SIGKILL, everybody=True)

    run.seconds_until_gone()
