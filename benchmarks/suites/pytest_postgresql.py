"""conftest.py of the suite on pytest-postgresql: its template, made once, copied for each test."""

import json
import os

import psycopg
import pytest
import sqlalchemy
from pytest_postgresql import factories  # type: ignore[import-not-found]

from benchmarks.suites.models import metadata

ACCOUNT = json.loads(os.environ["BENCH_ACCOUNT"])


def fill(**into):  # type: ignore[no-untyped-def]
    place = f"{into['host']}:{into['port']}/{into['dbname']}"
    account = f"{into['user']}:{into['password']}"
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://{account}@{place}")
    metadata().create_all(engine)
    engine.dispose()


server = factories.postgresql_noproc(load=[fill], dbname="peer", **ACCOUNT)
database = factories.postgresql("server", dbname="peer")


@pytest.fixture
def connection(database):  # type: ignore[no-untyped-def]
    with psycopg.connect(password=ACCOUNT["password"], **database.info.get_parameters()) as own:
        yield own
