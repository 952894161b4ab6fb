"""Runs that end early, start again or lose their workers have one container per service, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lifecycle.conftest import Launch
from tests.lifecycle.events import Events, listening
from tests.lifecycle.runs import Launched

pytestmark = pytest.mark.slow

SOME_FAIL = """
import os, pytest

@pytest.mark.parametrize("n", range(12))
def test_private(redis_client, n):
    assert redis_client.keys() == []
    redis_client.set("left", "behind")
    assert n not in (3, 7) or os.environ.get("MENDED")
"""
THREE_CRASH = """
import os, pytest

@pytest.mark.parametrize("n", range(12))
def test_private(redis_client, n):
    assert redis_client.keys() == []
    redis_client.set("left", "behind")
    if n in (2, 5, 8):
        os._exit(3)
"""
CANNOT_START = """
[tool.wflo-testkit]
redis_arguments = ["--no-such-option", "1"]
"""


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    with listening(tmp_path) as events:
        yield events


def finished(run: Launched, events: Events) -> list[str]:
    """Wait for the end of a run; return what was done to its containers."""
    run.process.wait(100)
    assert run.run, run.output
    happened = [event.action for event in events.until_destroyed(run.run)]
    assert run.is_gone(0)
    return happened


def test_the_last_failures_alone_share_one_container_again(
    launch: Launch, events: Events, tmp_path: Path
) -> None:
    texts = {"test_it.py": SOME_FAIL}
    options = ("-n", "4", "-p", "cacheprovider", "-o", f"cache_dir={tmp_path}/cache")
    first = launch(*options, texts=texts)
    assert finished(first, events).count("create") == 1
    assert "2 failed, 10 passed" in first.output, first.output

    again = launch(*options, "--lf", texts=texts, MENDED="1")

    assert finished(again, events).count("create") == 1
    assert "2 passed" in again.output, again.output


@pytest.mark.parametrize(
    ("restarts", "says"), [("4", "3 failed, 9 passed"), ("1", "maximum crashed workers reached")]
)
def test_workers_that_are_replaced_use_the_same_container(
    launch: Launch, events: Events, restarts: str, says: str
) -> None:
    options = ("-n", "4", f"--max-worker-restart={restarts}")
    run = launch(*options, texts={"test_it.py": THREE_CRASH})
    happened = finished(run, events)

    assert says in run.output, run.output
    assert (happened.count("create"), happened.count("start")) == (1, 1)


def test_a_server_that_cannot_start_is_tried_once_by_four_workers(
    launch: Launch, events: Events
) -> None:
    run = launch("-n", "4", texts={"test_it.py": SOME_FAIL, "pyproject.toml": CANNOT_START})
    happened = finished(run, events)

    assert "12 errors" in run.output, run.output
    assert happened.count("create") == 1


@pytest.mark.parametrize("schedule", ["load", "worksteal"])
def test_in_random_order_and_ended_at_the_first_failure(
    launch: Launch, events: Events, schedule: str
) -> None:
    options = ("-n", "4", "--dist", schedule, "-x", "-p", "randomly")
    run = launch(*options, texts={"test_it.py": SOME_FAIL})
    happened = finished(run, events)

    assert "failed" in run.output, run.output
    assert happened.count("create") == 1
