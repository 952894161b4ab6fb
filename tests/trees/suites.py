"""What a user writes to have the tables of other projects in a test's database."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

HOME = Path(__file__).parents[2] / ".setup" / "trees"

HEAD = """
import importlib.util
from pathlib import Path

import pytest


def package(name):
    return Path(importlib.util.find_spec(name).origin).parent

"""

TEST = """
import json
import os
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from conftest import package


def test_the_tables_are_there_at_the_head(postgres_database, postgres_engine):
    scripts = package({package!r}) / {scripts!r}
    versions = [str(scripts / {versions!r})]
    heads = ScriptDirectory(str(scripts), version_locations=versions).get_heads()
    with postgres_engine.connect() as connection:
        found = set(inspect(connection).get_table_names())
        at = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        template = {{"name": postgres_database.template}}
        oid = text("SELECT oid FROM pg_database WHERE datname = :name")
        seen = [*template.values(), connection.execute(oid, template).scalar_one()]

    assert heads
    assert sorted(at) == sorted(heads)
    assert {tables!r} <= found
    Path(os.environ["SEEN"]).write_text(json.dumps(seen))
"""


@dataclass(frozen=True, slots=True)
class Tree:
    """A project's Alembic tree.

    package, scripts, versions: where its revisions are: folders below the one before.
    schema: the source of the fixture `postgres_schema`. env: the setting of that name.
    tables: some of what it makes.
    variables: names of the variables that hold the address of the developer's own database, and
        its SQLAlchemy driver. files: sqlite files that its defaults name, below HOME, which is
        where pytest runs.
    refused: other sources of `postgres_schema`, that cannot work, and what the error says then.
    """

    name: str
    package: str
    scripts: str
    schema: str
    tables: frozenset[str]
    versions: str = "versions"
    env: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    refused: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """The interpreter of its environment. scripts/trees.py makes it; raises LookupError."""
        if not (HOME / self.name / "made").is_file():
            raise LookupError(f"first run: .venv/bin/python scripts/trees.py {self.name}")
        return HOME / self.name / "bin" / "python"

    def conftest(self, schema: str = "") -> str:
        return HEAD + dedent(schema or self.schema)

    @property
    def pyproject(self) -> str:
        return f"[tool.wflo-testkit]\nenv = {{ {self.env} }}\n"

    @property
    def test(self) -> str:
        return TEST.format(
            package=self.package,
            scripts=self.scripts,
            versions=self.versions,
            tables=set(self.tables),
        )


def only(ini: str) -> str:
    """Return the source of a `postgres_schema` that is an ini file: all that most projects need."""
    name, _, rest = ini.partition("/")
    return f"""
@pytest.fixture(scope="session")
def postgres_schema():
    return package({name!r}) / {rest!r}
"""


OPTUNA = Tree(
    "optuna",
    package="optuna",
    scripts="storages/_rdb/alembic",
    schema=only("optuna/storages/_rdb/alembic.ini"),
    tables=frozenset({"studies", "trials", "trial_values", "version_info"}),
    files=("alembic.db",),
)

MLFLOW = Tree(
    "mlflow",
    package="mlflow",
    scripts="store/db_migrations",
    # The first revision alters tables that MLflow makes by create_all.
    schema="""
    @pytest.fixture(scope="session")
    def postgres_schema():
        from mlflow.store.tracking.dbmodels.initial_models import Base

        return [Base.metadata, package("mlflow") / "store/db_migrations/alembic.ini"]
    """,
    tables=frozenset({"experiments", "runs", "metrics", "model_versions", "trace_info"}),
    variables={"MLFLOW_TRACKING_URI": "psycopg"},
    files=("mlflow.db",),
    refused={
        only("mlflow/store/db_migrations/alembic.ini"): (
            'relation "metrics" does not exist',
            "a list",
        )
    },
)

# Its env.py wants to be run in a worker thread of anyio's.
PREFECT_CALLABLE = """
    from importlib.metadata import version


    def tables(url):
        import anyio
        import anyio.to_thread
        from prefect.server.database.alembic_commands import alembic_upgrade

        anyio.run(anyio.to_thread.run_sync, alembic_upgrade)


    tables.fingerprint = version("prefect")


    @pytest.fixture(scope="session")
    def postgres_schema():
        return tables
"""

PREFECT = Tree(
    "prefect",
    package="prefect",
    scripts="server/database/_migrations",
    versions="versions/postgresql",
    schema=PREFECT_CALLABLE,
    env='PREFECT_API_DATABASE_CONNECTION_URL = "{postgres.sqlalchemy_url:asyncpg}"',
    tables=frozenset({"flow", "flow_run", "task_run", "work_pool", "automation"}),
    variables={"PREFECT_API_DATABASE_CONNECTION_URL": "asyncpg"},
    files=(".prefect/prefect.db",),
    refused={
        only("prefect/server/database/alembic.ini"): (
            "Not running inside an AnyIO worker thread",
            "callable",
        )
    },
)

DAGSTER = Tree(
    "dagster",
    package="dagster",
    scripts="_core/storage/alembic",
    # Its revisions alter what the storages have made; these stamp the head.
    schema="""
    from importlib.metadata import version


    def tables(url):
        from dagster_postgres import (
            PostgresEventLogStorage,
            PostgresRunStorage,
            PostgresScheduleStorage,
        )

        for storage in (PostgresRunStorage, PostgresEventLogStorage, PostgresScheduleStorage):
            storage(url)


    tables.fingerprint = version("dagster-postgres")


    @pytest.fixture(scope="session")
    def postgres_schema():
        return tables
    """,
    tables=frozenset({"runs", "event_logs", "instigators", "asset_keys", "kvs"}),
    refused={
        only("dagster_postgres/alembic/alembic.ini"): (
            "currently upgrading instance not set",
            "callable",
        )
    },
)

LANGFLOW = Tree(
    "langflow",
    package="langflow",
    scripts="alembic",
    schema=only("langflow/alembic.ini"),
    tables=frozenset({"flow", "user", "folder", "message"}),
    variables={"LANGFLOW_DATABASE_URL": "psycopg"},
    files=("langflow.db",),
)

AIRFLOW = Tree(
    "airflow",
    package="airflow",
    scripts="migrations",
    schema=only("airflow/alembic.ini"),
    tables=frozenset({"dag", "dag_run", "task_instance", "connection", "slot_pool"}),
    variables={"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "psycopg2"},
    files=("airflow/airflow.db",),
)
