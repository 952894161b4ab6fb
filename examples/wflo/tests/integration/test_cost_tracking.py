"""Costs in the database, and the budget guard."""

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from support import eventually
from wflo.costs import BudgetExceededError, CostTracker
from wflo.database import make_sessions
from wflo.llm import estimate_cost, estimate_tokens
from wflo.models import Cost, WorkflowExecution

CALL = (2000, 1000)  # tokens in, tokens out
BLOCKED = text(
    "select count(*) from pg_stat_activity"
    " where datname = current_database() and wait_event_type = 'Lock'"
)


@pytest.fixture
def tracker(postgres_async_session: AsyncSession) -> CostTracker:
    """A tracker on the test's session."""
    return CostTracker(postgres_async_session)


class TestCostTracker:
    """Charging calls."""

    async def test_gpt4_cost(self, tracker: CostTracker, execution_id: str) -> None:
        """GPT-4: 30 USD a million in, 60 out."""
        cost = await tracker.charge(execution_id, "gpt-4", CALL)

        assert cost == Decimal("0.12"), "wrong price"

    async def test_gpt35_cost(self, tracker: CostTracker, execution_id: str) -> None:
        """GPT-3.5: 0.50 USD a million in, 1.50 out."""
        cost = await tracker.charge(execution_id, "gpt-3.5-turbo", CALL)

        assert cost == Decimal("0.0025"), "wrong price"

    async def test_claude_cost(self, tracker: CostTracker, execution_id: str) -> None:
        """Claude: 3 USD a million in, 15 out."""
        cost = await tracker.charge(execution_id, "claude-3-5-sonnet", CALL)

        assert cost == Decimal("0.021"), "wrong price"

    async def test_cost_is_stored(
        self, tracker: CostTracker, postgres_async_session: AsyncSession, execution_id: str
    ) -> None:
        """A charge leaves one row, exact to a billionth of a dollar."""
        await tracker.charge(execution_id, "gpt-3.5-turbo", (1, 0))
        await postgres_async_session.commit()

        stored = await postgres_async_session.execute(
            select(Cost.model, Cost.input_tokens, Cost.output_tokens, Cost.usd)
        )
        expected = ("gpt-3.5-turbo", 1, 0, Decimal("0.0000005"))
        assert [tuple(row) for row in stored] == [expected], "not what was charged"

    async def test_costs_are_added_up_per_execution(
        self,
        tracker: CostTracker,
        postgres_async_session: AsyncSession,
        execution_id: str,
        definition_id: str,
    ) -> None:
        """One execution's cost is not another's."""
        postgres_async_session.add(WorkflowExecution(id="run-2", definition_id=definition_id))
        await tracker.charge(execution_id, "gpt-4", CALL)
        await tracker.charge("run-2", "claude-3-5-sonnet", CALL)

        spent = [await tracker.spent(run) for run in (execution_id, "run-2")]
        assert spent == [Decimal("0.12"), Decimal("0.021")], "costs were mixed up"

    async def test_several_calls_add_up(self, tracker: CostTracker, execution_id: str) -> None:
        """Calls of different models make one sum; without calls it is zero."""
        assert await tracker.spent(execution_id) == 0, "something was charged before"

        for model in ("gpt-4", "gpt-4", "gpt-3.5-turbo"):
            await tracker.charge(execution_id, model, CALL)
        assert await tracker.spent(execution_id) == Decimal("0.2425"), "wrong sum"


class TestBudgetCheck:
    """The guard: executions have one dollar."""

    async def test_the_last_cent_may_be_spent(
        self, tracker: CostTracker, execution_id: str
    ) -> None:
        """Spending exactly the budget is allowed and leaves nothing."""
        left = await tracker.check(execution_id, Decimal("0.4"))
        assert left == Decimal("0.6"), "wrong rest"

        await tracker.charge(execution_id, "gpt-4", (10_000, 10_000))
        assert await tracker.check(execution_id, Decimal("0.1")) == 0, "wrong rest"

    async def test_a_fraction_more_is_refused(
        self, tracker: CostTracker, postgres_async_session: AsyncSession, execution_id: str
    ) -> None:
        """The smallest overrun raises, and the refused call is not charged."""
        await tracker.charge(execution_id, "gpt-4", (10_000, 10_000))

        with pytest.raises(BudgetExceededError, match=r" 0\.10* are left"):
            await tracker.check(execution_id, Decimal("0.100000001"))
        with pytest.raises(BudgetExceededError):
            await tracker.charge(execution_id, "gpt-4", (10_000, 10_000))
        rows = await postgres_async_session.scalar(select(func.count()).select_from(Cost))
        assert rows == 1, "the refused call was charged"

    async def test_two_calls_cannot_take_the_same_rest(
        self, postgres_async_engine: AsyncEngine, execution_id: str
    ) -> None:
        """The second waits for the first one's transaction, and then finds too little left."""
        sessions = make_sessions(postgres_async_engine)

        async def second() -> None:
            async with sessions.begin() as session:
                await CostTracker(session).charge(execution_id, "gpt-4", (10_000, 10_000))

        async def waiting() -> bool:
            async with sessions() as session:
                return bool(await session.scalar(BLOCKED))

        async with sessions.begin() as session:
            await CostTracker(session).charge(execution_id, "gpt-4", (10_000, 10_000))
            task = asyncio.create_task(second())
            await eventually(waiting, "the second call waits for the first")
        with pytest.raises(BudgetExceededError):
            await task


class TestCostEstimation:
    """Estimates come before the call, charges after it."""

    async def test_estimated_tokens_are_charged_alike(
        self, tracker: CostTracker, execution_id: str
    ) -> None:
        """Charging an estimate's tokens costs what was estimated."""
        prompt = "How much will this be?"
        tokens = estimate_tokens(prompt)
        assert tokens == 6, "22 characters are six tokens"

        charged = await tracker.charge(execution_id, "gpt-4", (tokens, 100))
        assert charged == estimate_cost("gpt-4", prompt, 100), "estimate and charge differ"

    async def test_an_estimate_is_checked_before_the_call(
        self, tracker: CostTracker, execution_id: str
    ) -> None:
        """The guard takes an estimate: cheap ones pass, and one beyond the budget does not."""
        cheap = estimate_cost("gpt-3.5-turbo", "hi", 1000)
        dear = estimate_cost("gpt-4", "hi", 20_000)

        assert await tracker.check(execution_id, cheap) > Decimal("0.99"), "wrong rest"
        with pytest.raises(BudgetExceededError):
            await tracker.check(execution_id, dear)
