"""One broker for the tests of services that ask it directly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.asker import Asker, asker, run_of_its_own
from tests.services.bystander import bystander
from wflo_testkit.broker.broker import Broker
from wflo_testkit.services.kafka import importing

__all__ = ["bystander"]

importing.load()  # before the modules that import kafka-python, since warnings are errors here


@pytest.fixture(scope="session")
def service_core() -> Iterator[Broker]:
    with run_of_its_own() as broker:
        yield broker


@pytest.fixture(scope="session")
def redis_started(service_core: Broker) -> Asker:
    """Somebody who asks for parts of a Redis with eight databases."""
    return asker(service_core, "redis", databases=8)


@pytest.fixture
def redis_asker(redis_started: Asker) -> Asker:
    return redis_started.afresh()


@pytest.fixture(scope="session")
def kafka_started(service_core: Broker) -> Asker:
    """Somebody who asks for topics of a broker."""
    return asker(service_core, "kafka")


@pytest.fixture
def kafka_asker(kafka_started: Asker) -> Asker:
    return kafka_started.afresh()
