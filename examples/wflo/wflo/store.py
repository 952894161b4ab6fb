"""What happens to an execution, as rows. The caller commits."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from wflo.models import ApprovalRequest, Document, StateSnapshot, WorkflowExecution

FINAL = frozenset({"completed", "rejected", "cancelled", "failed"})


class ApprovalError(Exception):
    """The request was decided before."""


async def set_status(session: AsyncSession, execution_id: str, status: str) -> WorkflowExecution:
    """Move an execution to `status`; a final one also gets its end time."""
    execution = await session.get_one(WorkflowExecution, execution_id)
    execution.status = status
    if status in FINAL:
        execution.finished_at = await session.scalar(select(func.now()))
    return execution


async def save_snapshot(session: AsyncSession, execution_id: str, state: Document) -> StateSnapshot:
    """Store `state` as the execution's next version."""
    last = await latest_snapshot(session, execution_id)
    version = last.version + 1 if last else 1
    snapshot = StateSnapshot(execution_id=execution_id, version=version, state=state)
    session.add(snapshot)
    await session.flush()
    return snapshot


async def latest_snapshot(session: AsyncSession, execution_id: str) -> StateSnapshot | None:
    """Return the newest version, or None before the first."""
    versions = select(StateSnapshot).where(StateSnapshot.execution_id == execution_id)
    return await session.scalar(versions.order_by(StateSnapshot.version.desc()).limit(1))


async def ask_approval(session: AsyncSession, execution_id: str) -> ApprovalRequest:
    """Open the execution's request, or return the one that is there: activities are retried."""
    request = await session.merge(ApprovalRequest(execution_id=execution_id))
    await session.flush()
    return request


async def decide_approval(
    session: AsyncSession, execution_id: str, status: str, by: str
) -> ApprovalRequest:
    """Close the request; the same answer may come twice. Raises ApprovalError for another."""
    request = await session.get_one(ApprovalRequest, execution_id, with_for_update=True)
    if request.status != "pending" and (request.status, request.decided_by) != (status, by):
        raise ApprovalError(f"{execution_id} was {request.status} by {request.decided_by}")
    request.status, request.decided_by = status, by
    return request
