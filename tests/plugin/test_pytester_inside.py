"""Runs of pytest inside a run, as authors of plugins have them, each have a broker of their own."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Run
from tests.docker_state import docker_state
from wflo_testkit.runtime import labels

INSIDE = '''
import json, os
import pytest

pytest_plugins = ["pytester"]

INNER = """
import os
from pathlib import Path

def test_inner(redis_client, redis_server, postgres_session):
    assert redis_client.keys() == []
    redis_client.set("whose", "inner")
    Path("inner.txt").write_text(redis_server.container_id)

def test_another(redis_client):
    assert redis_client.keys() == []
"""
OPTIONS = ("-p", "no:randomly", "--wflo-report=inner.json")

def runs():
    folder = os.environ["RUNS"]
    return os.path.join(folder, f"{os.getpid()}-{os.urandom(4).hex()}")

@pytest.mark.parametrize("n", range(2))
@pytest.mark.parametrize("way", ["inprocess", "subprocess"])
def test_outer(pytester, redis_client, redis_server, way, n):
    redis_client.set("whose", "outer")
    pytester.makepyfile(INNER)
    result = getattr(pytester, f"runpytest_{way}")(*OPTIONS)
    result.assert_outcomes(passed=2)
    inner = json.loads((pytester.path / "inner.json").read_text())
    with open(runs(), "w") as file:
        file.write(inner["run"])
    assert (pytester.path / "inner.txt").read_text() != redis_server.container_id
    assert redis_client.keys() == [b"whose"]
    assert redis_client.get("whose") == b"outer"
'''


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one", "two"])
def test_each_has_containers_of_its_own_and_leaves_nothing(
    run_suite: Run,
    pytester: pytest.Pytester,
    fresh_environment: pytest.MonkeyPatch,
    workers: tuple[str, ...],
) -> None:
    noted = pytester.mkdir("noted")
    fresh_environment.setenv("RUNS", str(noted))
    result = run_suite(INSIDE, "--wflo-report=outer.json", *workers)

    result.assert_outcomes(passed=4)
    outer = json.loads((pytester.path / "outer.json").read_text())["run"]
    inner = {path.read_text() for path in noted.iterdir()}
    assert len(inner | {outer}) == 5
    assert not [left for run in inner | {outer} for left in docker_state(f"{labels.RUN}={run}")]


IN_ONE_PROCESS = '''
import asyncio
import pytest

pytest_plugins = ["pytester"]

INNER = """
import pytest

def test_all(postgres_engine, redis_client, kafka_topics, temporal_namespace):
    with postgres_engine.connect():
        pass
    assert kafka_topics.create("t")
    redis_client.ping()

@pytest.mark.asyncio
async def test_async(temporal_client, postgres_async_session, redis_async_client):
    await redis_async_client.ping()
"""

def test_first(pytester):
    pytester.makepyfile(INNER)
    pytester.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=2)

def test_again_after_its_modules_were_forgotten(pytester):
    pytester.makepyfile(INNER)
    pytester.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=2)
'''


@pytest.mark.slow
def test_two_in_one_process_may_use_all_services(run_suite: Run) -> None:
    run_suite(IN_ONE_PROCESS).assert_outcomes(passed=2)
