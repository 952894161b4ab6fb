"""In an empty folder, with no conftest, a test only names what it needs."""

from __future__ import annotations

import pytest

from tests.conftest import Run

AUTO = ("-o", "asyncio_mode=auto")


@pytest.mark.slow
def test_a_coroutine_test_gets_a_database(run_suite: Run) -> None:
    result = run_suite(
        """
        from sqlalchemy import text

        async def test(postgres_async_session):
            assert (await postgres_async_session.execute(text("select 1"))).scalar() == 1
        """,
        *AUTO,
    )
    result.assert_outcomes(passed=1)


def test_a_plain_test_gets_a_database(run_suite: Run) -> None:
    result = run_suite(
        """
        from sqlalchemy import text

        def test(postgres_session):
            assert postgres_session.execute(text("select 1")).scalar() == 1
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_plain_test_gets_redis(run_suite: Run) -> None:
    result = run_suite(
        """
        def test(redis_client):
            redis_client.set("greeting", "hello")
            assert redis_client.get("greeting") == b"hello"
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_plain_test_gets_kafka(run_suite: Run) -> None:
    result = run_suite(
        """
        def test(kafka_topics, kafka_producer):
            topic = kafka_topics.create("orders")
            kafka_producer.send(topic, b"one").get(timeout=10)
            [record] = kafka_topics.read(topic, count=1, timeout=10)
            assert record.value == b"one"
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_coroutine_test_runs_a_workflow_to_its_end(run_suite: Run) -> None:
    result = run_suite(
        """
        from datetime import timedelta

        from temporalio import activity, workflow

        @activity.defn
        async def greet(name: str) -> str:
            return f"hello {name}"

        @workflow.defn
        class Greeting:
            @workflow.run
            async def run(self, name: str) -> str:
                return await workflow.execute_activity(
                    greet, name, start_to_close_timeout=timedelta(seconds=5)
                )

        async def test(temporal_client, temporal_worker, temporal_namespace):
            queue = temporal_namespace.task_queue("greetings")
            async with temporal_worker(task_queue=queue, workflows=[Greeting], activities=[greet]):
                said = await temporal_client.execute_workflow(
                    Greeting.run, "you", id="greeting", task_queue=queue
                )
            assert said == "hello you"
        """,
        *AUTO,
    )
    result.assert_outcomes(passed=1)
