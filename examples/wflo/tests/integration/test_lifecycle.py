"""The database around a test: tables before, none after, and where it lives."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, MetaData, event, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from wflo.database import make_engine
from wflo.models import Base, WorkflowExecution
from wflo.settings import Settings

EXAMPLE = Path(__file__).parents[2]
NO_DOCKER = "tcp://127.0.0.1:1"
MODEL_TEST = "test_database.py::TestWorkflowDefinitionModel::test_create_workflow_definition"


class TestTables:
    """Mode `create`: tables are made before each test and dropped after it."""

    pytestmark = pytest.mark.wflo(postgres="create")

    @pytest.fixture
    def postgres_schema(self) -> Iterator[MetaData]:
        """The service's tables; ends after the test's database, and fails if a table was left."""
        left: list[list[str]] = []

        def look(_metadata: MetaData, connection: Connection, **_options: object) -> None:
            left.append(inspect(connection).get_table_names())

        event.listen(Base.metadata, "after_drop", look)
        yield Base.metadata
        event.remove(Base.metadata, "after_drop", look)
        assert left == [[]], "not dropped once, or not all of them"

    async def test_tables_are_there_before_the_test(
        self, postgres_async_engine: AsyncEngine
    ) -> None:
        """Every table of the models exists, and is empty."""
        async with postgres_async_engine.connect() as connection:
            found = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
            assert set(found) == set(Base.metadata.tables), "wrong tables"

            for table in Base.metadata.sorted_tables:
                assert not (await connection.execute(table.select())).all(), f"{table} has rows"

    async def test_tables_are_dropped_after_the_test(
        self, postgres_async_session: AsyncSession, execution_id: str
    ) -> None:
        """Rows that a test leaves do not keep its tables: see `postgres_schema`, which looks."""
        assert await postgres_async_session.get(WorkflowExecution, execution_id), "no row to leave"


class TestDatabaseUrl:
    """`TEST_DATABASE_URL` names a database, and then no container is started."""

    def test_variable_replaces_the_container(self, postgres_empty_database) -> None:
        """A run that cannot reach Docker passes on the database that it was given."""
        env = {name: value for name, value in os.environ.items() if "PYTEST_" not in name}
        env |= {"TEST_DATABASE_URL": postgres_empty_database.url, "DOCKER_HOST": NO_DOCKER}
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "--wflo-require", f"tests/integration/{MODEL_TEST}"],
            cwd=EXAMPLE,
            env=env,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

        assert "1 passed" in run.stdout, run.stdout + run.stderr


class TestEcho:
    """`database_echo` shows what the service asks its database."""

    async def test_echo_logs_sql(
        self, test_settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Statements are logged with the setting, and not without it."""
        for echo in (False, True):
            engine = make_engine(replace(test_settings, database_echo=echo))
            with caplog.at_level(logging.INFO):
                async with engine.connect() as connection:
                    await connection.execute(text(f"select 'echo is {echo}'"))
            await engine.dispose()

        assert "echo is True" in caplog.text, "the statement was not logged"
        assert "echo is False" not in caplog.text, "logged without being asked"
