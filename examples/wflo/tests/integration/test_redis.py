"""Locks and the reply cache on a Redis database that only the running test sees."""

import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic

import pytest
from redis.asyncio import Redis

from support import eventually
from wflo.cache import LLMCache
from wflo.locks import DistributedLock, LockTimeoutError

MakeLock = Callable[..., DistributedLock]
QUESTION = ("gpt-4", "What is a lock?", {"temperature": 0.5})


@pytest.fixture
def prefix(redis_database) -> str:
    """What this test's keys have to start with: nothing, but on a shared external server."""
    return redis_database.prefix


@pytest.fixture
def make_lock(redis_async_client: Redis, prefix: str) -> MakeLock:
    """Make a lock named `report`; takes the lock's options."""
    return partial(DistributedLock, redis_async_client, "report", prefix=prefix)


@pytest.fixture
def make_cache(redis_async_client: Redis, prefix: str) -> Callable[..., LLMCache]:
    """Make a cache; takes the cache's options."""
    return partial(LLMCache, redis_async_client, prefix=prefix)


@pytest.fixture
def cache(make_cache: Callable[..., LLMCache]) -> LLMCache:
    """A cache that keeps replies for an hour."""
    return make_cache()


class TestRedisClient:
    """The client reaches a real server."""

    async def test_server_answers(self, redis_async_client: Redis) -> None:
        """PING is answered."""
        assert await redis_async_client.ping(), "no answer"

    async def test_set_get_delete(self, redis_async_client: Redis, prefix: str) -> None:
        """A value can be stored, read and deleted."""
        key = f"{prefix}colour"
        await redis_async_client.set(key, "blue")
        assert await redis_async_client.get(key) == b"blue", "not what was stored"

        assert await redis_async_client.delete(key) == 1, "nothing was deleted"
        assert await redis_async_client.get(key) is None, "still there after DEL"

    async def test_keys_expire(self, redis_async_client: Redis, prefix: str) -> None:
        """A key with a time to live goes by itself."""
        key = f"{prefix}brief"
        await redis_async_client.set(key, "1", px=50)

        async def gone() -> bool:
            return not await redis_async_client.exists(key)

        await eventually(gone, "the key expires")


class TestDistributedLock:
    """One holder at a time."""

    async def test_acquire(self, make_lock: MakeLock, redis_async_client: Redis) -> None:
        """The key holds the owner's token, and goes by itself should the owner die."""
        lock = make_lock(ttl=10)
        assert await lock.acquire(), "a free lock was refused"

        assert await redis_async_client.get(lock.key) == lock.token.encode(), "not our token"
        assert 5_000 < await redis_async_client.pttl(lock.key) <= 10_000, "wrong time to live"

    async def test_release(self, make_lock: MakeLock) -> None:
        """A released lock is free for the next one."""
        first, second = make_lock(), make_lock()
        await first.acquire()

        assert await first.release(), "our own lock was not released"
        assert await second.acquire(), "the lock is not free"

    async def test_second_holder_is_refused(self, make_lock: MakeLock) -> None:
        """Without waiting time a held lock is refused at once."""
        await make_lock().acquire()

        assert not await make_lock().acquire(), "two holders"

    async def test_waiting_ends(self, make_lock: MakeLock) -> None:
        """A waiter tries for as long as it was told, then raises."""
        await make_lock().acquire()
        start = monotonic()

        with pytest.raises(LockTimeoutError, match="lock:report is held"):
            async with make_lock(wait=0.2):
                pytest.fail("two holders")
        assert monotonic() - start >= 0.2, "did not wait as long as told"

    async def test_dead_owners_lock_expires(self, make_lock: MakeLock) -> None:
        """A lock that nobody renews goes to the next one after its time to live."""
        await make_lock(ttl=0.1).acquire()

        assert await make_lock(wait=5).acquire(), "the lock never expired"

    async def test_lock_is_renewed(self, make_lock: MakeLock, redis_async_client: Redis) -> None:
        """While the body runs, the time to live starts afresh again and again."""
        async with make_lock(ttl=60, renew_every=0.05) as lock:

            async def renewed() -> bool:
                return await redis_async_client.pttl(lock.key) > 50_000

            for _ in range(3):
                # As if half a minute had passed.
                await redis_async_client.pexpire(lock.key, 30_000)
                await eventually(renewed, "the time to live starts afresh")

    async def test_only_the_owner_renews_and_releases(
        self, make_lock: MakeLock, redis_async_client: Redis
    ) -> None:
        """Who lost the lock neither prolongs nor ends the next owner's."""
        late, owner = make_lock(), make_lock(ttl=10)
        await owner.acquire()

        assert not await late.renew(), "renewed another owner's lock"
        assert not await late.release(), "released another owner's lock"
        assert await redis_async_client.get(owner.key) == owner.token.encode(), "the lock is gone"
        assert await owner.renew(), "the owner cannot renew"

    async def test_error_releases_the_lock(self, make_lock: MakeLock) -> None:
        """An exception leaves the body, and the lock is free."""
        with pytest.raises(ZeroDivisionError):
            async with make_lock():
                raise ZeroDivisionError

        assert await make_lock().acquire(), "still held after the error"

    async def test_ten_contenders_take_turns(
        self, make_lock: MakeLock, redis_async_client: Redis, prefix: str
    ) -> None:
        """Ten tasks that read, pause and write lose no update."""
        key = f"{prefix}total"
        await redis_async_client.set(key, 0)

        async def add_one() -> None:
            async with make_lock(wait=20):
                total = int(await redis_async_client.get(key))
                await asyncio.sleep(0)
                await redis_async_client.set(key, total + 1)

        await asyncio.gather(*(add_one() for _ in range(10)))
        assert int(await redis_async_client.get(key)) == 10, "an update was lost"


class TestLLMCache:
    """Replies by model, prompt and parameters."""

    async def test_hit(self, cache: LLMCache) -> None:
        """A stored reply comes back."""
        await cache.put(*QUESTION, "größer")

        assert await cache.get(*QUESTION) == "größer", "not what was stored"

    async def test_miss(self, cache: LLMCache) -> None:
        """An unknown question has no reply."""
        assert await cache.get(*QUESTION) is None, "a reply out of nowhere"

    async def test_key_depends_on_model(self, cache: LLMCache) -> None:
        """Another model's reply is not used."""
        _, prompt, parameters = QUESTION
        await cache.put(*QUESTION, "a reply")

        assert await cache.get("gpt-3.5-turbo", prompt, parameters) is None, "wrong model's reply"

    async def test_key_depends_on_parameters(self, cache: LLMCache) -> None:
        """A reply at another temperature is not used."""
        model, prompt, _ = QUESTION
        await cache.put(*QUESTION, "a reply")

        assert await cache.get(model, prompt, {"temperature": 1}) is None, "wrong parameters' reply"

    async def test_replies_expire(self, make_cache: Callable[..., LLMCache]) -> None:
        """A reply is forgotten after its time to live."""
        cache = make_cache(ttl=0.05)
        await cache.put(*QUESTION, "a reply")

        async def forgotten() -> bool:
            return await cache.get(*QUESTION) is None

        await eventually(forgotten, "the reply expires")

    async def test_invalidate_one(self, cache: LLMCache) -> None:
        """One reply is forgotten, the other stays."""
        model, _, parameters = QUESTION
        await cache.put(*QUESTION, "old")
        await cache.put(model, "Another?", parameters, "kept")

        assert await cache.invalidate(*QUESTION), "there was nothing to forget"
        assert await cache.get(*QUESTION) is None, "still there"
        assert await cache.get(model, "Another?", parameters) == "kept", "forgot too much"

    async def test_invalidate_all(
        self, cache: LLMCache, redis_async_client: Redis, prefix: str
    ) -> None:
        """Every reply is forgotten, and nothing else."""
        await redis_async_client.set(f"{prefix}other", "kept")
        for number in range(5):
            await cache.put("gpt-4", f"prompt {number}", {}, "a reply")

        assert await cache.invalidate_all() == 5, "wrong number of replies"
        assert await cache.get("gpt-4", "prompt 0", {}) is None, "still there"
        assert await redis_async_client.get(f"{prefix}other") == b"kept", "forgot too much"

    async def test_counters(self, cache: LLMCache, make_cache: Callable[..., LLMCache]) -> None:
        """Hits and misses are counted for all processes together."""
        await cache.get(*QUESTION)
        await cache.put(*QUESTION, "a reply")
        for _ in range(2):
            await make_cache().get(*QUESTION)

        assert await cache.counters() == {"hits": 2, "misses": 1}, "wrong count"


class TestRedisIsolation:
    """Both tests write the same key: whichever runs second would see the first one's."""

    @pytest.mark.parametrize("turn", ["one", "another"])
    async def test_database_starts_empty(
        self, redis_async_client: Redis, prefix: str, turn: str
    ) -> None:
        """No key of any other test is in sight."""
        keys = [key async for key in redis_async_client.scan_iter(match=f"{prefix}*")]
        assert keys == [], "another test's keys"

        await redis_async_client.set(f"{prefix}shared", turn)
