"""Runs beside each other, in one folder or in several, share nothing and leave nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lifecycle.conftest import GUARDS
from tests.lifecycle.events import Event, Events, listening
from tests.lifecycle.runs import Launched

Beside = Callable[..., list[Launched]]

TESTS = """
import pytest
from sqlalchemy import text
from conftest import put

@pytest.mark.parametrize("n", range({tests}))
def test_private(postgres_session, postgres_server, redis_client, redis_server, n):
    put(f"postgres-{{postgres_server.container_id}}")
    put(f"redis-{{redis_server.container_id}}")
    assert redis_client.keys() == []
    redis_client.set("left", "behind")
    postgres_session.execute(text("CREATE TABLE mine (id int PRIMARY KEY)"))
    postgres_session.execute(text("INSERT INTO mine VALUES (1)"))
    postgres_session.commit()
    assert postgres_session.scalar(text("SELECT count(*) FROM mine")) == 1
"""
ON_POSTGRES = """
import pytest
from sqlalchemy import text

@pytest.mark.parametrize("n", range({tests}))
def test_private(postgres_session, n):
    postgres_session.execute(text("CREATE TABLE mine (id int PRIMARY KEY)"))
    postgres_session.execute(text("INSERT INTO mine VALUES (1)"))
    postgres_session.commit()
"""
EACH_WORKER_ITS_OWN = """
import dataclasses

def pytest_wflo_spec(spec):
    return dataclasses.replace(spec, per_process=True)
"""


@pytest.fixture
def beside(tmp_path: Path, fresh_environment: pytest.MonkeyPatch) -> Iterator[Beside]:
    """beside(texts, options, folders=1): runs at once, one per item of `options`, to their end."""
    runs: list[Launched] = []

    def beside(
        texts: dict[str, str], options: list[tuple[str, ...]], folders: int = 1
    ) -> list[Launched]:
        for n, words in enumerate(options):
            runs.append(
                Launched(
                    tmp_path / f"folder-{n % folders}",
                    texts,
                    *("-p", "cacheprovider", "-p", "no:randomly", *words),
                    variables={"TMPDIR": temp} | GUARDS["Ryuk" if n % 2 else "broker"],
                    notes=tmp_path / f"notes-{n}",
                )
            )
        for run in runs:
            run.process.wait(300)
        return runs

    with tempfile.TemporaryDirectory(prefix="launched-", dir="/tmp") as temp:
        yield beside
        for run in runs:
            run.end()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "folders"),
    [(2, 1), (2, 2), (8, 1), (8, 4)],
    ids=["two in one folder", "two in two", "eight in one", "eight in four"],
)
@pytest.mark.timeout(400)
def test_they_do_not_see_each_other(beside: Beside, count: int, folders: int) -> None:
    every_other = [("-n", "2") if n % 2 else () for n in range(count)]
    runs = beside({"test_it.py": TESTS.format(tests=12)}, every_other, folders)

    for run in runs:
        assert "12 passed" in run.output, run.output
        assert run.is_gone(0)
    servers = [path.name for run in runs for path in run.notes.glob("*s-*")]
    assert len({run.run for run in runs}) == count
    assert len(servers) == len(set(servers)) == 2 * count


def at_most_at_once(events: list[Event], service: str) -> int:
    """Return how many containers of `service` existed at the moment when there were most."""
    existing, most = set(), 0
    for event in sorted(events, key=lambda event: event.at):
        if event.service == service and event.action == "create":
            existing.add(event.container)
        elif event.action == "destroy":
            existing.discard(event.container)
        most = max(most, len(existing))
    return most


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    with listening(tmp_path) as events:
        yield events


def three_and_two_workers(beside: Beside, events: Events, tests: int, conftest: str = "") -> int:
    """Run both to their end; return how many Postgres containers existed at once."""
    texts = {"test_it.py": ON_POSTGRES.format(tests=tests), "conftest.py": conftest}
    runs = beside(texts, [("-n", "3"), ("-n", "2")], folders=2)

    for run in runs:
        assert f"{tests} passed" in run.output, run.output
        assert run.is_gone(0)
    return at_most_at_once([e for run in runs for e in events.until_destroyed(run.run)], "postgres")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_runs_of_300_tests_have_a_postgres_container_each_and_then_none(
    beside: Beside, events: Events
) -> None:
    assert three_and_two_workers(beside, events, tests=300) == 2


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_mutant_with_a_server_per_worker_has_five(beside: Beside, events: Events) -> None:
    assert three_and_two_workers(beside, events, tests=30, conftest=EACH_WORKER_ITS_OWN) == 5


def test_containers_that_follow_each_other_are_not_counted_together() -> None:
    def happened(*what: tuple[str, str]) -> list[Event]:
        return [Event(a, c, "postgres", "r", at) for at, (a, c) in enumerate(what)]

    follow = happened(("create", "a"), ("destroy", "a"), ("create", "b"), ("destroy", "b"))
    overlap = happened(("create", "a"), ("create", "b"), ("destroy", "a"), ("destroy", "b"))
    assert at_most_at_once(follow, "postgres") == 1
    assert at_most_at_once(overlap, "postgres") == 2
    assert at_most_at_once(overlap, "redis") == 0
