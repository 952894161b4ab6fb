"""Workflows on a Temporal namespace, with the service's own activities."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.testing import ActivityEnvironment

from support import eventually
from wflo import store
from wflo.activities import Activities, Task, greet
from wflo.costs import CostTracker
from wflo.events import Event
from wflo.models import ApprovalRequest, WorkflowExecution
from wflo.settings import Settings
from wflo.worker import WORKFLOWS, open_activities
from wflo.workflows import SimpleWorkflow, WfloWorkflow

Start = Callable[..., Awaitable[WorkflowHandle[Any, Any]]]
Worker = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
def start(temporal_client, temporal_namespace) -> Start:
    """Start a workflow on the test's task queue."""

    async def start(workflow: Any, argument: Any, name: str) -> WorkflowHandle[Any, Any]:
        queue = temporal_namespace.task_queue("wflo")
        return await temporal_client.start_workflow(workflow, argument, id=name, task_queue=queue)

    return start


@pytest.fixture
def worker(temporal_worker, temporal_namespace) -> Worker:
    """Run the service's workflows on the test's task queue, with the given activities."""

    def worker(activities: list[Callable[..., Any]]) -> AbstractAsyncContextManager[Any]:
        queue = temporal_namespace.task_queue("wflo")
        return temporal_worker(task_queue=queue, workflows=WORKFLOWS, activities=activities)

    return worker


@pytest.fixture
async def steps(test_settings: Settings, redis_database, kafka_topics) -> AsyncIterator[Activities]:
    """The service's activities, on this test's database, Redis and topic."""
    settings = replace(
        test_settings,
        redis_url=redis_database.url,
        redis_prefix=redis_database.prefix,
        kafka_bootstrap_servers=kafka_topics.bootstrap_servers,
        events_topic=kafka_topics.create("events"),
    )
    async with open_activities(settings) as steps:
        yield steps


async def status_of(steps: Activities, execution_id: str) -> str:
    """Return the execution's stored status."""
    async with steps.sessions() as session:
        return (await session.get_one(WorkflowExecution, execution_id)).status


async def approval_of(steps: Activities, execution_id: str) -> ApprovalRequest | None:
    """Return the execution's approval request, or None."""
    async with steps.sessions() as session:
        return await session.get(ApprovalRequest, execution_id)


async def spent_on(steps: Activities, execution_id: str) -> Any:
    """Return what the execution has cost."""
    async with steps.sessions() as session:
        return await CostTracker(session).spent(execution_id)


class TestSimpleWorkflow:
    """One activity, no database."""

    async def test_result(self, start: Start, worker: Worker) -> None:
        """The activity's result is the workflow's."""
        async with worker([greet]):
            handle = await start(SimpleWorkflow.run, "Ada", "greet-ada")

            assert await handle.result() == "Hello, Ada!", "wrong greeting"

    async def test_workflows_run_side_by_side(self, start: Start, worker: Worker) -> None:
        """Each of five workflows gets its own result."""
        names = [f"visitor {number}" for number in range(5)]
        async with worker([greet]):
            handles = [await start(SimpleWorkflow.run, name, f"greet {name}") for name in names]
            results = await asyncio.gather(*(handle.result() for handle in handles))

        assert results == [f"Hello, {name}!" for name in names], "results were mixed up"


class TestActivities:
    """Steps on their own, without a Temporal server."""

    async def test_generate_charges_and_saves(self, steps: Activities, execution_id: str) -> None:
        """An answer is paid for, and is the execution's newest state."""
        task = Task(execution_id, "stressed")
        text = await ActivityEnvironment().run(steps.generate, task)

        async with steps.sessions() as session:
            snapshot = await store.latest_snapshot(session, execution_id)
        assert text == "gpt-4 says: desserts", "wrong answer"
        assert snapshot is not None, "no snapshot was saved"
        assert snapshot.state == {"text": text}, "the snapshot is not the answer"
        assert await spent_on(steps, execution_id) > 0, "the answer was not charged"

    async def test_a_repeated_question_is_free(self, steps: Activities, execution_id: str) -> None:
        """The second answer comes from the cache, and a snapshot is saved all the same."""
        task = Task(execution_id, "stressed")
        first = await ActivityEnvironment().run(steps.generate, task)
        cost = await spent_on(steps, execution_id)

        assert await ActivityEnvironment().run(steps.generate, task) == first, "another answer"
        assert await spent_on(steps, execution_id) == cost, "paid twice"
        async with steps.sessions() as session:
            snapshot = await store.latest_snapshot(session, execution_id)
        assert snapshot is not None, "no snapshot was saved"
        assert snapshot.version == 2, "the second answer left no snapshot"


class TestWfloWorkflow:
    """The whole path through database, Redis, Kafka and Temporal."""

    async def test_task_completes(
        self, start: Start, worker: Worker, steps: Activities, execution_id: str, kafka_topics
    ) -> None:
        """A task without approval runs to its end, and each status is an event."""
        async with worker(steps.all()):
            handle = await start(WfloWorkflow.run, Task(execution_id, "hello"), execution_id)
            assert await handle.result() == "completed", "wrong outcome"

        records = kafka_topics.read(steps.publisher.topic, count=2, timeout=15)
        kinds = [Event.decode(record.value).kind for record in records]
        assert await status_of(steps, execution_id) == "completed", "wrong status"
        assert kinds == ["running", "completed"], "wrong events"

    async def test_task_waits_for_approval(
        self, start: Start, worker: Worker, steps: Activities, execution_id: str
    ) -> None:
        """The task stays open until a person decides, and then goes as the person said."""
        task = Task(execution_id, "hello", needs_approval=True)
        async with worker(steps.all()):
            handle = await start(WfloWorkflow.run, task, execution_id)
            await eventually(lambda: approval_of(steps, execution_id), "approval is asked for")
            open_before = (await handle.describe()).status
            await handle.signal(WfloWorkflow.decide, args=["rejected", "ada"])
            assert await handle.result() == "rejected", "the person's no was ignored"

        request = await approval_of(steps, execution_id)
        assert open_before == WorkflowExecutionStatus.RUNNING, "did not wait"
        assert request is not None, "the request is gone"
        assert (request.status, request.decided_by) == ("rejected", "ada"), "wrong decision"

    @pytest.mark.slow
    async def test_nobodys_approval_is_a_no(
        self, start: Start, worker: Worker, steps: Activities, execution_id: str
    ) -> None:
        """After the time for an answer the task is rejected."""
        task = Task(execution_id, "hello", needs_approval=True, approval_seconds=1)
        async with worker(steps.all()):
            handle = await start(WfloWorkflow.run, task, execution_id)
            assert await handle.result() == "rejected", "wrong outcome"

        request = await approval_of(steps, execution_id)
        assert request is not None, "nobody was asked"
        assert (request.status, request.decided_by) == ("expired", "timer"), "wrong decision"


class TestRetry:
    """Activities that fail at first."""

    async def test_failing_activity_is_retried(self, start: Start, worker: Worker) -> None:
        """Two failures are made good by the third attempt."""
        attempts: list[int] = []

        @activity.defn(name="greet")
        async def flaky(name: str) -> str:
            attempts.append(activity.info().attempt)
            if len(attempts) < 3:
                raise ConnectionError("try again")
            return f"At last, {name}!"

        async with worker([flaky]):
            handle = await start(SimpleWorkflow.run, "Ada", "greet-ada")
            assert await handle.result() == "At last, Ada!", "wrong greeting"
        assert attempts == [1, 2, 3], "wrong attempts"


class TestCancellation:
    """Workflows that are no longer wanted."""

    async def test_cancelled_workflow_cleans_up(
        self, start: Start, worker: Worker, steps: Activities, execution_id: str
    ) -> None:
        """The workflow ends as cancelled, and so does the execution."""
        task = Task(execution_id, "hello", needs_approval=True)
        async with worker(steps.all()):
            handle = await start(WfloWorkflow.run, task, execution_id)
            await eventually(lambda: approval_of(steps, execution_id), "approval is asked for")
            await handle.cancel()
            with pytest.raises(WorkflowFailureError) as failure:
                await handle.result()

        assert isinstance(failure.value.cause, CancelledError), "ended for another reason"
        assert await status_of(steps, execution_id) == "cancelled", "wrong status"
