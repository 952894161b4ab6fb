"""A script that keeps Redis busy is ended once it can be no other test's."""

from __future__ import annotations

import threading
from typing import Any
from unittest import mock

import pytest
import redis

from tests.services.asker import Asker, asker
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.redis import RedisDatabase, admin
from wflo_testkit.wait import wait_until

ENDLESS = "while true do end"
FUNCTION = f"#!lua name=endless\nredis.register_function('endless', function() {ENDLESS} end)"


@pytest.fixture(scope="module")
def busy_started(service_core: Broker) -> Asker:
    """Somebody who asks for parts of a Redis that soon finds a script slow."""
    arguments = ["--busy-reply-threshold", "200"]
    return asker(service_core, "redis", name="busy", databases=6, arguments=arguments)


@pytest.fixture
def busy(busy_started: Asker) -> Asker:
    return busy_started.afresh()


def endless(handle: RedisDatabase, function: bool = False) -> None:
    """Begin an endless script and hang up."""
    with redis.Redis.from_url(handle.url, socket_timeout=0.3, retry=None) as one:
        if function:
            one.function_load(FUNCTION, replace=True)
        with pytest.raises(redis.RedisError):
            one.fcall("endless", 0) if function else one.eval(ENDLESS, 0)


@pytest.mark.parametrize("function", [False, True], ids=["script", "function"])
def test_an_endless_script_ends_with_its_test(busy: Asker, function: bool) -> None:
    with busy.lease() as handle:
        endless(handle, function)
    with busy.lease() as later, redis.Redis.from_url(later.url) as one:
        assert one.set("key", 1)


def test_the_kit_ends_it_over_a_new_connection_if_its_own_was_lost(busy: Asker) -> None:
    with busy.lease() as handle:
        endless(handle)
        _isolation(busy)._admin._connection.disconnect()
    with busy.lease() as later, redis.Redis.from_url(later.url) as one:
        assert one.set("key", 1)


def _isolation(busy: Asker) -> Any:
    return busy.broker._broker.servers.isolation(busy.server.key)  # type: ignore[attr-defined]


class Waiting:
    """A test in a thread, in the middle of an endless script; `error` is how that ended."""

    def __init__(self, handle: RedisDatabase) -> None:
        self.error: Exception | None = None
        self._handle = handle
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        wait_until(self._is_busy, timeout=10)

    def _run(self) -> None:
        with redis.Redis.from_url(self._handle.url, socket_timeout=60, retry=None) as one:
            try:
                one.eval(ENDLESS, 0)
            except redis.RedisError as error:
                self.error = error

    def _is_busy(self) -> bool:
        with redis.Redis.from_url(self._handle.url, socket_timeout=5, retry=None) as one:
            try:
                one.ping()
            except redis.RedisError as error:
                return "BUSY" in str(error)
        return False

    def join(self) -> None:
        self._thread.join(20)


def test_another_tests_script_is_left_alone_and_the_error_says_whose_it_may_be(
    busy: Asker,
) -> None:
    busy.nodeid = "test_reports.py::test_slow"
    with busy.lease() as slow:
        with (
            pytest.raises(IsolationFailed) as caught,
            mock.patch.object(admin, "SCRIPT_TIMEOUT", 0.5),
            busy.lease(),
        ):
            script = Waiting(slow)
        assert script.error is None
    script.join()

    assert "it may be of test_reports.py::test_slow (main)" in caught.value.text
    assert 'busy="own_server"' in caught.value.text
    assert "Script killed" in str(script.error)  # once its own test was over


def test_whoever_waits_goes_on_when_the_other_test_ends(busy: Asker) -> None:
    over = threading.Event()
    with busy.lease() as slow:
        first = busy.lease()
        first.__enter__()
        script = Waiting(slow)

        def end() -> None:
            first.__exit__(None, None, None)
            over.set()

        thread = threading.Thread(target=end)
        thread.start()
        assert not over.wait(0.5)
    thread.join(20)
    script.join()

    assert over.is_set()
    assert "Script killed" in str(script.error)


def test_if_it_did_not_look_who_else_is_there_it_would_end_anothers_script(busy: Asker) -> None:
    """The check above must be able to fail: one clause switched off, the script is killed."""
    with busy.lease() as slow:
        with mock.patch.object(_isolation(busy)._admin, "_others", list), busy.lease():
            script = Waiting(slow)
        script.join()
        assert "Script killed" in str(script.error)


def test_on_a_server_that_others_use_no_script_is_ended(busy: Asker) -> None:
    """An external one: whose script it is cannot be known."""
    from wflo_testkit.services.redis.admin import Admin

    theirs = Admin(busy.server)  # type: ignore[arg-type]
    with busy.lease() as handle:
        endless(handle)
        with (
            pytest.raises(IsolationFailed, match="whoever else uses the server"),
            mock.patch.object(admin, "SCRIPT_TIMEOUT", 0.5),
        ):
            theirs.run(("PING",))
    theirs.close()
