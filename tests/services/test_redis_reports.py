"""A failed test's report says what its account was refused, and holds nothing of the kit's own."""

from __future__ import annotations

import pytest

from tests.conftest import Run
from tests.services.asker import Asker
from wflo_testkit.services.redis import RedisServer

pytestmark = pytest.mark.usefixtures("kept_servers")

REFUSED = """
import pytest
import redis

def test_refused(redis_client, redis_database):
    for _ in range(3):
        with pytest.raises(redis.exceptions.NoPermissionError):
            redis_client.flushall()
    with pytest.raises(redis.exceptions.ResponseError):
        redis_client.eval("return redis.call('SWAPDB', 1, 2)", 0)
    raise AssertionError("on purpose")

@pytest.mark.wflo(redis="prefix")
def test_refused_by_prefix(redis_client, redis_database):
    with pytest.raises(redis.exceptions.NoPermissionError):
        redis_client.get("orders")
    with pytest.raises(redis.exceptions.NoPermissionError):
        redis_client.publish("news", "x")
    raise AssertionError("on purpose")

def test_passes(redis_client):
    with pytest.raises(redis.exceptions.NoPermissionError):
        redis_client.swapdb(1, 2)
"""


def test_a_failed_tests_report_says_what_its_account_was_refused(run_suite: Run) -> None:
    result = run_suite(REFUSED, "-rA")

    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*what redis_database was refused*",
            "command 'swapdb' inside lua",
            "*'flushall' (3 times)",
        ]
    )
    result.stdout.fnmatch_lines(["*redis_database was refused*", "channel 'news'", "key 'orders'"])
    assert result.stdout.str().count("was refused") == 2


@pytest.mark.slow
def test_the_kits_own_accounts_leave_no_line_in_a_report(run_suite: Run) -> None:
    result = run_suite(
        """
        def test_passes(redis_client):
            pass

        def test_fails(redis_client, redis_server):
            print(redis_server.logs())
            raise AssertionError("on purpose")
        """
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*misuse of ACL*")


def test_without_the_filter_the_log_would_hold_them(redis_asker: Asker) -> None:
    """The check above must be able to fail: Redis writes them."""
    with redis_asker.lease():
        pass
    raw = redis_asker.broker.logs(redis_asker.server.key, None)
    server = RedisServer.from_json(redis_asker.server.to_json(), read_logs=lambda _since: raw)

    assert "misuse of ACL" in raw
    assert "misuse of ACL" not in server.logs()
    assert "Ready to accept connections" in server.logs()
