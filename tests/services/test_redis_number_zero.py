"""Number 0, where a client without `db=` lands: a test that writes there is named, and it goes."""

from __future__ import annotations

import threading
from unittest import mock

import pytest
import redis

from tests.conftest import Run
from tests.services.asker import Asker, asker
from wflo_testkit.broker.broker import Broker
from wflo_testkit.services.redis import RedisDatabase, number_zero
from wflo_testkit.services.redis.admin import Admin
from wflo_testkit.wait import wait_until


def lost(handle: RedisDatabase) -> redis.Redis:
    """Return a client that forgot to say which database."""
    return redis.Redis(
        handle.host, handle.port, username=handle.username, password=handle.password, retry=None
    )


def test_what_a_test_wrote_there_is_gone_before_the_next_begins(redis_asker: Asker) -> None:
    for _ in range(3):
        with redis_asker.lease() as handle, lost(handle) as one:
            assert one.incr("orders") == 1

    assert len(redis_asker.warnings) == 3
    assert redis_asker.warnings[0].startswith("wrote 'orders' to database 0")
    assert "without db=" in redis_asker.warnings[0]


def test_a_test_that_failed_is_named_too(redis_asker: Asker) -> None:
    with redis_asker.lease(keep=True) as handle, lost(handle) as one:
        one.mset({f"key-{n}": n for n in range(5)})
    with redis_asker.lease() as handle, lost(handle) as one:
        assert one.dbsize() == 0

    [warning] = redis_asker.warnings
    assert "and 2 more to database 0" in warning


@pytest.mark.parametrize("keep", [False, True])
def test_a_writer_that_outlives_its_test_writes_there_no_more(
    redis_asker: Asker, keep: bool
) -> None:
    stop = threading.Event()

    def write(handle: RedisDatabase) -> None:
        while not stop.is_set():
            try:
                with lost(handle) as one:
                    one.incr("stray")
            except redis.RedisError:
                return

    with redis_asker.lease(keep=keep) as handle:
        thread = threading.Thread(target=write, args=(handle,))
        thread.start()
        with lost(handle) as one:
            while not one.exists("stray"):
                pass
    try:
        for _ in range(10):
            with redis_asker.lease() as later, lost(later) as one:
                assert one.dbsize() == 0
    finally:
        stop.set()
        thread.join()
    assert "wrote 'stray' to database 0" in "; ".join(redis_asker.warnings)


def test_tests_at_the_same_time_meet_there_and_each_may_have_been_it(redis_asker: Asker) -> None:
    with redis_asker.lease() as first:
        with redis_asker.lease() as second, lost(first) as one, lost(second) as two:
            one.set("orders", 1)
            assert two.get("orders") == b"1"
        with lost(first) as one:
            assert one.dbsize() == 0

    [warning] = redis_asker.warnings
    assert "unless it was test_it.py::test (main) at the same time" in warning


def test_keys_of_isolation_prefix_belong_there_and_stay(redis_asker: Asker) -> None:
    with redis_asker.lease(mode="prefix") as prefixed, lost(prefixed) as one:
        one.set(f"{prefixed.prefix}key", "stays")
        with redis_asker.lease() as handle, lost(handle) as two:
            two.set("stray", 1)
        with redis_asker.lease():
            pass
        assert one.get(f"{prefixed.prefix}key") == b"stays"
        assert one.exists(f"{prefixed.prefix}stray") == 0

    [warning] = redis_asker.warnings
    assert "'stray'" in warning


def test_an_orderly_test_costs_no_further_round_trip(service_core: Broker) -> None:
    own = asker(service_core, "redis", name="orderly", databases=2)
    calls: list[tuple[object, ...]] = []
    run = Admin.run

    def counted(self: Admin, *commands: tuple[str, ...], **more: float) -> list[object]:
        calls.append(commands)
        return run(self, *commands, **more)

    lease = own.lease()
    lease.__enter__()
    with mock.patch.object(Admin, "run", counted):
        lease.__exit__(None, None, None)
        wait_until(lambda: len(calls) == 2, timeout=10)  # a look, and: made anew

    assert calls[0] == (("CLIENT", "LIST"), ("DBSIZE",))
    assert calls[1][0][:2] == ("ACL", "DELUSER")


def test_if_it_were_not_emptied_the_next_test_would_see_it(redis_asker: Asker) -> None:
    """The checks above must be able to fail: one clause switched off, the leak shows."""
    with (
        mock.patch.object(number_zero, "empty", return_value=[]),
        redis_asker.lease() as handle,
        lost(handle) as one,
    ):
        one.incr("orders")
    with redis_asker.lease() as handle, lost(handle) as one:
        assert one.incr("orders") == 2


SUITE = """
import pytest, redis

@pytest.mark.parametrize("n", range(2))
def test_client_that_names_no_number(redis_database, n):
    d = redis_database
    with redis.Redis(host=d.host, port=d.port, username=d.username, password=d.password) as r:
        assert r.incr("orders") == 1
"""


@pytest.mark.slow
def test_the_suites_warning_names_the_test(run_suite: Run, kept_servers: None) -> None:
    result = run_suite(SUITE, "-W", "default")

    result.assert_outcomes(passed=2, warnings=2)
    result.stdout.fnmatch_lines(["*names_no_number?1?: wrote 'orders' to database 0*"])


@pytest.mark.slow
def test_what_a_run_has_left_there_is_gone_in_the_next(run_suite: Run, kept_servers: None) -> None:
    planted = """
    import redis

    def test_plants(redis_server, redis_database):
        with redis.Redis.from_url(redis_server.url) as everything:
            everything.set("left", 1)  # as by a run that was killed: nobody looks afterwards
        import os
        os._exit(3)
    """
    assert run_suite(planted).ret == 3
    run_suite(SUITE.replace("orders", "left"), "-W", "default").assert_outcomes(
        passed=2, warnings=2
    )
