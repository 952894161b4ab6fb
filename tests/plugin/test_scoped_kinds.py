"""Every kind of lease, and every convenience on it, lasts for a scope, sync and async."""

from __future__ import annotations

import pytest

from tests.conftest import Run
from wflo_testkit import services

pytestmark = pytest.mark.slow

ON = {
    "postgres": ("database", ["engine", "session", "async_engine", "async_session"]),
    "redis": ("database", ["client", "async_client"]),
    "kafka": ("topics", ["producer", "consumer", "admin"]),
    "temporal": ("namespace", ["client", "worker"]),
}
CONFTEST = "from wflo_testkit import scoped\n" + "".join(
    f'wide_{service} = scoped("{service}_{lease}", scope="module")\n'
    + "".join(
        f'wide_{service}_{name} = scoped("{service}_{name}", scope="module", on="wide_{service}")\n'
        for name in conveniences
    )
    for service, (lease, conveniences) in ON.items()
)
SUITE = """
import pytest
from sqlalchemy import text
from temporalio import workflow

@workflow.defn(sandboxed=False)
class Answer:
    @workflow.run
    async def run(self) -> int:
        return 42

names = {}

@pytest.mark.parametrize("n", (0, 1))
def test_sync(n, request, wide_postgres_engine, wide_postgres_session, wide_redis_client,
              wide_kafka, wide_kafka_producer, wide_kafka_consumer, wide_kafka_admin):
    assert {mark.name for mark in request.node.own_markers} >= {"postgres", "redis", "kafka"}
    if n == 0:
        with wide_postgres_engine.begin() as connection:
            connection.execute(text("CREATE TABLE visits (id int)"))
        wide_redis_client.set("first", 1)
        names.update(topic=wide_kafka.create("events"), own=wide_kafka.unique_name("base"))
        wide_kafka_producer.send(names["topic"], b"first").get(10)
    assert wide_postgres_session.scalar(text("SELECT count(*) FROM visits")) == 0
    wide_postgres_session.rollback()
    assert wide_redis_client.get("first") == b"1"
    assert names["own"] == wide_kafka.unique_name("base")
    assert names["topic"] in wide_kafka_admin.list_topics()
    assert [each.value for each in wide_kafka_consumer(names["topic"])] == [b"first"]

@pytest.mark.asyncio
@pytest.mark.parametrize("n", (0, 1))
async def test_async(n, wide_postgres_async_engine, wide_postgres_async_session,
                     wide_redis_async_client, wide_temporal, wide_temporal_client,
                     wide_temporal_worker):
    async with wide_postgres_async_engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM visits")) == 0
    assert await wide_postgres_async_session.scalar(text("SELECT count(*) FROM visits")) == 0
    assert await wide_redis_async_client.get("first") == b"1"
    assert wide_temporal_client.namespace == wide_temporal.namespace
    assert names.setdefault("namespace", wide_temporal.namespace) == wide_temporal.namespace
    async with wide_temporal_worker(workflows=[Answer]):
        queue, answer = wide_temporal.task_queue(), wide_temporal.workflow_id(f"answer-{n}")
        assert 42 == await wide_temporal_client.execute_workflow(
            Answer.run, id=answer, task_queue=queue
        )
"""


def test_they_are_all_tried() -> None:
    every = {
        name: ([kind.name for kind in row.leases], [each.name for each in row.conveniences])
        for name, row in ((name, services.row(name)) for name in services.BUILT_IN)
    }

    assert {name: own[1] for name, own in every.items()} == {n: own[1] for n, own in ON.items()}
    assert all(own[0] in every[name][0] for name, own in ON.items())


def test_each_is_one_for_all_tests_of_a_module(run_suite: Run, kept_servers: None) -> None:
    result = run_suite(SUITE, conftest=CONFTEST)

    result.assert_outcomes(passed=4)
