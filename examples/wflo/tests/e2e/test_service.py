"""Tasks on their way through the running service, seen from outside."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowHandle

from support import eventually
from wflo.activities import Task
from wflo.database import make_sessions
from wflo.events import Event
from wflo.models import ApprovalRequest, Cost, WorkflowDefinition, WorkflowExecution
from wflo.workflows import WfloWorkflow

SECONDS = 90
Submit = Callable[..., Awaitable[WorkflowHandle[Any, Any]]]


@pytest.fixture
def submit(postgres_async_engine: AsyncEngine, temporal_client, temporal_namespace) -> Submit:
    """Store an execution and start its workflow, as a caller of the service does."""

    async def submit(name: str, prompt: str, **options: Any) -> WorkflowHandle[Any, Any]:
        async with make_sessions(postgres_async_engine).begin() as session:
            definition = WorkflowDefinition(id=name, name=name, steps={})
            session.add_all([definition, WorkflowExecution(id=name, definition_id=name)])
        return await temporal_client.start_workflow(
            WfloWorkflow.run,
            Task(name, prompt, **options),
            id=name,
            task_queue=temporal_namespace.task_queue("wflo"),
        )

    return submit


@pytest.fixture
def asked(postgres_async_engine: AsyncEngine) -> Callable[[str], Awaitable[None]]:
    """Wait until the service asks for approval."""

    async def asked(name: str) -> None:
        async def pending() -> bool:
            async with make_sessions(postgres_async_engine)() as session:
                return await session.get(ApprovalRequest, name) is not None

        await eventually(pending, f"approval of {name} is asked for", SECONDS)

    return asked


async def test_task_from_request_to_events(
    service, submit: Submit, asked, kafka_topics, events_topic: str
) -> None:
    """Two tasks with one question: one is approved, one needs no approval, one is paid for."""
    with service():
        careful = await submit("careful", "stressed", needs_approval=True)
        await asked("careful")
        quick = await submit("quick", "stressed")
        assert await quick.result() == "completed", "the quick task failed"
        await careful.signal(WfloWorkflow.decide, args=["approved", "ada"])
        assert await careful.result() == "completed", "the approved task failed"

    records = kafka_topics.read(events_topic, count=4, timeout=SECONDS)
    events = [Event.decode(record.value) for record in records]
    assert [(event.execution_id, event.kind) for event in events] == [
        ("careful", "running"),
        ("quick", "running"),
        ("quick", "completed"),
        ("careful", "completed"),
    ], "wrong events"


async def test_killed_service_goes_on_where_it_stopped(
    service, submit: Submit, asked, postgres_async_engine: AsyncEngine
) -> None:
    """A task survives the process that ran it, and is paid for once."""
    with service() as process:
        task = await submit("durable", "stressed", needs_approval=True)
        await asked("durable")
        process.kill()
        process.wait(10)
    await task.signal(WfloWorkflow.decide, args=["approved", "ada"])

    with service():
        assert await task.result() == "completed", "the second process did not take over"
    async with make_sessions(postgres_async_engine)() as session:
        paid = await session.scalar(select(func.count()).select_from(Cost))
    assert paid == 1, "the task was not paid for once"
