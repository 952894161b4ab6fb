"""conftest.py of the floor: one connection to a running server for all tests, no isolation."""

import os

import psycopg
import pytest

from benchmarks.suites.models import metadata


@pytest.fixture(scope="session")
def connection():  # type: ignore[no-untyped-def]
    metadata()  # a suite that has models imports them
    with psycopg.connect(os.environ["BENCH_URL"]) as pooled:
        yield pooled
