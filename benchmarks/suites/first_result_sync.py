"""To the first result: postgres_session and bare psycopg."""

import os
import time

import psycopg
import pytest
from sqlalchemy import text

from benchmarks.stopwatch import asked, note

TURNS = range(int(os.environ["BENCH_TIMES"]))


@pytest.mark.parametrize("turn", TURNS)
def test_kit(postgres_session, turn):  # type: ignore[no-untyped-def]
    given = time.monotonic()
    assert postgres_session.scalar(text("SELECT 1")) == 1
    note("first", time.monotonic() - asked())
    note("given", given - asked())


@pytest.mark.parametrize("turn", TURNS)
def test_bare(postgres_database, turn):  # type: ignore[no-untyped-def]
    began = time.monotonic()
    with psycopg.connect(postgres_database.url, sslmode="disable") as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
        note("bare", time.monotonic() - began)
