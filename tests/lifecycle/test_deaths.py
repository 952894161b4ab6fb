"""However a run ends, its containers, networks and volumes are gone 15 s later at the latest."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

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

really_remove, owner_of_run = leftovers.remove_run, os.getppid()

def remove_run(api, run):
    put(f"ending-{os.getpid()}")
    wait_until(lambda: os.getppid() != owner_of_run, timeout=50)
    return really_remove(api, run)

leftovers.remove_run = remove_run
"""
"""A suite that can be interrupted while the broker removes the containers."""


def interrupt(run: Launched) -> None:
    run.die(signal.SIGINT, everybody=True)


def interrupt_twice(run: Launched) -> None:
    run.signal(signal.SIGINT, everybody=True)
    run.await_file("ending-*")
    run.die(signal.SIGINT, everybody=True)


def leave_at_once(run: Launched) -> None:
    (run.folder / "exit").touch()
    run.process.wait(60)


def kill_the_broker(run: Launched) -> None:
    """The tests fail, and the run goes on to its end."""
    os.kill(run.broker(), signal.SIGKILL)
    interrupt(run)


def kill_both(run: Launched) -> None:
    broker = run.broker()
    run.signal(signal.SIGSTOP)  # so that neither sees the other go
    os.kill(broker, signal.SIGKILL)
    run.die(signal.SIGKILL, everybody=True)


def stop_and_kill(run: Launched) -> None:
    """As a debugger does to one of them."""
    broker = run.broker()
    os.kill(broker, signal.SIGSTOP)
    run.die(signal.SIGKILL)
    os.kill(broker, signal.SIGCONT)


DEATHS: dict[str, tuple[str, Callable[[Launched], None]]] = {
    "Ctrl-C": ("", interrupt),
    "Ctrl-C twice, in teardown": (SLOW_END, interrupt_twice),
    "Ctrl-C twice, in removal": (SLOW_REMOVAL, interrupt_twice),
    "SIGTERM": ("", lambda run: run.die(signal.SIGTERM)),
    "SIGHUP": ("", lambda run: run.die(signal.SIGHUP, everybody=True)),
    "kill -9": ("", lambda run: run.die(signal.SIGKILL)),
    "kill -9 of all": ("", lambda run: run.die(signal.SIGKILL, everybody=True)),
    "os._exit": ("", leave_at_once),
    "kill -9 of the broker": ("", kill_the_broker),
    "kill -9 of both": ("", kill_both),
    "stopped, then kill -9": ("", stop_and_kill),
}
"""Death -> what the suite's conftest.py needs for it, and how it comes about."""

QUICK = {
    ("kill -9 of all", "Ryuk", 2),
    ("kill -9", "broker", 1),
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
    # Of those two together only Ryuk knows, or the next run's sweep.
    if not (death == "kill -9 of both" and guard == "broker")
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
def remove_run(api, run):
    put(f"ending-{os.getpid()}")
    wait_until(lambda: os.getppid() != owner_of_run, timeout=50)
    os._exit(1)

leftovers.remove_run = remove_run
"""
"""A suite whose broker ends with its owner, although not everything is removed."""


@pytest.mark.slow
@pytest.mark.parametrize("guard", GUARDS)
def test_a_broker_that_ends_before_all_is_gone_is_seen_to_leak(launch: Launch, guard: str) -> None:
    run = launch(texts={"conftest.py": SLOW_REMOVAL + GIVES_UP}, guard=guard)
    run.await_ready()

    interrupt_twice(run)

    assert not run.is_gone(9)


DOES_NOT_CLEAN_UP = """
from wflo_testkit.run import owner

owner._remove = lambda config: None
"""


@pytest.mark.slow
def test_mutant_whose_owner_does_not_clean_up_after_its_broker_leaks(launch: Launch) -> None:
    run = launch(texts={"conftest.py": DOES_NOT_CLEAN_UP}, guard="broker")
    run.await_ready()

    kill_the_broker(run)

    assert not run.is_gone(3)


@pytest.mark.slow
def test_a_lost_broker_is_one_clear_error_for_each_test_and_for_the_run(launch: Launch) -> None:
    suite = """
        import os, signal
        from pathlib import Path
        from tests.lifecycle import processes

        def test_uses(redis_client):
            [broker] = processes.that_name(f"broker of run {(Path.cwd() / 'run').read_text()}")
            os.kill(broker, signal.SIGKILL)

        def test_next(redis_client): pass
        """
    run = launch(texts={"test_it.py": suite}, guard="broker", PYTHONPATH=str(Path.cwd()))
    run.process.wait(60)

    assert "1 passed, 2 errors" in run.output, run.output
    assert "the broker, the process that owns the containers, is gone" in run.output
    assert "its last lines:" in run.output
    assert "was lost; what it had started is removed" in run.output
    assert "Traceback" not in run.output
    assert run.is_gone(0)


@pytest.mark.slow
def test_the_broker_survives_its_run_only_as_long_as_it_has_to(launch: Launch) -> None:
    run = launch(guard="broker")
    run.await_ready()
    broker = run.broker()

    os.kill(broker, signal.SIGTERM)  # as a service manager does to all that it stops
    run.die(signal.SIGKILL, everybody=True)

    assert lives(broker)
    wait_until(lambda: not lives(broker), timeout=40, poll=0.2, describe="the broker ends")
    assert run.is_gone(0)


@pytest.mark.slow
def test_after_a_normal_end_no_process_is_left(launch: Launch) -> None:
    quick = {"test_it.py": "def test(redis_client):\n    pass\n"}
    for guard in GUARDS:
        run = launch(texts=quick, guard=guard)
        run.process.wait(60)

        assert run.process.returncode == 0, run.output
        assert run.is_gone(0)
        name = f"broker of run {run.run}"
        wait_until(lambda: not processes.that_name(name), timeout=5)  # noqa: B023
