"""The async fixtures work under every event loop arrangement, and close in the loop they used."""

from __future__ import annotations

import pytest

from tests.cases import quick
from tests.conftest import Run

pytestmark = pytest.mark.usefixtures("kept_servers")

BODY = """
import pytest, pytest_asyncio
from sqlalchemy import text
{mark}
{fixture}
async def shop(postgres_async_session, redis_async_client):
    await postgres_async_session.execute(text("create table if not exists orders (id int)"))
    yield postgres_async_session
    # The user's own clean-up comes after the test and uses the kit's session once more.
    count = await postgres_async_session.execute(text("select count(*) from orders"))
    assert count.scalar() == 1
    await redis_async_client.get("after")

async def buy(shop, redis):
    await shop.execute(text("insert into orders values (1)"))
    await shop.commit()
    await redis.set("bought", "1")
    assert await redis.get("bought") == b"1"
    assert (await shop.execute(text("select count(*) from orders"))).scalar() == 1

{marked}
async def test_one(shop, redis_async_client):
    await buy(shop, redis_async_client)

{marked}
async def test_two(shop, redis_async_client, postgres_async_engine):
    async with postgres_async_engine.connect() as connection:
        await connection.execute(text("select 1"))
    await buy(shop, redis_async_client)
"""

ARRANGEMENTS = {
    "auto mode, a loop per test": (
        {"mark": "", "fixture": "@pytest_asyncio.fixture", "marked": ""},
        ["-o", "asyncio_mode=auto"],
    ),
    "strict mode, a loop per test": (
        {"mark": "", "fixture": "@pytest_asyncio.fixture", "marked": "@pytest.mark.asyncio"},
        ["-o", "asyncio_mode=strict"],
    ),
    "auto mode, a session loop": (
        {"mark": "", "fixture": "@pytest_asyncio.fixture", "marked": ""},
        [
            *("-o", "asyncio_mode=auto"),
            *("-o", "asyncio_default_test_loop_scope=session"),
            *("-o", "asyncio_default_fixture_loop_scope=session"),
        ],
    ),
    "strict mode, a session loop": (
        {
            "mark": "",
            "fixture": '@pytest_asyncio.fixture(loop_scope="session")',
            "marked": '@pytest.mark.asyncio(loop_scope="session")',
        },
        ["-o", "asyncio_mode=strict"],
    ),
    "anyio's asyncio back-end": (
        {
            "mark": 'anyio_backend = pytest.fixture(name="anyio_backend")(lambda: "asyncio")',
            "fixture": "@pytest.fixture",
            "marked": "@pytest.mark.anyio",
        },
        ["-p", "no:asyncio"],
    ),
}
QUICK = ("anyio's asyncio back-end",)


@pytest.mark.slow
@pytest.mark.parametrize("arrangement", quick(ARRANGEMENTS, QUICK))
def test_users_fixtures_and_tests_share_the_kits_async_clients(
    run_suite: Run, arrangement: str
) -> None:
    words, options = ARRANGEMENTS[arrangement]
    result = run_suite(BODY.format(**words), *options)

    result.assert_outcomes(passed=2)


@pytest.mark.slow
def test_a_plain_test_may_run_its_own_loop(run_suite: Run) -> None:
    result = run_suite(
        """
        import asyncio
        from sqlalchemy import text

        def test(postgres_async_engine, redis_async_client):
            async def main():
                async with postgres_async_engine.connect() as connection:
                    await connection.execute(text("select 1"))
                await redis_async_client.ping()

            asyncio.run(main())
            asyncio.run(main())
        """
    )
    result.assert_outcomes(passed=1)
