"""Engine and models on a database that only the running test sees."""

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from wflo import store
from wflo.database import make_engine, make_sessions
from wflo.models import StateSnapshot, WorkflowDefinition, WorkflowExecution
from wflo.settings import Settings


async def count(session: AsyncSession, model: type) -> int:
    """Return the number of rows of `model`."""
    return await session.scalar(select(func.count()).select_from(model)) or 0


class TestDatabaseEngine:
    """`make_engine` and `make_sessions`."""

    async def test_engine_connects(self, test_settings: Settings) -> None:
        """The service's own engine reaches the test's database."""
        engine = make_engine(test_settings)
        async with engine.connect() as connection:
            answer = await connection.scalar(text("select 1"))
        await engine.dispose()

        assert answer == 1, "the database did not answer"

    async def test_plain_url_uses_asyncpg(self) -> None:
        """A URL without a driver, as deployments have it, gets the asynchronous one."""
        engine = make_engine(Settings(database_url="postgresql://user:secret@db/wflo"))

        assert engine.url.drivername == "postgresql+asyncpg", "wrong driver"

    async def test_failed_transaction_leaves_nothing(
        self, postgres_async_engine: AsyncEngine
    ) -> None:
        """An error inside `sessions.begin()` takes everything back."""
        sessions = make_sessions(postgres_async_engine)

        async def fail_half_way() -> None:
            async with sessions.begin() as session:
                session.add(WorkflowDefinition(name="half", steps={}))
                await session.flush()
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await fail_half_way()
        async with sessions() as session:
            assert await count(session, WorkflowDefinition) == 0, "half a transaction stayed"


class TestWorkflowDefinitionModel:
    """Create, read, update, delete."""

    async def test_create_workflow_definition(self, postgres_async_session: AsyncSession) -> None:
        """The database adds an id and the time."""
        definition = WorkflowDefinition(name="triage", steps={"ask": "gpt-4"})
        postgres_async_session.add(definition)
        await postgres_async_session.commit()

        await postgres_async_session.refresh(definition)
        assert len(definition.id) == 32, "no id was made"
        assert definition.created_at.tzinfo is not None, "the time has no zone"

    async def test_read_workflow_definition(
        self, postgres_async_engine: AsyncEngine, definition_id: str
    ) -> None:
        """Another connection reads what was committed, JSON included."""
        async with make_sessions(postgres_async_engine)() as session:
            definition = await session.get_one(WorkflowDefinition, definition_id)

        assert definition.name == "triage", "wrong name"
        assert definition.steps == {"ask": "gpt-4"}, "the steps changed on the way"

    async def test_update_workflow_definition(
        self, postgres_async_session: AsyncSession, definition_id: str
    ) -> None:
        """New steps replace the old ones."""
        definition = await postgres_async_session.get_one(WorkflowDefinition, definition_id)
        definition.steps = {"ask": "claude-3-5-sonnet"}
        await postgres_async_session.commit()

        await postgres_async_session.refresh(definition)
        assert definition.steps == {"ask": "claude-3-5-sonnet"}, "the update was lost"

    async def test_delete_workflow_definition(
        self, postgres_async_session: AsyncSession, definition_id: str
    ) -> None:
        """A deleted definition is gone, and its name is free again."""
        definition = await postgres_async_session.get_one(WorkflowDefinition, definition_id)
        await postgres_async_session.delete(definition)
        await postgres_async_session.commit()

        postgres_async_session.add(WorkflowDefinition(name="triage", steps={}))
        await postgres_async_session.commit()
        assert await count(postgres_async_session, WorkflowDefinition) == 1, "wrong row count"


class TestWorkflowExecutionModel:
    """Executions and their status."""

    async def test_new_execution_is_pending(
        self, postgres_async_session: AsyncSession, execution_id: str
    ) -> None:
        """A new execution has not started, has a dollar to spend and no end."""
        execution = await postgres_async_session.get_one(WorkflowExecution, execution_id)
        await postgres_async_session.refresh(execution)

        found = (execution.status, execution.budget_usd, execution.finished_at)
        assert found == ("pending", 1, None), "wrong defaults"

    async def test_only_a_final_status_ends_an_execution(
        self, postgres_async_session: AsyncSession, execution_id: str
    ) -> None:
        """`running` has no end time, `completed` has one."""
        running = await store.set_status(postgres_async_session, execution_id, "running")
        assert running.finished_at is None, "a running execution has an end"

        done = await store.set_status(postgres_async_session, execution_id, "completed")
        await postgres_async_session.commit()
        await postgres_async_session.refresh(done)
        assert done.status == "completed", "the status was not stored"
        assert done.finished_at is not None, "a completed execution has no end"

    async def test_execution_needs_a_definition(self, postgres_async_session: AsyncSession) -> None:
        """The foreign key refuses an unknown definition."""
        postgres_async_session.add(WorkflowExecution(definition_id="unknown"))

        with pytest.raises(IntegrityError, match="workflow_executions_definition_id_fkey"):
            await postgres_async_session.commit()

    async def test_executions_go_with_their_definition(
        self, postgres_async_session: AsyncSession, execution_id: str, definition_id: str
    ) -> None:
        """Deleting a definition deletes its executions and what hangs on them."""
        await store.save_snapshot(postgres_async_session, execution_id, {"step": 1})
        definition = await postgres_async_session.get_one(WorkflowDefinition, definition_id)
        await postgres_async_session.delete(definition)
        await postgres_async_session.commit()

        assert await count(postgres_async_session, WorkflowExecution) == 0, "an execution stayed"
        assert await count(postgres_async_session, StateSnapshot) == 0, "a snapshot stayed"


class TestStateSnapshotModel:
    """Versions of an execution's state."""

    async def test_each_snapshot_has_the_next_version(
        self, postgres_async_session: AsyncSession, execution_id: str
    ) -> None:
        """Versions count from 1, and the newest is found."""
        saved = [
            (await store.save_snapshot(postgres_async_session, execution_id, {"step": n})).version
            for n in (1, 2, 3)
        ]

        latest = await store.latest_snapshot(postgres_async_session, execution_id)
        assert saved == [1, 2, 3], "wrong versions"
        assert latest is not None, "no snapshot was found"
        assert latest.state == {"step": 3}, "the newest is not the last one saved"

    async def test_a_version_exists_once(
        self, postgres_async_session: AsyncSession, execution_id: str
    ) -> None:
        """Two processes that save the same version do not overwrite each other."""
        await store.save_snapshot(postgres_async_session, execution_id, {"by": "first"})
        postgres_async_session.add(StateSnapshot(execution_id=execution_id, version=1, state={}))

        with pytest.raises(IntegrityError, match="state_snapshots_execution_id_version_key"):
            await postgres_async_session.commit()


class TestApprovalRequestModel:
    """Questions to a person."""

    async def test_asking_twice_opens_one_request(
        self, postgres_async_session: AsyncSession, execution_id: str
    ) -> None:
        """A repeated step finds the request of the first one, still undecided."""
        for _ in range(2):
            request = await store.ask_approval(postgres_async_session, execution_id)
            await postgres_async_session.commit()

        await postgres_async_session.refresh(request)
        assert (request.status, request.decided_by) == ("pending", None), "not a fresh request"

    async def test_a_decision_is_final(
        self, postgres_async_session: AsyncSession, execution_id: str
    ) -> None:
        """The first decision is stored; another person's is refused."""
        await store.ask_approval(postgres_async_session, execution_id)
        await store.decide_approval(postgres_async_session, execution_id, "approved", "ada")

        with pytest.raises(store.ApprovalError, match="approved by ada"):
            await store.decide_approval(postgres_async_session, execution_id, "rejected", "bob")
