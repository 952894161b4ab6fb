"""A lock that many processes share through Redis."""

import asyncio
from contextlib import suppress
from secrets import token_hex
from time import monotonic
from typing import Self

from redis.asyncio import Redis

# Compare and act in one step: between a GET and a DEL the lock may expire and change hands.
_RELEASE = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('del', KEYS[1]) or 0"
_RENEW = (
    "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('pexpire', KEYS[1], ARGV[2]) or 0"
)


class LockTimeoutError(TimeoutError):
    """Somebody else held the lock for all of the waiting time."""


class DistributedLock:
    """Hold `name` for `ttl` seconds, renewed while the body of an `async with` runs.

    wait: seconds to try before giving up; 0 tries once.
    renew_every: seconds; by default a third of `ttl`.
    """

    def __init__(
        self,
        redis: Redis,
        name: str,
        *,
        ttl: float = 10,
        wait: float = 0,
        renew_every: float = 0,
        prefix: str = "",
    ) -> None:
        self.key, self.token = f"{prefix}lock:{name}", token_hex(16)
        self._redis, self._wait = redis, wait
        self._milliseconds = int(ttl * 1000)
        self._renew_every = renew_every or ttl / 3

    async def acquire(self) -> bool:
        """Take the lock; False when it is still held by another after `wait` seconds."""
        deadline = monotonic() + self._wait
        while not await self._redis.set(self.key, self.token, nx=True, px=self._milliseconds):
            if monotonic() >= deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    async def release(self) -> bool:
        """Give the lock back; False, and nothing happens, when it is no longer ours."""
        return bool(await self._redis.eval(_RELEASE, 1, self.key, self.token))

    async def renew(self) -> bool:
        """Start the time to live afresh; False when the lock is no longer ours."""
        return bool(await self._redis.eval(_RENEW, 1, self.key, self.token, self._milliseconds))

    async def _keep_renewing(self) -> None:
        # Told to end, not cancelled: a Redis command may be under way, and is not lost half-way.
        while not self._ended.is_set() and await self.renew():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), self._renew_every)

    async def __aenter__(self) -> Self:
        if not await self.acquire():
            raise LockTimeoutError(f"{self.key} is held by another owner")
        self._ended = asyncio.Event()
        self._renewal = asyncio.create_task(self._keep_renewing())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._ended.set()
        await asyncio.gather(self._renewal, return_exceptions=True)
        await self.release()
