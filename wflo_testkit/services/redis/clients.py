"""`redis_client` and `redis_async_client`: connected at first use, closed by the kit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from wflo_testkit.aio import LoopBound
from wflo_testkit.service import TestContext
from wflo_testkit.services.redis.handle import RedisDatabase

if TYPE_CHECKING:
    import redis
    import redis.asyncio


def client(handle: RedisDatabase, test: TestContext) -> Iterator[redis.Redis]:
    """Yield a client of the test's part; its connections are closed at the end."""
    import redis

    with closing(redis.Redis.from_url(handle.url, **_keywords(test))) as made:
        yield made


def async_client(handle: RedisDatabase, test: TestContext) -> Iterator[redis.asyncio.Redis]:
    """Yield an asyncio client, closed inside the event loop in which it was used."""
    import redis.asyncio

    async def close() -> None:
        await pool.disconnect(inuse_connections=True)

    bound = LoopBound(close)
    pool = redis.asyncio.ConnectionPool.from_url(handle.url, **_keywords(test))
    pool.connection_class = _noting_its_loop(pool.connection_class, bound)
    try:
        yield redis.asyncio.Redis(connection_pool=pool)
    finally:
        bound.finish()


def _keywords(test: TestContext) -> dict[str, Any]:
    return {"decode_responses": bool(test.settings.get("decode_responses", False))}


def _noting_its_loop(connection: Any, bound: LoopBound) -> Any:
    """Return a connection class that tells `bound` before it opens anything."""

    class Connection(connection):  # type: ignore[misc]
        async def connect(self) -> None:
            await bound.enter()
            await super().connect()

    return Connection
