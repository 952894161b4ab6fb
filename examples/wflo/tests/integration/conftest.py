"""What the service's tests get: the database's URL, settings that use it, and its tables."""

import pytest
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession

from wflo.models import Base, WorkflowDefinition, WorkflowExecution
from wflo.settings import Settings


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test of this folder; pytest calls a folder's conftest for its own items only."""
    item.add_marker("integration")


@pytest.fixture(scope="session")
def postgres_schema() -> MetaData:
    """Tables that every test's database starts with."""
    return Base.metadata


@pytest.fixture
def test_db_url(postgres_database) -> str:
    """URL of this test's own database: in a container, or where TEST_DATABASE_URL points."""
    return postgres_database.sqlalchemy_url("asyncpg")


@pytest.fixture
def test_settings(test_db_url: str) -> Settings:
    """Settings of the service under test; database_echo=True logs its SQL."""
    return Settings(app_env="testing", database_url=test_db_url, database_echo=False)


@pytest.fixture
async def definition_id(postgres_async_session: AsyncSession) -> str:
    """Id of a stored workflow definition."""
    definition = WorkflowDefinition(id="triage", name="triage", steps={"ask": "gpt-4"})
    postgres_async_session.add(definition)
    await postgres_async_session.commit()
    return "triage"


@pytest.fixture
async def execution_id(postgres_async_session: AsyncSession, definition_id: str) -> str:
    """Id of a stored execution that may cost one dollar."""
    postgres_async_session.add(WorkflowExecution(id="run-1", definition_id=definition_id))
    await postgres_async_session.commit()
    return "run-1"
