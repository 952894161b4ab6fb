"""Threads lease at once, and use what one test has leased, without getting in each other's way."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.broker.conftest import Listening
from tests.broker.conftest import waiting as waiting  # a fixture
from tests.conftest import Run
from tests.contract.test_every_service import CASES
from tests.docker_state import docker_state
from tests.reuse.members import Member, member
from tests.services.asker import run_of_its_own
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.client import connect
from wflo_testkit.runtime import labels
from wflo_testkit.services.kafka import importing
from wflo_testkit.services.redis.databases import Databases

importing.load()  # see tests/services/conftest.py

NUMBERS = itertools.count()
THREADS = 4
ROUNDS = 5
SLOW = ("kafka", "temporal")

BROKEN = threading.BrokenBarrierError
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in CASES]


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with run_of_its_own() as broker:
        yield broker


@pytest.fixture
def way(broker: Broker, waiting: Listening) -> Iterator[Callable[[str], Member]]:
    """way(service): a process that asks for leases over the socket.

    Of a name of its own: the broker, which outlives the test, gives back a moment later what the
    process of the last one has held, and knows it by its name.
    """
    waiting.connections.serve(broker)
    client = connect(str(waiting.path), f"gw{next(NUMBERS)}")

    def way(service: str) -> Member:
        found = member(broker, service)
        found.broker = client
        return found

    yield way
    client.close()


def use_in_threads(asker: Member, use: Callable[[Any], None]) -> None:
    """Lease, use and give back in several threads at once, several times in each."""

    def work(_thread: int) -> None:
        for _ in range(ROUNDS):
            with asker.lease() as handle:
                use(handle)

    with ThreadPoolExecutor(THREADS) as pool:
        errors = [each.exception() for each in [pool.submit(work, n) for n in range(THREADS)]]
    # What broke the others' barrier, before the others.
    for error in sorted(filter(None, errors), key=lambda each: isinstance(each, BROKEN)):
        raise error


@pytest.mark.parametrize("name", NAMES)
def test_what_each_of_them_leases_is_private_and_from_one_container(
    broker: Broker, way: Callable[[str], Member], name: str
) -> None:
    asker = way(name)
    use_in_threads(asker, CASES[name].use)

    of_run = docker_state(f"{labels.RUN}={broker._session.run}")
    of_service = docker_state(f"{labels.SERVER}={name}")
    assert of_run.containers & of_service.containers == {asker.server.container_id}


def look_at_what_is_mine_while_all_hold(asker: Member) -> None:
    """Raises AssertionError, or BrokenBarrierError, when one thread sees another's value."""
    import redis

    together = threading.Barrier(THREADS, timeout=60)

    def look(handle: Any) -> None:
        with redis.Redis.from_url(handle.url) as client:
            client.set("whose", handle.username)
            together.wait()
            try:
                assert client.get("whose") == handle.username.encode()
                together.wait()
            except BaseException:
                together.abort()
                raise

    use_in_threads(asker, look)


def test_while_all_hold_a_database_none_sees_anothers(way: Callable[[str], Member]) -> None:
    look_at_what_is_mine_while_all_hold(way("redis"))


def test_mutant_that_gives_all_the_same_database_is_found_out(
    way: Callable[[str], Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Databases, "_next", lambda self: self._make(1))
    with pytest.raises((AssertionError, threading.BrokenBarrierError)):
        look_at_what_is_mine_while_all_hold(way("redis"))


IN_ONE_TEST = """
from concurrent.futures import ThreadPoolExecutor

import psycopg

def test_in_threads(postgres_database, redis_client, kafka_topics):
    def work(n):
        with psycopg.connect(postgres_database.url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLE of_{n} (id int PRIMARY KEY)")
        redis_client.sadd("topics", kafka_topics.create("orders"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    assert redis_client.scard("topics") == 24
    with psycopg.connect(postgres_database.url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'of_%'")
        assert tables.fetchone() == (24,)

def test_afterwards_all_is_empty(postgres_database, redis_client):
    assert redis_client.keys() == []
    with psycopg.connect(postgres_database.url) as connection:
        tables = connection.execute("SELECT 1 FROM pg_tables WHERE tablename LIKE 'of_%'")
        assert tables.fetchall() == []
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one", "two"])
def test_a_test_may_use_its_handles_in_threads(run_suite: Run, workers: tuple[str, ...]) -> None:
    run_suite(IN_ONE_TEST, *workers).assert_outcomes(passed=2)
