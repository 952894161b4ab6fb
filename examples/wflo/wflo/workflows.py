"""The workflows: order, retries, approval and clean-up, but nothing that touches the outside."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from wflo.activities import Activities, Task, greet

RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    maximum_attempts=3,
    non_retryable_error_types=["BudgetExceededError", "UnknownModelError"],
)


async def step(activity: Callable[..., Any], *args: Any) -> Any:
    """Run one activity under the service's time limit and retry policy."""
    limit = timedelta(seconds=60)
    return await workflow.execute_activity(
        activity, args=args, start_to_close_timeout=limit, retry_policy=RETRY
    )


@workflow.defn
class SimpleWorkflow:
    """One step."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Greet `name`."""
        greeting: str = await step(greet, name)
        return greeting


@workflow.defn
class WfloWorkflow:
    """Generate a text and, where the task says so, wait for a person to approve it."""

    def __init__(self) -> None:
        self._decision: tuple[str, str] | None = None

    @workflow.run
    async def run(self, task: Task) -> str:
        """Return how the execution ended; a failure or cancellation is stored, then raised."""
        try:
            await step(Activities.set_status, task.execution_id, "running")
            await step(Activities.generate, task)
            status = await self._ask(task) if task.needs_approval else "completed"
            await step(Activities.set_status, task.execution_id, status)
        except (ActivityError, asyncio.CancelledError) as error:
            status = "cancelled" if is_cancelled_exception(error) else "failed"
            await step(Activities.set_status, task.execution_id, status)
            raise
        return status

    @workflow.signal
    def decide(self, status: str, by: str) -> None:
        """Answer the approval request, "approved" or "rejected"; the first answer counts."""
        self._decision = self._decision or (status, by)

    async def _ask(self, task: Task) -> str:
        """Wait for a decision; none in time counts as a no."""
        await step(Activities.ask_approval, task.execution_id)
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._decision is not None, timeout=task.approval_seconds
            )
        decision, by = self._decision or ("expired", "timer")
        await step(Activities.decide_approval, task.execution_id, decision, by)
        return "completed" if decision == "approved" else "rejected"
