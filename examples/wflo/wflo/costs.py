"""Cost tracking, and the guard that keeps an execution within its budget."""

from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from wflo.llm import cost_of
from wflo.models import Cost, WorkflowExecution


class BudgetExceededError(Exception):
    """The call would cost more than is left."""


class CostTracker:
    """Charges calls to executions in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def spent(self, execution_id: str) -> Decimal:
        """Return what the execution has cost so far, in US dollars."""
        total = select(func.sum(Cost.usd)).where(Cost.execution_id == execution_id)
        return await self._session.scalar(total) or Decimal(0)

    async def check(self, execution_id: str, usd: Decimal) -> Decimal:
        """Return what would be left after `usd` more; spending the last cent is allowed.

        Locks the execution until the transaction ends, so that two calls cannot both take the
        same rest. Raises BudgetExceededError.
        """
        execution = await self._session.get_one(
            WorkflowExecution, execution_id, with_for_update=True, populate_existing=True
        )
        left = execution.budget_usd - await self.spent(execution_id)
        if usd > left:
            raise BudgetExceededError(f"{execution_id}: the call costs {usd} USD, {left} are left")
        return left - usd

    async def charge(self, execution_id: str, model: str, tokens: tuple[int, int]) -> Decimal:
        """Store a call's cost and return it. Raises BudgetExceededError and stores nothing.

        tokens: those that went in and those that came out.
        """
        usd = cost_of(model, *tokens)
        await self.check(execution_id, usd)
        used = dict(zip(("input_tokens", "output_tokens"), tokens, strict=True))
        self._session.add(Cost(execution_id=execution_id, model=model, usd=usd, **used))
        await self._session.flush()
        return usd
