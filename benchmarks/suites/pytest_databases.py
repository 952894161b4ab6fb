"""conftest.py of the suite on pytest-databases: create_all before, drop_all after each test."""

import os

import psycopg
import pytest
import sqlalchemy

from benchmarks.suites.models import metadata

pytest_plugins = ["pytest_databases.docker.postgres"]


@pytest.fixture(scope="session")
def postgres_image():  # type: ignore[no-untyped-def]
    return os.environ["BENCH_IMAGE"]


@pytest.fixture
def connection(postgres_service):  # type: ignore[no-untyped-def]
    it = postgres_service
    url = f"{it.user}:{it.password}@{it.host}:{it.port}/{it.database}"
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://{url}")
    metadata().create_all(engine)
    with psycopg.connect(f"postgresql://{url}") as own:
        yield own
    metadata().drop_all(engine)
    engine.dispose()
