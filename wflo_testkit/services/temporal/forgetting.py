"""Deletes the workflows of a namespace, with their histories, while its test goes on."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from wflo_testkit.services.temporal.connection import CALL, done_unless
from wflo_testkit.wait import Deadline

if TYPE_CHECKING:
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.service import ServiceClient

LIMIT = 60.0
"""Seconds until all have to be gone; an external server may take half a minute (see spec.py)."""
JITTER = 1.2
"""The server's intervals are up to 15 % longer than they are set to."""
AT_ONCE = 50


async def forget(client: ServiceClient, namespace: str, *, noted: float, lag: float) -> None:
    """Delete every workflow, and wait until none can be listed or described.

    noted: seconds after which the server has noted that a workflow has closed. lag: seconds after
    which what was just started can be seen in a list; only an empty one that is as old as that
    counts. Raises TimeoutError, and what the client raises.
    """
    import asyncio

    deadline = Deadline(LIMIT)
    gone: dict[str, WorkflowExecution] = {}
    if await _all(client, namespace):
        await asyncio.sleep(noted * JITTER)
    for turn in itertools.count():
        found = await _all(client, namespace)
        new = [each for each in found if each.run_id not in gone]
        await _each(new, lambda each: _delete(client, namespace, each))
        gone |= {each.run_id: each for each in new}
        if turn and not found:
            break
        if deadline.passed:
            raise TimeoutError(f"{len(found)} workflows were there after {LIMIT:g} s")
        await asyncio.sleep(lag)
    left = list(gone.values())
    while left := await _each(left, lambda each: _is_there(client, namespace, each)):
        if deadline.passed:
            raise TimeoutError(f"the history of {left[0].workflow_id!r} stayed for {LIMIT:g} s")
        await asyncio.sleep(lag)


async def _each(
    executions: Sequence[WorkflowExecution], work: Callable[[WorkflowExecution], Awaitable[bool]]
) -> list[WorkflowExecution]:
    """Do `work` with all, some at once; return those for which it was true."""
    import asyncio

    chosen: list[WorkflowExecution] = []
    for start in range(0, len(executions), AT_ONCE):
        part = executions[start : start + AT_ONCE]
        answers = await asyncio.gather(*map(work, part))
        chosen += [each for each, answer in zip(part, answers, strict=True) if answer]
    return chosen


async def _all(client: ServiceClient, namespace: str) -> list[WorkflowExecution]:
    from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest

    request = ListWorkflowExecutionsRequest(namespace=namespace, page_size=1000)
    answer = await client.workflow_service.list_workflow_executions(request, timeout=CALL)
    return [info.execution for info in answer.executions]


async def _delete(client: ServiceClient, namespace: str, execution: WorkflowExecution) -> bool:
    from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

    request = DeleteWorkflowExecutionRequest(namespace=namespace, workflow_execution=execution)
    call = client.workflow_service.delete_workflow_execution(request, timeout=CALL)
    return await done_unless("NOT_FOUND", call)


async def _is_there(client: ServiceClient, namespace: str, execution: WorkflowExecution) -> bool:
    from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest

    request = DescribeWorkflowExecutionRequest(namespace=namespace, execution=execution)
    call = client.workflow_service.describe_workflow_execution(request, timeout=CALL)
    return await done_unless("NOT_FOUND", call)
