"""Redis as a user's suite meets it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.usefixtures("kept_servers")

BOTH_CLIENTS = """
import pytest

@pytest.mark.parametrize("n", range(5))
def test_sync(redis_client, redis_database, n):
    assert redis_client.dbsize() == 0
    redis_client.set("key", n)
    assert redis_client.get("key") == str(n).encode()

@pytest.mark.parametrize("n", range(5))
async def test_async(redis_async_client, n):
    assert await redis_async_client.dbsize() == 0
    await redis_async_client.set("key", n)
    async with redis_async_client.pubsub() as listening:
        await listening.subscribe("news")
        await redis_async_client.publish("news", "x")

async def test_one_database_for_both(redis_client, redis_async_client):
    redis_client.set("key", "x")
    assert await redis_async_client.get("key") == b"x"
"""
AUTO = "[tool.pytest.ini_options]\nasyncio_mode = 'auto'\n"


def test_sync_and_async_clients_begin_empty_and_are_closed(run_suite: Run) -> None:
    run_suite(BOTH_CLIENTS, pyproject=AUTO).assert_outcomes(passed=11)


@pytest.mark.slow
def test_in_isolation_prefix_a_suite_uses_its_prefix(run_suite: Run) -> None:
    run_suite(
        """
        import pytest
        from redis.exceptions import NoPermissionError

        def test_private(redis_client, redis_database):
            redis_client.set(redis_database.prefix + "key", 1)
            with pytest.raises(NoPermissionError):
                redis_client.set("key", 1)

        @pytest.mark.wflo(redis="database")
        def test_whole(redis_client, redis_database):
            assert redis_database.prefix == ""
            redis_client.set("key", 1)
        """,
        "--wflo-redis-isolation=prefix",
    ).assert_outcomes(passed=2)


def test_responses_are_decoded_on_request(run_suite: Run) -> None:
    run_suite(
        """
        async def test(redis_client, redis_async_client):
            redis_client.set("key", "text")
            assert redis_client.get("key") == "text"
            assert await redis_async_client.get("key") == "text"
        """,
        pyproject="[tool.wflo-testkit]\nredis_decode_responses = true\n" + AUTO,
    ).assert_outcomes(passed=1)


def test_what_is_left_open_is_warned_about_by_the_tests_name(run_suite: Run) -> None:
    result = run_suite(
        """
        import redis
        left = []

        def test_forgets(redis_database):
            left.append(redis.Redis.from_url(redis_database.url))
            left[0].set("key", 1)

        def test_goes_on(redis_client):
            assert redis_client.dbsize() == 0
        """,
        "-W",
        "default",
    )
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*test_forgets: a connection of redis-py was left open*"])


@pytest.mark.slow
def test_a_container_of_the_network_uses_the_internal_address(run_suite: Run) -> None:
    run_suite(
        """
        import subprocess

        def test(redis_server, redis_database, redis_client):
            redis_client.set("key", "seen from inside")
            inside = ["docker", "run", "--rm", "--network", redis_server.network]
            for name, value in redis_database.internal_env().items():
                inside += ["-e", f"{name}={value}"]
            inside += ["--entrypoint", "sh", redis_server.image]
            inside += ["-c", 'redis-cli -u "$REDIS_URL" --no-auth-warning get key']
            done = subprocess.run(inside, capture_output=True, text=True, check=True)
            assert done.stdout.strip() == "seen from inside"
        """
    ).assert_outcomes(passed=1)


@pytest.mark.slow
def test_two_runs_at_once_on_one_external_server_stay_apart(
    run_suite: Run, redis_started: object
) -> None:
    url = redis_started.server.url  # type: ignore[attr-defined]
    source = """
    import pytest

    @pytest.mark.parametrize("n", range(60))
    def test(redis_client, redis_database, n):
        key = redis_database.prefix + "key"
        assert redis_client.incr(key) == 1
        assert redis_client.incr(key) == 2
    """
    with ThreadPoolExecutor(2) as threads:
        runs = [
            threads.submit(run_suite, source, f"--wflo-redis-url={url}", "-n", "2")
            for _ in range(2)
        ]
        for each in runs:
            each.result().assert_outcomes(passed=60)
