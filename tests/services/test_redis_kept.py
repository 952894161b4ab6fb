"""What a failed test has left: its data may be read, and nothing of it goes on."""

from __future__ import annotations

import threading
from unittest import mock

import pytest
import redis

from tests.conftest import Run
from tests.services.asker import Asker, asker
from wflo_testkit.broker.broker import Broker
from wflo_testkit.services.redis import RedisDatabase, databases
from wflo_testkit.services.redis.accounts import EVERYTHING
from wflo_testkit.wait import wait_until

DENIED = redis.exceptions.NoPermissionError

WRITING = [
    *("SET key 2", "DEL key", "FLUSHDB", "GETDEL key", "LPUSH list 1", "XADD s * a 1"),
    *("EVAL return(1) 0", "PUBLISH news x", "SCRIPT FLUSH", "FUNCTION FLUSH", "RESTORE k 0 x"),
    *("CONFIG SET maxmemory 1", "COPY key other DB 1", "SELECT {other}", "ACL SETUSER x"),
]
WAITING = ["BLPOP jobs 0", "XREAD BLOCK 0 STREAMS s $", "SUBSCRIBE news", "PSUBSCRIBE *", "MONITOR"]
READING = ["GET {p}key", "TYPE {p}key", "HGETALL {p}hash", "XRANGE {p}s - +", "TTL {p}key"]


def client(handle: RedisDatabase) -> redis.Redis:
    return redis.Redis.from_url(handle.url, retry=None)


@pytest.fixture(scope="module")
def keeping_started(service_core: Broker) -> Asker:
    """Somebody who asks for parts of a Redis on which much is kept."""
    return asker(service_core, "redis", name="keeping", databases=8)


@pytest.fixture
def redis_asker(keeping_started: Asker) -> Asker:
    return keeping_started.afresh()


@pytest.fixture(params=["database", "prefix"])
def kept(request: pytest.FixtureRequest, redis_asker: Asker) -> RedisDatabase:
    with redis_asker.lease(mode=request.param, keep=True) as handle, client(handle) as one:
        one.set(f"{handle.prefix}key", "evidence")
    return handle


@pytest.mark.parametrize("command", [*WRITING, *WAITING])
def test_what_is_kept_is_not_changed(kept: RedisDatabase, command: str) -> None:
    words = command.format(other=2 if kept.db == 1 else 1).split()
    with client(kept) as one, pytest.raises(DENIED):
        one.execute_command(*words)


@pytest.mark.parametrize("command", READING)
def test_what_is_kept_can_be_read(kept: RedisDatabase, command: str) -> None:
    with client(kept) as one:
        one.execute_command(*command.format(p=kept.prefix).split())
        assert one.get(f"{kept.prefix}key") == b"evidence"


def test_in_its_own_database_the_keys_can_be_listed(redis_asker: Asker) -> None:
    with redis_asker.lease(keep=True) as kept, client(kept) as one:
        one.set("key", "evidence")
    with client(kept) as one:
        assert one.keys("*") == list(one.scan_iter()) == [b"key"]
        assert one.info("server")


@pytest.mark.parametrize("mode", ["database", "prefix"])
def test_connections_end_and_whoever_connects_again_does_not_wait_again(
    redis_asker: Asker, mode: str
) -> None:
    ended: list[Exception] = []

    def wait(handle: RedisDatabase) -> None:
        with redis.Redis.from_url(handle.url, socket_timeout=60) as one:
            while not ended:
                try:
                    one.blpop([f"{handle.prefix}jobs"], timeout=0)
                except redis.ConnectionError:
                    continue  # a worker's loop
                except redis.RedisError as error:
                    ended.append(error)

    with redis_asker.lease(mode=mode, keep=True) as handle:
        thread = threading.Thread(target=wait, args=(handle,))
        thread.start()
        with redis.Redis.from_url(redis_asker.server.url) as admin:  # type: ignore[attr-defined]
            wait_until(lambda: _waits(admin, handle), timeout=10)
    thread.join(20)

    assert isinstance(ended[0], DENIED)
    [warning] = redis_asker.warnings
    assert "was left open; its last command: blpop" in warning


def _waits(admin: redis.Redis, handle: RedisDatabase) -> bool:
    return any(
        each["user"] == handle.username and each["cmd"] == "blpop" for each in admin.client_list()
    )


def test_with_its_rules_unchanged_a_kept_account_would_write_on(redis_asker: Asker) -> None:
    """The checks above must be able to fail: one clause switched off, the account still writes."""
    with (
        mock.patch.object(databases, "rules_of_reading", return_value=EVERYTHING),
        redis_asker.lease(keep=True) as handle,
    ):
        pass
    with client(handle) as one:
        assert one.set("key", 1)


WRITER = """
import threading
import redis

urls = []

def test_fails_and_leaves_a_writer(redis_database):
    urls.append(redis_database.url)
    client = redis.Redis.from_url(redis_database.url)
    written = threading.Event()

    def write():
        try:
            while client.incr("ticks"):
                written.set()
        except redis.RedisError:
            pass

    threading.Thread(target=write).start()
    written.wait(10)
    raise AssertionError("on purpose")

def test_finds_it_closed():
    client = redis.Redis.from_url(urls[0])
    before = client.get("ticks")
    assert before
    for _ in range(500):  # the thread would write as often meanwhile
        assert client.get("ticks") == before
    client.close()
"""


def test_a_failed_tests_thread_writes_no_more(run_suite: Run, kept_servers: None) -> None:
    result = run_suite(WRITER, "-W", "default")

    result.assert_outcomes(passed=1, failed=1, warnings=1)
    result.stdout.fnmatch_lines(["*leaves_a_writer: a connection of redis-py was left open*"])


@pytest.mark.slow
def test_a_pop_that_blocks_does_not_keep_pytest_from_ending(
    run_suite: Run, kept_servers: None
) -> None:
    """The server outlives the run, and the thread is no daemon."""
    result = run_suite(
        """
        import threading
        import redis

        def test_fails(redis_database, redis_client):
            client = redis.Redis.from_url(redis_database.url, socket_timeout=None)

            def wait():
                try:
                    client.blpop(["jobs"], timeout=0)
                except redis.RedisError:
                    pass

            threading.Thread(target=wait).start()
            while not any(each["cmd"] == "blpop" for each in redis_client.client_list()):
                pass
            raise AssertionError("on purpose")
        """,
        "-W",
        "default",
        "-p",
        "no:faulthandler",
    )

    result.assert_outcomes(failed=1, warnings=1)
