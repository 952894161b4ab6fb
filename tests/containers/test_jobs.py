"""A job ends before what needs it begins; if it fails, that does not begin at all."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.containers import programs
from tests.containers.programs import python
from tests.containers.project import Project, inspected
from tests.docker_state import containers_named
from wflo_testkit import ready
from wflo_testkit.errors import SettingError, StartFailed

pytestmark = pytest.mark.slow


def moment(container: str, word: str) -> datetime:
    return datetime.fromisoformat(inspected(container)["State"][word])


def test_a_job_has_ended_when_what_comes_after_it_begins(running: Project) -> None:
    running.spec("migrate", **python("time.sleep(0.3)"), ready=ready.done)
    app = running.start(
        "app", **python(programs.REST), after=["migrate"], ready=ready.log("process is up")
    )
    job = running.get(running.spec("migrate", **python("time.sleep(0.3)"), ready=ready.done))

    assert job.state == "exited with code 0"
    assert moment(job.container_id, "FinishedAt") < moment(app.container_id, "StartedAt")


def test_a_failed_job_is_told_and_nothing_after_it_begins(running: Project) -> None:
    program = "print('column exists already'); sys.exit(4)"
    running.spec("broken", **python(program), ready=ready.done)
    running.spec("behind", **python(programs.REST), after=["broken"])
    spec = running.spec("last", **python(programs.REST), after=["behind"])
    with pytest.raises(StartFailed) as caught:
        running.get(spec)

    said = caught.value.text
    assert "last is not started: behind, which it needs, is not ready" in said
    assert "behind is not started: broken, which it needs, is not ready" in said
    assert "broken (wflo-testkit/python:3.13) exited with code 4" in said
    assert "column exists already" in said
    run = running.broker._session.run
    for name in ("behind", "last"):
        assert not containers_named(f"wflo-{name}-{run}.*")


def test_what_needs_nothing_of_one_another_starts_side_by_side(running: Project) -> None:
    slow = python("print('begun'); time.sleep(1.5)")
    for name in ("one", "two"):
        running.spec(name, **slow, ready=ready.done)
    running.start("both", **python(programs.REST), after=["one", "two"])
    one, two = (running.get(running._specs[name]).container_id for name in ("one", "two"))

    assert moment(one, "StartedAt") < moment(two, "FinishedAt")
    assert moment(two, "StartedAt") < moment(one, "FinishedAt")


def test_two_definitions_under_one_name_are_refused_with_the_difference(running: Project) -> None:
    running.start("same", **python(programs.REST), environment={"KEY": "hidden"})
    with pytest.raises(SettingError) as caught:
        running.start(
            "same", **python(programs.REST), environment={"KEY": "other"}, ports={"http": 80}
        )

    assert caught.value.what == "two different containers are called 'same'"
    assert "environment: KEY" in str(caught.value.cause)
    assert "ports: {} and {'http': 80}" in str(caught.value.cause)
    assert "hidden" not in caught.value.text
