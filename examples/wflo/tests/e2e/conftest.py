"""End to end: the service as a process of its own, told by its environment where things are."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from wflo.models import Base

EXAMPLE = Path(__file__).parents[2]
Service = Callable[[], AbstractContextManager[subprocess.Popen[bytes]]]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test of this folder."""
    item.add_marker("integration")
    item.add_marker("slow")
    item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def postgres_schema() -> MetaData:
    """Tables that every test's database starts with."""
    return Base.metadata


@pytest.fixture
def events_topic(kafka_topics) -> str:
    """The topic of the service's events."""
    return kafka_topics.create("events")


@pytest.fixture
def service(
    postgres_database, redis_database, kafka_topics, temporal_namespace, events_topic: str
) -> Service:
    """Start the service's process; killed, not asked, at the end of the `with`."""
    env = {
        **os.environ,
        "DATABASE_URL": postgres_database.sqlalchemy_url("asyncpg"),
        "REDIS_URL": redis_database.url,
        "REDIS_PREFIX": redis_database.prefix,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_topics.bootstrap_servers,
        "EVENTS_TOPIC": events_topic,
        "TEMPORAL_ADDRESS": temporal_namespace.address,
        "TEMPORAL_NAMESPACE": temporal_namespace.namespace,
        "TEMPORAL_TASK_QUEUE": temporal_namespace.task_queue("wflo"),
    }

    @contextmanager
    def run() -> Iterator[subprocess.Popen[bytes]]:
        with subprocess.Popen(
            [sys.executable, "-m", "wflo.worker"], cwd=EXAMPLE, env=env
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return run
