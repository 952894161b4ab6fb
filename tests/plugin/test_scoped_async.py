"""Async engines, sessions and clients that outlast a test, and the event loop that they are in."""

from __future__ import annotations

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.slow

CONFTEST = """
from wflo_testkit import scoped

shop_database = scoped("postgres_database", scope="module", schema="{here}/schema.sql")
shop_engine = scoped("postgres_async_engine", scope="module", on="shop_database")
shop_session = scoped("postgres_async_session", scope="module", on="shop_database")
module_session = scoped(
    "postgres_async_session", scope="module", on="shop_database", loop_scope="module"
)
module_engine = scoped(
    "postgres_async_engine", scope="module", on="shop_database", loop_scope="module"
)
cart = scoped("redis_database", scope="session")
cart_client = scoped("redis_async_client", scope="session", on="cart")
"""
FILES = {"schema.sql": "CREATE TABLE visits (id int);"}
CLOSED_WHERE = """
import asyncio
import pytest

@pytest.fixture(autouse=True, scope="module")
def where_closed():
    from sqlalchemy.ext.asyncio import AsyncSession
    loops, closed = [], []
    close = AsyncSession.close
    async def noting(self):
        closed.append(asyncio.get_running_loop())
        await close(self)
    AsyncSession.close = noting
    yield loops
    AsyncSession.close = close
    assert closed and set(closed) == set(loops), (closed, loops)
    print("closed in its loop")
"""
IN_ONE_LOOP = """
import asyncio
import pytest
from sqlalchemy import text

{mark}

async def test_writes(where_closed, module_session, module_engine):
    where_closed.append(asyncio.get_running_loop())
    await module_session.execute(text("INSERT INTO visits VALUES (1)"))
    async with module_engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM visits")) == 0

async def test_is_in_the_same_transaction(module_session, module_engine):
    assert await module_session.scalar(text("SELECT count(*) FROM visits")) == 1
    async with module_engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM visits")) == 0
"""
IN_MANY_LOOPS = """
import pytest
from sqlalchemy import text

pytestmark = pytest.mark.asyncio

async def test_writes(shop_session, shop_engine, cart_client):
    await shop_session.execute(text("INSERT INTO visits VALUES (1)"))
    await shop_session.commit()
    await shop_session.execute(text("INSERT INTO visits VALUES (2)"))
    await cart_client.set("a", 1)

async def test_finds_what_was_committed(shop_session, shop_engine, cart_client):
    assert await shop_session.scalar(text("SELECT count(*) FROM visits")) == 1
    async with shop_engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM visits")) == 1
    assert await cart_client.get("a") == b"1"
"""
SECOND_LOOP = """
import asyncio
import pytest
from sqlalchemy import text

@pytest.mark.asyncio(loop_scope="module")
async def test_in_its_loop(module_session, module_engine):
    await module_session.execute(text("SELECT 1"))

@pytest.mark.asyncio
async def test_in_another(module_session):
    await module_session.execute(text("SELECT 1"))

@pytest.mark.asyncio(loop_scope="module")
async def test_engine_in_its_loop(module_engine):
    async with module_engine.connect() as connection:
        await connection.execute(text("SELECT 1"))

@pytest.mark.asyncio
async def test_engine_in_another(module_engine):
    async with module_engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
"""
ANYIO = """
@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture(scope="module", autouse=True)
async def one_loop(anyio_backend):
    yield

pytestmark = pytest.mark.anyio
"""


ASYNCIO = 'pytestmark = pytest.mark.asyncio(loop_scope="module")'
LOOP_FIRST = ASYNCIO + "\n\nasync def test_begins_the_loop(): pass\n"


@pytest.mark.parametrize(
    "mark",
    [ASYNCIO, LOOP_FIRST, ANYIO],
    ids=["pytest-asyncio", "pytest-asyncio, the loop ends last", "anyio"],
)
def test_a_session_with_a_loop_of_its_scope_is_one_for_all_tests_and_closed_in_that_loop(
    run_suite: Run, pytester: pytest.Pytester, kept_servers: None, mark: str
) -> None:
    conftest = CLOSED_WHERE + CONFTEST.format(here=pytester.path)
    result = run_suite(
        IN_ONE_LOOP.format(mark=mark), "-s", "-p", "no:xdist", conftest=conftest, files=FILES
    )

    result.assert_outcomes(passed=2 + mark.count("def test_"))
    result.stdout.fnmatch_lines(["*closed in its loop*"])


def test_without_one_each_loop_finds_a_session_as_new_and_what_was_committed(
    run_suite: Run, pytester: pytest.Pytester, kept_servers: None
) -> None:
    conftest = CONFTEST.format(here=pytester.path)
    result = run_suite(IN_MANY_LOOPS, conftest=conftest, files=FILES)

    result.assert_outcomes(passed=2)


def test_a_second_loop_is_an_error_that_says_how_to_stay_in_the_one(
    run_suite: Run, pytester: pytest.Pytester, kept_servers: None
) -> None:
    conftest = CONFTEST.format(here=pytester.path) + (
        'client = scoped("redis_client", scope="module", loop_scope="module", on="cart")\n'
    )
    result = run_suite(
        SECOND_LOOP + "\ndef test_no_use(client): pass\n", conftest=conftest, files=FILES
    )

    result.assert_outcomes(passed=2, failed=2, errors=1)
    said = result.stdout.str()
    assert "postgres_async_session was used in a second event loop" in said
    assert "postgres_async_engine was used in a second event loop" in said
    assert "@pytest.mark.asyncio(loop_scope='module')" in said
    assert "client has no use for loop_scope='module'" in said
