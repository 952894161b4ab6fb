"""However a run ends, its containers, networks and volumes are gone 15 s later at the latest."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.lifecycle import processes
from tests.lifecycle.conftest import GUARDS, Launch
from tests.lifecycle.runs import Launched, lives
from wflo_testkit.wait import clock, wait_until

SLOW_END = """
@pytest.fixture(autouse=True, scope="session")
def ends_slowly(planted):
    yield
    put(f"ending-{os.getpid()}")
    rest()
"""
"""A suite that can be interrupted while its fixtures end."""

SLOW_REMOVAL = """
from wflo_testkit.runtime import leftovers

def remove_run(api, run):
    put(f"ending-{os.getpid()}")
    rest()

leftovers.remove_run = remove_run
"""
"""A suite that can be interrupted while the kit removes the containers."""


def interrupt(run: Launched) -> None:
    run.die(signal.SIGINT, everybody=True)


def interrupt_twice(run: Launched) -> None:
    run.signal(signal.SIGINT, everybody=True)
    run.await_file("ending-*")
    run.die(signal.SIGINT, everybody=True)


def leave_at_once(run: Launched) -> None:
    (run.folder / "exit").touch()
    run.process.wait(60)


DEATHS: dict[str, tuple[str, Callable[[Launched], None]]] = {
    "Ctrl-C": ("", interrupt),
    "Ctrl-C twice, in teardown": (SLOW_END, interrupt_twice),
    "Ctrl-C twice, in removal": (SLOW_REMOVAL, interrupt_twice),
    "SIGTERM": ("", lambda run: run.die(signal.SIGTERM)),
    "SIGHUP": ("", lambda run: run.die(signal.SIGHUP, everybody=True)),
    "kill -9": ("", lambda run: run.die(signal.SIGKILL)),
    "kill -9 of all": ("", lambda run: run.die(signal.SIGKILL, everybody=True)),
    "os._exit": ("", leave_at_once),
}
"""Death -> what the suite's conftest.py needs for it, and how it comes about."""

QUICK = {
    ("kill -9 of all", "Ryuk", 2),
    ("kill -9", "watchdog", 1),
}
"""What `make test` runs of the table."""

TABLE = [
    pytest.param(
        death,
        guard,
        workers,
        id=f"{death}, {guard}, {workers or 'no'} workers",
        marks=() if (death, guard, workers or 1) in QUICK else pytest.mark.slow,
    )
    for death in DEATHS
    for guard in GUARDS
    for workers in (0, 2)
    # A worker that leaves is replaced, and the run goes on: see test_workers.py.
    if not (death == "os._exit" and workers)
]


@pytest.mark.parametrize(("death", "guard", "workers"), TABLE)
def test_nothing_is_left(
    launch: Launch,
    death: str,
    guard: str,
    workers: int,
    record_property: Callable[[str, object], None],
) -> None:
    conftest, die = DEATHS[death]
    options = ("-n", str(workers)) if workers else ()
    tests = max(workers, 1)
    run = launch(*options, texts={"conftest.py": conftest}, guard=guard, tests=tests)
    run.await_ready(tests)

    die(run)

    seconds = run.seconds_until_gone()
    record_property("seconds until gone", round(seconds, 1))
    print(f"{death}, {guard}, {workers} workers: gone after {seconds:.1f} s")
    # execnet gives a worker 5 s to finish by itself, then interrupts it, then ends it after 10.
    began = clock.monotonic()
    wait_until(
        lambda: not any(map(lives, run.pids())), timeout=30, poll=0.1, describe="workers end"
    )
    print(f"  the last process ended {seconds + clock.monotonic() - began:.1f} s after the death")


GIVES_UP = """
from wflo_testkit.runtime.guard import Guard

Guard.hang_up = Guard.dismiss
"""
"""A suite whose kit ends its guard although it could not remove everything itself."""


@pytest.mark.slow
@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_is_ended_before_all_is_gone_is_seen_to_leak(
    launch: Launch, guard: str
) -> None:
    run = launch(texts={"conftest.py": SLOW_REMOVAL + GIVES_UP}, guard=guard)
    run.await_ready()

    interrupt_twice(run)

    assert not run.is_gone(9)


@pytest.mark.slow
def test_the_watchdog_survives_its_run_only_as_long_as_it_has_to(launch: Launch) -> None:
    run = launch(guard="watchdog")
    run.await_ready()
    [watchdog] = watchdogs(run.run)

    os.kill(watchdog, signal.SIGTERM)  # as a service manager does to all that it stops
    run.die(signal.SIGKILL, everybody=True)

    assert lives(watchdog)
    wait_until(lambda: not lives(watchdog), timeout=40, poll=0.2, describe="the watchdog ends")
    assert run.is_gone(0)


@pytest.mark.slow
def test_after_a_normal_end_no_guard_is_left(launch: Launch) -> None:
    quick = {"test_it.py": "def test(redis_client):\n    pass\n"}
    for guard in GUARDS:
        run = launch(texts=quick, guard=guard)
        run.process.wait(60)

        assert run.process.returncode == 0, run.output
        assert run.is_gone(0)
        assert watchdogs(run.run) == []


def watchdogs(run: str) -> list[int]:
    """Return the processes that watch over `run`."""
    return processes.that_name("watchdog_process.py", run)
