"""conftest.py: tables, and perhaps rows, in the database of each test."""

import os
from pathlib import Path

import pytest

from benchmarks.suites.models import metadata

ROWS = Path(__file__).with_name("rows.sql")


@pytest.fixture(scope="session")
def postgres_schema():  # type: ignore[no-untyped-def]
    tables = metadata(int(os.environ["BENCH_TABLES"]))
    return [tables, ROWS] if ROWS.exists() else tables
