"""What a test left running in its namespace: found, ended, and said in a sentence each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wflo_testkit.services.temporal.connection import CALL, done_unless
from wflo_testkit.wait import Deadline

if TYPE_CHECKING:
    from temporalio.api.workflow.v1 import WorkflowExecutionInfo
    from temporalio.service import ServiceClient

ENDING_TIMEOUT = 10.0
# Seconds until a new workflow is listed: 1-3 ms with the kit's settings, 8 ms at most (measured);
# servers with Elasticsearch refresh once a second.
LAG_OWN, LAG_EXTERNAL = 0.008, 1.0
NAMED = 20
_REASON = "the test that started it has ended"


def anybodys(_name: str) -> bool:
    """Say that a name will do."""
    return True


async def clear(
    client: ServiceClient,
    namespace: str,
    *,
    prefix: str = "",
    is_ours: Callable[[str], bool] = anybodys,
    lag: float,
) -> list[str]:
    """Delete schedules and terminate workflows that still run; return a sentence for each.

    prefix: only what has it in its id or task queue, for a namespace that tests share.
    is_ours: says of which of them, by id or task queue.
    lag: seconds after which what was just started can be seen in a list; it is looked for twice.
    """
    import asyncio

    deadline = Deadline(ENDING_TIMEOUT)
    found: list[str] = []
    for delay in (0.0, lag):
        await asyncio.sleep(delay)
        if not deadline.passed:
            schedules, still_running = await asyncio.gather(
                _delete_schedules(client, "" if prefix else namespace),
                running(client, namespace, prefix, is_ours),
            )
            found += [*schedules, *await _terminate(client, namespace, still_running)]
    sentences = list(dict.fromkeys(found))
    more = [f"{len(sentences) - NAMED} more were ended"] if len(sentences) > NAMED else []
    return [*sentences[:NAMED], *more]


async def running(
    client: ServiceClient, namespace: str, prefix: str, is_ours: Callable[[str], bool] = anybodys
) -> Sequence[WorkflowExecutionInfo]:
    """Return what runs in `namespace`, with `prefix` in an id or task queue that `is_ours`."""
    from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest

    query = "ExecutionStatus = 'Running'"
    if prefix:
        query += f" AND (WorkflowId STARTS_WITH '{prefix}' OR TaskQueue STARTS_WITH '{prefix}')"
    request = ListWorkflowExecutionsRequest(namespace=namespace, query=query, page_size=1000)
    answer = await client.workflow_service.list_workflow_executions(request, timeout=CALL)
    return [info for info in answer.executions if any(map(is_ours, names_of(info)))]


def names_of(info: WorkflowExecutionInfo) -> tuple[str, str]:
    """Return a workflow's id and task queue."""
    return info.execution.workflow_id, info.task_queue


async def _terminate(
    client: ServiceClient, namespace: str, running: Sequence[WorkflowExecutionInfo]
) -> list[str]:
    import asyncio

    async def end(info: WorkflowExecutionInfo) -> str:
        ended = await end_workflow(client, namespace, info.execution.workflow_id)
        name = f"{info.execution.workflow_id!r} of type {info.type.name!r}"
        return f"the workflow {name} was still running; the kit terminated it" if ended else ""

    sentences: list[str] = []
    for start in range(0, len(running), 50):
        part = running[start : start + 50]
        sentences += await asyncio.gather(*(end(info) for info in part))
    return [sentence for sentence in sentences if sentence]


async def end_workflow(client: ServiceClient, namespace: str, workflow_id: str) -> bool:
    """Terminate the workflow's current run; False when it had ended: lists lag behind."""
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import TerminateWorkflowExecutionRequest

    request = TerminateWorkflowExecutionRequest(
        namespace=namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        reason=_REASON,
    )
    call = client.workflow_service.terminate_workflow_execution(request, timeout=CALL)
    return await done_unless("NOT_FOUND", call)


async def _delete_schedules(client: ServiceClient, namespace: str) -> list[str]:
    if not namespace:  # a shared one: schedules carry no tag by which to tell whose they are
        return []
    from temporalio.api.workflowservice.v1 import DeleteScheduleRequest, ListSchedulesRequest

    service = client.workflow_service
    request = ListSchedulesRequest(namespace=namespace, maximum_page_size=1000)
    sentences = []
    for entry in (await service.list_schedules(request, timeout=CALL)).schedules:
        name = entry.schedule_id
        deletion = DeleteScheduleRequest(namespace=namespace, schedule_id=name)
        if await done_unless("NOT_FOUND", service.delete_schedule(deletion, timeout=CALL)):
            sentences.append(f"the schedule {name!r} was still there; the kit deleted it")
    return sentences
