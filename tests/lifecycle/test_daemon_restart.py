"""A restart of the Docker daemon, graceful or by a crash, costs no container its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker_state import docker_state
from tests.lifecycle.conftest import Launch
from tests.lifecycle.daemons import Daemon
from tests.lifecycle.events import listening
from tests.lifecycle.runs import Launched, left_by
from wflo_testkit.runtime import labels

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

QUICK = "def test(redis_client, redis_server):\n    assert redis_client.ping()\n"
NO_SWEEP = """
from wflo_testkit.runtime import leftovers

leftovers.of_dead_runs = lambda api: []
"""

RESTARTS = pytest.mark.parametrize(
    "how", [signal.SIGTERM, signal.SIGKILL], ids=["restart", "crash"]
)


@pytest.fixture(scope="module")
def one() -> Iterator[Daemon]:
    """A daemon that holds the two images that these suites need."""
    daemon = Daemon()
    try:
        daemon.start()
        daemon.load("redis", "ryuk")
        yield daemon
    finally:
        daemon.close()


@pytest.fixture
def second(one: Daemon, fresh_environment: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """The daemon, by now the one that this test and its suites talk to; left empty at the end."""
    fresh_environment.setenv("DOCKER_HOST", one.address)
    yield one
    left = docker_state()
    assert not left.containers | left.volumes
    assert not docker_state(labels.KIT).networks


@pytest.fixture
def start(second: Daemon, launch: Launch) -> Launch:
    """The fixture `launch`, for suites on the second daemon."""

    def start(conftest: str = "", guard: str = "Ryuk", **texts: str) -> Launched:
        return launch(texts={**texts, "conftest.py": second.enter + conftest}, guard=guard)

    return start


def killed_with_the_daemon(start: Launch, second: Daemon, how: int) -> Launched:
    """A run and its broker were killed while the daemon was down; Ryuk is gone as well."""
    run = start()
    run.await_ready()
    broker = run.broker()
    with second.down(how):
        run.die(signal.SIGKILL, everybody=True)
        os.kill(broker, signal.SIGKILL)
    assert left_by(run.run), "otherwise there is nothing to clear up"
    return run


def passed(run: Launched) -> Launched:
    run.process.wait(60)
    assert "1 passed" in run.output, run.output
    return run


@RESTARTS
def test_the_next_run_clears_up_before_it_starts_anything(
    start: Launch, second: Daemon, tmp_path: Path, how: int
) -> None:
    killed = killed_with_the_daemon(start, second, how)
    leftovers = killed.made & docker_state().containers
    with listening(tmp_path) as events:
        run = passed(start(**{"test_it.py": QUICK}))
        first = min(event.at for event in events.of(run.run) if event.action == "start")
        removed = [events.when("destroy", each) for each in leftovers]

    assert removed
    assert max(removed) < first
    assert killed.is_gone(0)


def test_mutant_that_clears_nothing_leaves_it_there(start: Launch, second: Daemon) -> None:
    killed = killed_with_the_daemon(start, second, signal.SIGTERM)
    passed(start(NO_SWEEP, **{"test_it.py": QUICK}))

    assert left_by(killed.run)


@RESTARTS
def test_the_broker_outlasts_it(start: Launch, second: Daemon, how: int) -> None:
    run = start(guard="broker")
    run.await_ready()
    with second.down(how):
        run.die(signal.SIGKILL, everybody=True)

    run.seconds_until_gone()


@pytest.mark.parametrize("guard", ["Ryuk", "broker"])
def test_a_run_that_lives_through_it_ends_clean(start: Launch, second: Daemon, guard: str) -> None:
    run = start(guard=guard)
    run.await_ready()
    with second.down(signal.SIGTERM):
        pass
    run.die(signal.SIGINT)

    assert run.is_gone(0), run.output
