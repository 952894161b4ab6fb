"""`reset()` of a part of Redis: empty again, under the same address and account."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from tests.cases import quick
from tests.services.asker import Asker, asker
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import LeaseRequest
from wflo_testkit.services.redis import databases, functions, isolation, leftovers, prefixes
from wflo_testkit.services.redis.admin import Admin
from wflo_testkit.wait import wait_until

MODES = ("database", "prefix")
LIBRARY = "#!lua name=mine\nredis.register_function('f', function() return 1 end)"


@pytest.fixture
def own(service_core: Broker) -> Iterator[Asker]:
    """Somebody who asks for parts of a server that nobody else uses."""
    base = asker(service_core, "redis")
    spec = dataclasses.replace(base.service.spec("redis", base.settings), unique="abc124")
    yield dataclasses.replace(base, server=base.broker.server(spec))
    base.broker.discard(spec.fingerprint)


@pytest.mark.parametrize("mode", MODES)
def test_keys_go_and_idle_connections_live(redis_asker: Asker, mode: str) -> None:
    with redis_asker.lease(mode) as handle, redis_asker.opened("client", handle) as client:
        me = client.client_id()
        for _again in range(50):
            assert client.incr(handle.prefix + "n") == 1
            client.hset(handle.prefix + "h", "k", "v")
            handle.reset()
        assert client.client_id() == me
    assert redis_asker.warnings == []


def watch(client: redis.Redis, handle: Any) -> Any:
    pipeline = client.pipeline()
    pipeline.watch(handle.prefix + "k")
    return pipeline


def subscribe(client: redis.Redis, handle: Any) -> Any:
    listener = client.pubsub()
    listener.subscribe(handle.prefix + "channel")
    listener.get_message(timeout=5)
    return listener


def multi(client: redis.Redis, _handle: Any) -> Any:
    connection = client.connection_pool.get_connection()
    connection.send_command("MULTI")
    connection.read_response()
    return connection


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("hold", quick((watch, subscribe, multi), (watch,)))
def test_connections_that_hold_state_end_and_are_named(
    redis_asker: Asker, mode: str, hold: Any
) -> None:
    with redis_asker.lease(mode) as handle, redis_asker.opened("client", handle) as client:
        with redis.Redis.from_url(handle.url, client_name="holder") as other:
            held = hold(other, handle)
            handle.reset()
            told = redis_asker.warnings.pop()
            assert told.startswith("at reset(): a connection 'holder'")
            handle.reset()
            assert redis_asker.warnings == []
            held.reset() if hasattr(held, "reset") else held.disconnect()
        assert client.ping()
    assert redis_asker.warnings == []


@pytest.mark.slow
def test_one_that_waits_is_named_and_ends(redis_asker: Asker) -> None:
    with redis_asker.lease() as handle, redis.Redis.from_url(handle.url, retry=None) as waiting:
        ended = threading.Event()

        def wait() -> None:
            with contextlib.suppress(redis.ConnectionError):
                waiting.blpop("queue", timeout=60)
            ended.set()

        threading.Thread(target=wait, daemon=True).start()
        with redis.Redis.from_url(redis_asker.server.url) as admin:
            wait_until(
                lambda: any(each["cmd"] == "blpop" for each in admin.client_list()), timeout=10
            )
        handle.reset()
        assert ended.wait(10)
    assert "its last command: blpop" in redis_asker.warnings.pop()


@pytest.mark.slow
def test_the_async_client_goes_on(redis_asker: Asker) -> None:
    async def work(client: Any, handle: Any) -> None:
        for _again in range(3):
            assert await client.incr("n") == 1
            handle.reset()

    with redis_asker.lease() as handle, redis_asker.opened("async_client", handle) as client:
        asyncio.run(work(client, handle))
    assert redis_asker.warnings == []


def test_functions_go_unless_they_may_be_another_tests(redis_asker: Asker) -> None:
    with redis_asker.lease() as handle, redis_asker.opened("client", handle) as client:
        client.function_load(LIBRARY)
        with redis_asker.lease():
            handle.reset()
            assert "'mine' may be of test_it.py::test (main)" in redis_asker.warnings.pop()
            assert len(client.function_list()) == 1
        handle.reset()
        assert client.function_list() == []
    assert redis_asker.warnings == []


@pytest.mark.slow
def test_what_was_written_to_number_zero_goes_too(redis_asker: Asker) -> None:
    with redis_asker.lease() as handle:
        address = dataclasses.replace(handle.address, db=0)
        with redis.Redis.from_url(address.url) as stray:
            stray.set("lost", "1")
            handle.reset()
            assert "wrote 'lost'" in redis_asker.warnings.pop()
            assert stray.dbsize() == 0


@pytest.mark.slow
def test_a_server_of_ones_own_is_set_back_as_a_whole(own: Asker) -> None:
    with own.lease() as handle, own.opened("client", handle) as client:
        client.config_set("maxmemory", "10mb")
        client.function_load(LIBRARY)
        client.copy(client.set("k", "v") and "k", "k", destination_db=5)
        handle.reset()

        assert client.config_get("maxmemory") == {"maxmemory": "0"}
        assert client.function_list() == []
        assert client.info("keyspace") == {}
    assert own.warnings == ["at reset(): the setting 'maxmemory' was changed"]


@pytest.mark.slow
def test_on_somebody_elses_server_nothing_else_is_touched(redis_asker: Asker) -> None:
    base = redis_asker.server
    service = redis_asker.service
    outside = service.external(service.spec("redis", {"url": base.url}))  # type: ignore[misc]
    made = isolation.RedisIsolation(outside, "a1b2c3d4")
    with redis.Redis.from_url(base.url) as theirs:
        theirs.set("theirs", "1")
        asked = {"kind": "database", "mode": "", "id": "e0e0", "owner": "main"}
        data = made.lease(LeaseRequest(params={}, **asked))
        held = HeldLease(data=data, **asked)
        with redis.Redis(
            base.host, base.port, username=held.data["username"], password=held.data["password"]
        ) as client:
            client.set(held.data["prefix"] + "mine", "1")
            made.call(held, "reset", {"released": []})
            assert client.get(held.data["prefix"] + "mine") is None
        assert theirs.get("theirs") == b"1"
        theirs.delete("theirs")
        made.release(held, keep=False)
    made.close()


@pytest.mark.slow
def test_after_its_test_the_error_says_so(redis_asker: Asker) -> None:
    with redis_asker.lease() as handle:
        pass

    with pytest.raises(IsolationFailed, match="was used after it had been given back"):
        handle.reset()


@pytest.mark.slow
def test_two_at_once_do_not_meet(redis_asker: Asker) -> None:
    def work(_number: int) -> None:
        with redis_asker.lease() as handle, redis.Redis.from_url(handle.url) as client:
            for _again in range(20):
                assert client.incr("n") == 1
                handle.reset()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_keys_that_are_not_deleted_are_noticed(
    redis_asker: Asker, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(databases, "_emptied", lambda *_: (("PING",),))
    monkeypatch.setattr(prefixes.Prefixes, "_delete", lambda *_: None)
    with pytest.raises(AssertionError):
        test_keys_go_and_idle_connections_live(redis_asker, mode)


@pytest.mark.slow
def test_sessions_that_are_not_looked_at_are_noticed(
    redis_asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "busy", lambda *_: leftovers.Busy(False, [], 0))
    with pytest.raises(IndexError):
        test_connections_that_hold_state_end_and_are_named(redis_asker, "database", watch)
    redis_asker.warnings.clear()


@pytest.mark.slow
def test_functions_that_are_not_looked_for_are_noticed(
    redis_asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "reset", lambda _admin, _others: [])
    with pytest.raises((AssertionError, IndexError)):
        test_functions_go_unless_they_may_be_another_tests(redis_asker)
    Admin(redis_asker.server).run(("FUNCTION", "FLUSH"))
