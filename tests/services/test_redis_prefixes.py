"""Isolation `prefix`: an external Redis is never flushed, and a leak is an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.asker import Asker, asker, run_of_its_own
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import ServiceUnavailable, SettingError
from wflo_testkit.services.redis import accounts
from wflo_testkit.services.redis.accounts import make_user, rules_of_prefix
from wflo_testkit.services.redis.spec import spec

DENIED = redis.exceptions.NoPermissionError


@pytest.fixture
def theirs(redis_started: Asker) -> Iterator[redis.Redis]:
    """Somebody else's server, as its administrator, with somebody else's key."""
    with redis.Redis.from_url(redis_started.server.url) as one:
        one.set("theirs", "precious")
        yield one
        assert one.get("theirs") == b"precious"


@pytest.fixture
def external(service_core: Broker, redis_started: Asker, theirs: redis.Redis) -> Asker:
    return asker(service_core, "redis", url=redis_started.server.url)


def users(server: redis.Redis) -> set[str]:
    return {name for name in map(str, server.acl_users()) if "wflo_" in name}


def test_each_test_uses_its_own_keys_only(external: Asker, theirs: redis.Redis) -> None:
    with (
        external.lease() as one,
        external.lease() as two,
        redis.Redis.from_url(one.url) as first,
        redis.Redis.from_url(two.url) as second,
    ):
        first.set(f"{one.prefix}key", 1)
        second.set(f"{two.prefix}key", 2)

        assert first.get(f"{one.prefix}key") == b"1"
        for foreign in (f"{two.prefix}key", "theirs", ""):
            with pytest.raises(DENIED):
                first.get(foreign)


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("RANDOMKEY",),
        ("DBSIZE",),
        ("SWAPDB", "0", "1"),
        ("SELECT", "1"),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("CLIENT", "LIST"),
        ("CLIENT", "KILL", "ID", "1"),
        ("CLIENT", "TRACKING", "ON", "BCAST"),
        ("ACL", "SETUSER", "default", "nopass"),
        ("FUNCTION", "FLUSH"),
        ("SCRIPT", "FLUSH"),
        ("PUBSUB", "CHANNELS"),
        ("MONITOR",),
        ("SHUTDOWN",),
        ("EVAL", "return redis.call('get', 'theirs')", "0"),
        ("PUBLISH", "theirs", "x"),
    ],
    ids=" ".join,
)
def test_what_reaches_beyond_the_prefix_is_denied(external: Asker, command: tuple[str]) -> None:
    with (
        external.lease() as handle,
        redis.Redis.from_url(handle.url) as one,
        pytest.raises((DENIED, redis.ResponseError), match=r"permission|NOPERM"),
    ):
        one.execute_command(*command)


def test_channels_are_kept_apart_too(external: Asker) -> None:
    with external.lease() as handle, redis.Redis.from_url(handle.url) as one:
        with one.pubsub() as listening:
            listening.subscribe(f"{handle.prefix}news")
            listening.get_message(timeout=5)
            one.publish(f"{handle.prefix}news", "hello")

            message = listening.get_message(timeout=5)
            assert message is not None
            assert message["data"] == b"hello"
        with one.pubsub() as listening:
            listening.psubscribe("*")
            with pytest.raises(DENIED):
                listening.get_message(timeout=5)


def test_keys_and_user_go_with_the_test_and_nothing_else(
    external: Asker, theirs: redis.Redis
) -> None:
    with external.lease() as handle, redis.Redis.from_url(handle.url) as one:
        one.mset({f"{handle.prefix}{n}": n for n in range(2500)})  # more than one page
        theirs.set(handle.prefix.rstrip(":"), "a neighbour by name")
    left = {*theirs.scan_iter("*")}

    assert left == {b"theirs", handle.prefix.rstrip(":").encode()}
    assert handle.username not in users(theirs)
    theirs.delete(handle.prefix.rstrip(":"))


def test_what_a_run_still_holds_goes_at_its_end(redis_started: Asker, theirs: redis.Redis) -> None:
    with run_of_its_own() as broker:
        own = asker(broker, "redis", url=redis_started.server.url)
        lease = own.lease(keep=True)
        kept = lease.__enter__()
        with redis.Redis.from_url(kept.url) as one:
            one.set(f"{kept.prefix}evidence", 1)
        lease.__exit__(None, None, None)

        assert theirs.exists(f"{kept.prefix}evidence")
        assert kept.username in users(theirs)
    assert not theirs.exists(f"{kept.prefix}evidence")
    assert kept.username not in users(theirs)


def test_the_kit_never_flushes_an_external_server(external: Asker, theirs: redis.Redis) -> None:
    theirs.config_resetstat()
    with external.lease():
        pass
    with external.lease(mode="database") as handle:  # the setting's default
        assert handle.prefix
    statistics = theirs.info("commandstats")

    assert not {"cmdstat_flushdb", "cmdstat_flushall"} & set(statistics)


def test_without_the_right_to_make_users_the_error_says_what_to_grant(
    service_core: Broker, redis_started: Asker, theirs: redis.Redis
) -> None:
    theirs.execute_command("ACL", "SETUSER", "weak", "on", ">pw", "~*", "&*", "+@all", "-acl")
    server = redis_started.server
    weak = asker(service_core, "redis", url=f"redis://weak:pw@{server.host}:{server.port}/0")
    with pytest.raises(ServiceUnavailable) as caught, weak.lease():
        pass
    theirs.acl_deluser("weak")

    assert "ACL SETUSER weak +acl|setuser +acl|deluser" in caught.value.text
    assert "wflo-testkit:*" in caught.value.text


def test_what_the_error_says_to_grant_is_enough(
    service_core: Broker, redis_started: Asker, theirs: redis.Redis
) -> None:
    rules = "on >pw resetkeys -@all +ping"  # what it takes to be told
    theirs.execute_command("ACL", "SETUSER", "granted", *rules.split())
    server = redis_started.server
    url = f"redis://granted:pw@{server.host}:{server.port}/0"
    with run_of_its_own() as broker:
        granted = asker(broker, "redis", url=url)
        with pytest.raises(ServiceUnavailable) as caught, granted.lease():
            pass
        theirs.execute_command(*_command_in(caught.value.fix or ""))
        with granted.lease() as handle, redis.Redis.from_url(handle.url) as one:
            one.set(f"{handle.prefix}key", 1)
    theirs.acl_deluser("granted")

    assert not {name for name in theirs.scan_iter("*") if broker._session.run.encode() in name}
    assert not {name for name in users(theirs) if broker._session.run in name}


def _command_in(fix: str) -> list[str]:
    """Return the command that a message says to run."""
    return fix.removeprefix("grant it: ").partition(" (Redis")[0].split()


def test_prefixes_can_be_chosen_on_the_kits_own_server(redis_asker: Asker) -> None:
    with redis_asker.lease(mode="prefix") as handle, redis.Redis.from_url(handle.url) as one:
        one.set(f"{handle.prefix}key", 1)
        with pytest.raises(DENIED):
            one.set("key", 1)

        assert handle.db == 0


def test_a_prefix_with_blanks_is_refused_at_once() -> None:
    with pytest.raises(SettingError, match="may not contain blanks"):
        spec("redis", {"prefix": "team a:"})


def test_without_quoting_a_prefix_would_open_other_keys(
    theirs: redis.Redis, redis_started: Asker
) -> None:
    """The check below must be able to fail: one clause switched off, the leak shows."""
    server = redis_started.server
    with mock.patch.object(accounts, "glob_quoted", str):
        theirs.execute_command(*make_user("quoted", "pw", rules_of_prefix("the?r", 0)))
    with redis.Redis(server.host, server.port, username="quoted", password="pw") as one:
        assert _may(one, "theirs")
    theirs.acl_deluser("quoted")


words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=12
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(prefix=words, other=words)
def test_any_prefix_opens_its_own_keys_and_no_others(
    theirs: redis.Redis, redis_started: Asker, prefix: str, other: str
) -> None:
    server = redis_started.server
    theirs.execute_command(*make_user("quoted", "pw", rules_of_prefix(prefix, 0)))
    with redis.Redis(server.host, server.port, username="quoted", password="pw") as one:
        assert _may(one, f"{prefix}key")
        assert _may(one, other) == other.startswith(prefix)
    theirs.acl_deluser("quoted")


def _may(one: Any, key: str) -> bool:
    try:
        one.get(key)
    except DENIED:
        return False
    return True
