"""conftest.py of the suite on pytest-testcontainers: a new database per test, then create_all."""

import os

import psycopg
import pytest
import sqlalchemy
from pytest_testcontainers import make_postgres  # type: ignore[import-not-found]

from benchmarks.suites.models import metadata


@pytest.fixture(scope="session")
def tc_psql():  # type: ignore[no-untyped-def]
    with make_postgres(image=os.environ["BENCH_IMAGE"]) as server:
        yield server


@pytest.fixture
def connection(tc_psql_db):  # type: ignore[no-untyped-def]
    engine = sqlalchemy.create_engine(tc_psql_db.url("postgresql+psycopg"))
    metadata().create_all(engine)
    engine.dispose()
    with psycopg.connect(tc_psql_db.url()) as own:
        yield own
