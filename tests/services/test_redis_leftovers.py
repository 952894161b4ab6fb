"""What a test has left open is told from what it has just closed, without a fixed wait."""

from __future__ import annotations

import subprocess
import sys
from unittest import mock

import redis

from tests.services.asker import Asker
from wflo_testkit.services.redis import leftovers
from wflo_testkit.wait import clock

CLIENT = """
import sys, redis
client = redis.Redis.from_url(sys.argv[1])
client.ping()
print("ready", flush=True)
sys.stdin.readline()
"""


def test_what_a_test_has_closed_is_no_leftover_however_late(redis_asker: Asker) -> None:
    for _ in range(30):
        with redis_asker.lease() as handle:
            clients = [redis.Redis.from_url(handle.url) for _ in range(5)]
            for each in clients:
                each.ping()
            for each in clients:
                each.close()

    assert redis_asker.warnings == []


def test_a_process_that_has_ended_is_no_leftover(redis_asker: Asker) -> None:
    with redis_asker.lease() as handle:
        ended = subprocess.run(
            [sys.executable, "-c", CLIENT, handle.url], input="", text=True, check=True, stdout=-1
        )

    assert ended.stdout == "ready\n"
    assert redis_asker.warnings == []


def test_a_pool_that_a_library_keeps_costs_no_half_second(redis_asker: Asker) -> None:
    """Celery, Dramatiq and django-redis keep theirs; a busy machine may be slow once or twice."""
    seconds = []
    for _ in range(15):
        lease = redis_asker.lease()
        pool = redis.Redis.from_url(lease.__enter__().url)
        pool.set("key", 1)
        began = clock.monotonic()
        lease.__exit__(None, None, None)
        seconds.append(clock.monotonic() - began)
        pool.close()

    assert len(redis_asker.warnings) == 15
    assert min(seconds) < 0.1


def test_if_ends_were_not_waited_for_closed_connections_would_be_blamed(
    redis_asker: Asker,
) -> None:
    """The first check must be able to fail: an end that comes late is waited for."""
    looks = []
    late = {"user": "", "name": "late", "cmd": "get"}

    def once(*_arguments: object) -> tuple[list[dict[str, str]], bytes, int]:
        looks.append(1)
        return ([late] if len(looks) == 1 else []), b"", 0

    with mock.patch.object(leftovers, "_clients", once):
        assert not leftovers.look(redis_asker.server, mock.Mock(), "").connections  # type: ignore[arg-type]
        looks.clear()
        with mock.patch.object(leftovers, "PASSES", 0):
            assert leftovers.look(redis_asker.server, mock.Mock(), "").connections  # type: ignore[arg-type]
