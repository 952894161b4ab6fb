"""conftest.py of the suite on the kit: a database of its own for each test."""

import psycopg
import pytest

from benchmarks.suites.models import metadata


@pytest.fixture(scope="session")
def postgres_schema():  # type: ignore[no-untyped-def]
    return metadata()


@pytest.fixture
def connection(postgres_database):  # type: ignore[no-untyped-def]
    with psycopg.connect(postgres_database.url) as own:
        yield own
