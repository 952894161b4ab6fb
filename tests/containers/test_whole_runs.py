"""Docker tells of one start for each container of the project, and nothing is left of a run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.containers.test_objects import run_of
from tests.docker_state import docker_state
from tests.lifecycle.events import Event, Events, listening
from tests.lifecycle.runs import Launched
from tests.lifecycle.test_deaths import kill_both
from wflo_testkit.runtime import labels
from wflo_testkit.wait import wait_until

pytestmark = pytest.mark.slow
TABLES = """
[tool.wflo-testkit.servers.migrate]
image = "python:3.13-slim"
command = ["python", "-c", "print('migrated')"]
environment = { REDIS = "{redis.internal_url}" }
ready = "done"
volumes = { data = "/data" }

[tool.wflo-testkit.servers.app]
image = "python:3.13-slim"
command = ["python", "-m", "http.server", "8000"]
init = true
after = ["migrate"]
ports = { http = 8000 }
replicas = 2
volumes = { data = "/data" }

[tool.wflo-testkit.servers.unused]
image = "python:3.13-slim"
command = ["sleep", "1000"]
init = true
"""
SUITE = """
import pytest

@pytest.fixture(scope="session")
def made(wflo_container):
    return wflo_container("made", image="python:3.13-slim", command=["sleep", "1000"], init=True)

@pytest.mark.parametrize("n", range(16))
def test(app_server, made, n):
    assert len(app_server.replicas) == 2
    assert made.state == "running"
"""
DECLARED = {"redis": 1, "migrate": 1, "app": 2, "made": 1}


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    with listening(tmp_path) as events:
        yield events


def starts(events: list[Event]) -> dict[str, int]:
    """Return how often containers of each server were started."""
    found: dict[str, int] = {}
    for event in events:
        if event.action == "start":
            found[event.service] = found.get(event.service, 0) + 1
    return found


def test_four_workers_start_each_container_once(run_suite: Run, events: Events) -> None:
    before = docker_state()
    result = run_suite(SUITE, "-n", "4", pyproject=TABLES)
    mine = events.until_destroyed(run_of(result), least=5)

    result.assert_outcomes(passed=16)
    assert starts(mine) == DECLARED
    assert len({e.container for e in mine if e.action == "create"}) == sum(DECLARED.values())
    assert docker_state(f"{labels.RUN}={run_of(result)}") - before == []


def test_a_second_start_is_noticed(
    run_suite: Run, events: Events, fresh_environment: pytest.MonkeyPatch
) -> None:
    # A mutant: every process has servers of its own, as if nobody knew of the others' start.
    mutant = """
    import dataclasses
    from wflo_testkit.plugin.session import PluginSession

    unique = PluginSession.unique
    PluginSession.unique = lambda self, spec, name="": unique(self, spec, name or self.name)
    """
    result = run_suite(SUITE, "-n", "2", pyproject=TABLES, conftest=mutant)

    mine = events.until_destroyed(run_of(result), least=5)
    assert starts(mine) != DECLARED


RESTS = """
import pytest
import conftest

@pytest.fixture(scope="session")
def made(wflo_container):
    return wflo_container("made", image="python:3.13-slim", command=["sleep", "1000"], init=True)

@pytest.mark.parametrize("n", range(2))
def test(app_server, made, n):
    app_server.scale(3)
    conftest.ready()
    conftest.rest()
"""


def kill_owner(run: Launched) -> None:
    run.die(signal.SIGKILL, everybody=True)


@pytest.mark.parametrize("death", [kill_both, kill_owner], ids=["at once", "but the broker"])
def test_nothing_is_left_when_all_are_killed(
    tmp_path: Path, fresh_environment: pytest.MonkeyPatch, death: Callable[[Launched], None]
) -> None:
    texts = {"test_it.py": RESTS, "pyproject.toml": TABLES}
    run = Launched(tmp_path / "run", texts, "-n", "2", "-p", "no:randomly", variables={})
    try:
        run.await_ready(2)
        assert len(run.made) >= 7, "six containers, the network, the volume"
        death(run)

        run.seconds_until_gone(20)
    finally:
        run.end()


def test_containers_begin_behind_collection_and_side_by_side(
    run_suite: Run, events: Events
) -> None:
    tables = """
    [tool.wflo-testkit.servers.one]
    image = "python:3.13-slim"
    command = ["sleep", "1000"]
    init = true
    ready = { command = "sleep 1" }

    [tool.wflo-testkit.servers.two]
    image = "python:3.13-slim"
    command = ["sleep", "1000"]
    init = true
    ready = { command = "sleep 1" }
    """
    suite = """
    from wflo_testkit.wait import clock

    def test_without():
        pass

    def test_first(one_server): pass

    def test_second(two_server): pass
    """
    result = run_suite(suite, pyproject=tables)

    result.assert_outcomes(passed=3)
    mine = events.until_destroyed(run_of(result), least=2)
    began = {e.service: e.at for e in mine if e.action == "start"}
    assert abs(began["one"] - began["two"]) < 1, "the second does not wait for the first"


def test_one_per_worker_is_one_for_each(run_suite: Run, events: Events) -> None:
    table = """
    [tool.wflo-testkit.servers.app]
    image = "python:3.13-slim"
    command = ["sleep", "1000"]
    init = true
    per = "worker"
    """
    suite = """
    import pytest
    from pathlib import Path

    @pytest.mark.parametrize("n", range(8))
    def test(app_server, n, worker_id, tmp_path_factory):
        assert app_server.exec("sh", "-c", "cat /worker || true").replace(
            "cat: /worker: No such file or directory\\n", worker_id) == worker_id
        mine = tmp_path_factory.mktemp("mine", numbered=True) / "worker"
        mine.write_text(worker_id)
        app_server.copy_in(mine, "/worker")
    """
    result = run_suite(suite, "-n", "2", pyproject=table)

    result.assert_outcomes(passed=8)
    assert starts(events.until_destroyed(run_of(result), least=1)) == {"app": 2}


def test_a_text_may_hold_the_address_of_a_test_s_lease(run_suite: Run, events: Events) -> None:
    conftest = """
    import pytest

    @pytest.fixture
    def app(wflo_container, redis_database):
        return wflo_container("app", image="python:3.13-slim", command=["sleep", "1000"],
                              init=True, environment={"URL": redis_database.internal_url})
    """
    suite = """
    def test(app, redis_database):
        assert app.exec("printenv", "URL").strip() == redis_database.internal_url
    """
    result = run_suite(suite, conftest=conftest)

    result.assert_outcomes(passed=1)
    wait_until(lambda: not docker_state(f"{labels.RUN}={run_of(result)}").containers, timeout=20)
