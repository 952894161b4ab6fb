"""To the first result: postgres_async_session and bare asyncpg."""

import os
import time

import asyncpg
import pytest
from sqlalchemy import text

from benchmarks.stopwatch import asked, note

TURNS = range(int(os.environ["BENCH_TIMES"]))


@pytest.mark.parametrize("turn", TURNS)
async def test_kit(postgres_async_session, turn):  # type: ignore[no-untyped-def]
    given = time.monotonic()
    assert await postgres_async_session.scalar(text("SELECT 1")) == 1
    note("first", time.monotonic() - asked())
    note("given", given - asked())


@pytest.mark.parametrize("turn", TURNS)
async def test_bare(postgres_database, turn):  # type: ignore[no-untyped-def]
    began = time.monotonic()
    connection = await asyncpg.connect(postgres_database.url, ssl=False)
    assert await connection.fetchval("SELECT 1") == 1
    note("bare", time.monotonic() - began)
    await connection.close()
