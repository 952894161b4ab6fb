"""Tests that run in forked children of the one process use the one set of containers."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Run
from tests.docker_state import docker_state
from wflo_testkit.runtime import labels

FORKED = '''
import os, pickle
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Run each test in a child, from set-up to teardown, as pytest-forked does."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        tell = item.config.hook.pytest_report_to_serializable
        told = [tell(config=item.config, report=each) for each in reports]
        os.write(write, pickle.dumps(told))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        told = pickle.loads(file.read() or pickle.dumps([]))
    os.waitpid(child, 0)
    hook = item.config.hook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for each in told or [crashed(item)]:
        report = hook.pytest_report_from_serializable(config=item.config, data=each)
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True

def crashed(item):
    report = pytest.TestReport(
        item.nodeid, item.location, {}, "failed", "the child died", "call"
    )
    return item.config.hook.pytest_report_to_serializable(config=item.config, report=report)
'''

TESTS = """
import os, pytest
from sqlalchemy import text

PARENT = os.getpid()

@pytest.mark.parametrize("n", range(6))
def test_private(postgres_session, redis_client, n):
    assert os.getpid() != PARENT
    assert redis_client.keys() == []
    redis_client.set("left", "behind")
    postgres_session.execute(text("CREATE TABLE mine (id int PRIMARY KEY)"))
    postgres_session.commit()
    if n == 2:
        os._exit(3)
"""


def rows(pytester: pytest.Pytester) -> list[dict[str, object]]:
    """Return what the run's report says about its servers."""
    report = json.loads((pytester.path / "report.json").read_text())
    assert not list(docker_state(f"{labels.RUN}={report['run']}"))
    return list(report["services"])


@pytest.mark.slow
def test_each_in_a_child_of_its_own(run_suite: Run, pytester: pytest.Pytester) -> None:
    result = run_suite(TESTS, "--wflo-report=report.json", conftest=FORKED)

    result.assert_outcomes(passed=5, failed=1)  # the one whose child died
    assert {row["name"]: row["leases"] for row in rows(pytester)} == {"postgres": 6, "redis": 6}


DYING = """
import os, pytest

@pytest.mark.parametrize("n", range(4))
def test_dies(redis_client, n):
    os._exit(3)

def test_lives(redis_client):
    assert redis_client.ping()
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["one process", "worker"])
def test_a_child_that_dies_takes_no_database_with_it(
    run_suite: Run, workers: tuple[str, ...]
) -> None:
    """There are two, and four children die one after the other while they hold one."""
    pyproject = "[tool.wflo-testkit]\nredis_databases = 3"
    result = run_suite(DYING, *workers, conftest=FORKED, pyproject=pyproject)

    result.assert_outcomes(passed=1, failed=4)
    result.stdout.no_fnmatch_line("*logical databases*in use*")


POOL = """
import multiprocessing as mp
import os

def use(handle, name):
    import redis
    topic = handle[1].create(name)
    with redis.Redis.from_url(handle[0].url) as client:
        client.rpush("topics", topic)
    return os.getpid()

def child(queue, handle, name):
    queue.put(use(handle, name))

def test_children_use_the_handles_of_their_parent(redis_database, redis_client, kafka_topics):
    fork = mp.get_context("fork")
    queue = fork.Queue()
    handle = (redis_database, kafka_topics)
    children = [fork.Process(target=child, args=(queue, handle, f"t{n}")) for n in range(4)]
    for each in children:
        each.start()
    use(handle, "parent")
    assert len({queue.get(timeout=60) for _ in children} | {os.getpid()}) == 5
    for each in children:
        each.join(60)
        assert each.exitcode == 0
    topics = redis_client.lrange("topics", 0, -1)
    assert len(set(topics)) == 5
    for topic in topics:
        assert kafka_topics.read(topic.decode(), count=0, timeout=1) == []

def test_afterwards_the_broker_is_as_it_was(redis_client, kafka_topics):
    assert redis_client.keys() == []
    assert kafka_topics.create("t0")
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one", "two"])
def test_a_test_may_hand_its_handles_to_children(
    run_suite: Run, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    result = run_suite(POOL, "--wflo-report=report.json", *workers)

    result.assert_outcomes(passed=2)
    assert len(rows(pytester)) == 2


STARTED = """
import multiprocessing as mp
import pytest

def child(queue, server):
    queue.put((server.logs() != "", server.network))

@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_it(redis_server, method):
    context = mp.get_context(method)
    queue = context.Queue()
    process = context.Process(target=child, args=(queue, redis_server))
    process.start()
    assert queue.get(timeout=60) == (True, redis_server.network)
    process.join(60)
    assert process.exitcode == 0
"""


@pytest.mark.slow
def test_a_server_tells_its_log_and_network_to_a_child_however_that_is_started(
    run_suite: Run,
) -> None:
    run_suite(STARTED).assert_outcomes(passed=3)


HANDED_ON = """
import multiprocessing as mp
import psycopg
import pytest

def use(postgres, redis, kafka, temporal):
    psycopg.connect(postgres.as_role("app")).close()
    return (
        redis.url,
        kafka.create("t", partitions=2),
        kafka.group("g"),
        temporal.namespace,
        temporal.task_queue(),
    )

def child(queue, *handles):
    queue.put(use(*handles))

@pytest.fixture
def handles(postgres_database, redis_database, kafka_topics, temporal_namespace):
    return postgres_database, redis_database, kafka_topics, temporal_namespace

@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_it(handles, method):
    context = mp.get_context(method)
    queue = context.Queue()
    process = context.Process(target=child, args=(queue, *handles))
    process.start()
    url, topic, *names = queue.get(timeout=60)
    process.join(60)
    assert process.exitcode == 0
    mine = use(*handles)
    assert topic.startswith(handles[2].stem)
    assert topic != mine[1], "a new one at each call, whoever calls"
    assert (url, *names) == (mine[0], *mine[2:])
"""


@pytest.mark.slow
def test_handles_can_be_asked_in_a_child_however_that_is_started(run_suite: Run) -> None:
    run_suite(HANDED_ON).assert_outcomes(passed=2)
