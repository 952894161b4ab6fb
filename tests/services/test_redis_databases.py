"""Isolation `database`: a logical database of Redis that only one test sees."""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from unittest import mock

import pytest
import redis

from tests.services.asker import Asker, asker
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.redis import RedisDatabase, RedisServer, databases
from wflo_testkit.services.redis.admin import Admin
from wflo_testkit.wait import wait_until


def client(handle: RedisDatabase) -> redis.Redis:
    return redis.Redis.from_url(handle.url)


def test_two_tests_at_once_see_nothing_of_each_other(redis_asker: Asker) -> None:
    with (
        redis_asker.lease() as one,
        redis_asker.lease() as two,
        client(one) as first,
        client(two) as second,
    ):
        first.set("key", "one")

        assert second.get("key") is None
        assert one.db != two.db
        assert one.prefix == two.prefix == ""


def test_a_number_comes_back_empty_however_the_test_left_it(redis_asker: Asker) -> None:
    seen = []
    for _ in range(20):  # more often than there are numbers
        with redis_asker.lease() as handle, client(handle) as one:
            assert one.dbsize() == 0
            one.mset({f"key-{n}": "left" for n in range(50)})
            seen.append(handle.db)

    assert len(seen) > len(set(seen))
    assert set(seen) <= set(range(1, 8))
    assert redis_asker.warnings == []


def test_threads_never_share_a_number(redis_asker: Asker) -> None:
    lock, held = threading.Lock(), set[int]()

    def test(_n: int) -> None:
        with redis_asker.lease() as handle, client(handle) as one:
            with lock:
                assert handle.db not in held
                held.add(handle.db)
            assert one.incr("counter") == 1
            with lock:
                held.remove(handle.db)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(test, range(120)))


def test_when_all_numbers_are_in_use_the_error_says_so(redis_asker: Asker) -> None:
    with ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(redis_asker.lease())
        with pytest.raises(IsolationFailed) as caught, redis_asker.lease():
            pass

    assert "all 7 logical databases of redis are in use" in caught.value.text
    assert "redis_databases" in caught.value.text
    with redis_asker.lease():
        pass  # they came back


@pytest.mark.parametrize("command", [("FLUSHALL",), ("SWAPDB", 1, 2), ("SHUTDOWN",), ("SELECT", 0)])
def test_a_command_that_reaches_other_tests_is_an_error(
    redis_asker: Asker, command: tuple[str, ...]
) -> None:
    with redis_asker.lease() as handle, client(handle) as one:
        one.set("key", "here")
        with pytest.raises(redis.exceptions.NoPermissionError):
            one.execute_command(*command)

        assert one.flushdb()


def test_a_url_cannot_be_turned_to_another_number(redis_asker: Asker) -> None:
    with redis_asker.lease() as one, redis_asker.lease() as two:
        stray = one.url.replace(f"/{one.db}", f"/{two.db}")
        with (
            redis.Redis.from_url(stray) as wrong,
            pytest.raises(redis.exceptions.NoPermissionError),
        ):
            wrong.ping()


def test_a_connection_left_open_is_closed_and_named(redis_asker: Asker) -> None:
    with redis_asker.lease() as handle:
        left = client(handle)
        left.client_setname("forgotten")
        left.set("key", 1)

    assert len(redis_asker.warnings) == 1
    assert "connection 'forgotten'" in redis_asker.warnings[0]
    assert "last command: set" in redis_asker.warnings[0]
    with pytest.raises(redis.exceptions.ConnectionError):
        left.get("key")  # whether it meets the old connection's end, or is not let in again
    with pytest.raises(redis.exceptions.AuthenticationError):
        left.get("key")
    left.close()


def test_a_writer_that_outlives_its_test_cannot_reach_the_next(redis_asker: Asker) -> None:
    stop, refused = threading.Event(), threading.Event()

    def write(url: str) -> None:
        with redis.Redis.from_url(url) as one:
            while not stop.is_set():
                try:
                    one.incr("stray")
                except redis.RedisError:
                    refused.set()

    with redis_asker.lease() as handle:
        thread = threading.Thread(target=write, args=(handle.url,))
        thread.start()
        with client(handle) as one:
            while not one.exists("stray"):
                pass
    try:
        assert refused.wait(10)
        for _ in range(14):
            with redis_asker.lease() as later, client(later) as one:
                assert one.dbsize() == 0
    finally:
        stop.set()
        thread.join()


def test_without_users_of_their_own_a_stray_writer_would_be_seen(service_core: Broker) -> None:
    """The check above must be able to fail: one clause switched off, the leak shows."""
    own = asker(service_core, "redis", name="mutant", databases=2)
    with mock.patch.object(databases, "end_user", return_value=("PING",)):
        with own.lease() as handle:
            stray = client(handle)
            stray.ping()
        with own.lease() as later, client(later) as one:
            assert later.db == handle.db
            stray.set("stray", 1)

            assert one.dbsize() == 1
            stray.close()


def test_kept_data_stays_until_every_other_number_is_in_use(redis_asker: Asker) -> None:
    with redis_asker.lease(keep=True) as kept, client(kept) as one:
        one.set("evidence", 1)
    container = redis_asker.server.container_id[:12]
    assert (
        kept.kept_command
        == f"docker exec -it {container} redis-cli --user wflo-testkit -n {kept.db}"
    )
    seen = subprocess.run(
        [*kept.kept_command.replace(" -it ", " ").split(), "get", "evidence"],
        capture_output=True,
        text=True,
    )
    assert seen.stdout == "1\n"
    with ExitStack() as stack:
        for _ in range(6):
            assert stack.enter_context(redis_asker.lease()).db != kept.db
        with client(kept) as one:
            assert one.get("evidence") == b"1"
        again = stack.enter_context(redis_asker.lease())
        with client(again) as one:
            assert again.db == kept.db
            assert one.dbsize() == 0


def test_a_hand_out_is_one_round_trip_and_none_where_a_number_came_back(
    service_core: Broker,
) -> None:
    own = asker(service_core, "redis", name="trips", databases=2)
    calls: list[tuple[object, ...]] = []
    run = Admin.run

    def counted(self: Admin, *commands: tuple[str, ...], **more: float) -> list[object]:
        if commands != (("PING",),):  # connecting ahead, in the background
            calls.append(commands)
        return run(self, *commands, **more)

    with mock.patch.object(Admin, "run", counted):
        with own.lease():
            assert len(calls) == 1
        wait_until(lambda: len(calls) == 3, timeout=10)  # who is still there, and: made anew
        with own.lease() as handle:
            assert len(calls) == 3
            with client(handle) as one:
                assert one.ping()


def test_environments_name_the_database_for_both_sides(redis_asker: Asker) -> None:
    with redis_asker.lease() as handle:
        outside, inside = handle.env(), handle.internal_env()

        assert outside["REDIS_URL"] == handle.url
        assert inside["REDIS_URL"] == handle.internal_url
        assert (outside["REDIS_HOST"], outside["REDIS_PORT"]) == ("127.0.0.1", str(handle.port))
        assert (inside["REDIS_HOST"], inside["REDIS_PORT"]) == ("redis", "6379")


def test_a_number_that_could_not_be_made_anew_is_made_when_it_is_next_needed(
    service_core: Broker,
) -> None:
    own = asker(service_core, "redis", name="failing", databases=2)
    make, failed = databases.Databases._make, threading.Event()

    def fail_once(self: databases.Databases, number: int, last: str = "") -> databases.Made:
        if last and not failed.is_set():
            failed.set()
            raise IsolationFailed("planted")
        return make(self, number, last)

    with mock.patch.object(databases.Databases, "_make", fail_once):
        with own.lease() as first, client(first) as one:
            one.set("key", 1)
        assert failed.wait(10)
        with own.lease() as later, client(later) as two:
            assert later.db == first.db
            assert two.dbsize() == 0
    with pytest.raises(redis.exceptions.AuthenticationError), client(first) as one:
        one.ping()


def names(handle: RedisDatabase, server: RedisServer) -> dict[str, str]:
    """Return the addresses of all clients by their names, "" for the test's own."""
    with redis.Redis.from_url(server.url) as everything, client(handle) as own:
        own.ping()
        return {each["name"]: each["addr"] for each in everything.client_list()}


def test_the_kit_goes_by_the_socket_and_the_test_by_the_port(redis_asker: Asker) -> None:
    with redis_asker.lease() as handle:
        found = names(handle, redis_asker.server)

    assert found["wflo-testkit"].startswith("/var/tmp/redis.sock")
    assert not found[""].startswith("/")


def test_where_the_socket_is_gone_the_kit_goes_by_the_port(service_core: Broker) -> None:
    own = asker(service_core, "redis", name="moved", arguments=["--unixsocket", "/tmp/other"])
    with own.lease() as handle:
        assert not names(handle, own.server)["wflo-testkit"].startswith("/")
