"""A Redis that one test has to itself: everything is allowed, and the kit survives it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import pytest
import redis

from tests.services.asker import Asker, asker
from wflo_testkit.broker.broker import Broker
from wflo_testkit.wait import clock


@pytest.fixture
def own(service_core: Broker) -> Iterator[Asker]:
    """Somebody who asks for parts of a server that nobody else uses."""
    base = asker(service_core, "redis")
    spec = dataclasses.replace(base.service.spec("redis", base.settings), unique="abc123")
    own = dataclasses.replace(base, server=base.broker.server(spec))
    yield own
    base.broker.discard(own.server.key)


def test_everything_is_allowed(own: Asker) -> None:
    with own.lease() as handle, redis.Redis.from_url(handle.url) as one:
        assert one.flushall()
        assert one.acl_setuser("bob", enabled=True, nopass=True)
        assert one.client_pause(1)
        assert one.copy("nothing", "there", destination_db=2) is False
        assert handle.internal_url.endswith(f"@redis-abc123:6379/{handle.db}")


def test_the_account_of_everybody_is_on_and_the_kit_survives_its_end(own: Asker) -> None:
    server = own.server
    with own.lease() as handle, redis.Redis.from_url(handle.url) as one:
        with redis.Redis(server.host, server.port, password=server.password) as everybody:
            assert everybody.ping()
        one.config_set("requirepass", "s3cret")
        with redis.Redis(server.host, server.port, password="s3cret") as everybody:
            assert everybody.ping()
        one.execute_command("ACL", "SETUSER", "default", "off")
        one.client_kill_filter(_type="normal", skipme=True)
    with own.lease() as later, redis.Redis.from_url(later.url) as one:
        assert one.dbsize() == 0
    assert own.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["CLIENT PAUSE 70000", "SHUTDOWN NOSAVE"])
def test_a_server_that_its_test_has_stopped_fails_no_tear_down(own: Asker, command: str) -> None:
    with own.lease() as handle:
        one = redis.Redis.from_url(handle.url, socket_timeout=0.5, retry=None)
        with contextlib.suppress(redis.ConnectionError):
            one.execute_command(*command.split())
        one.close()
        began = clock.monotonic()

    assert clock.monotonic() - began < 20
