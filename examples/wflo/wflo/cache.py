"""Replies of language models, kept in Redis."""

import json
from hashlib import sha256
from typing import Any

from redis.asyncio import Redis

Parameters = dict[str, Any]
Question = tuple[str, str, Parameters]  # model, prompt, parameters


class LLMCache:
    """Remembers a reply for `ttl` seconds by model, prompt and parameters."""

    def __init__(self, redis: Redis, *, ttl: float = 3600, prefix: str = "") -> None:
        self._redis, self._milliseconds = redis, int(ttl * 1000)
        self._replies, self._counters = f"{prefix}llm:reply:", f"{prefix}llm:counters"

    def key(self, model: str, prompt: str, parameters: Parameters) -> str:
        """Return the Redis key; the order of the parameters does not matter."""
        text = json.dumps([model, prompt, parameters], sort_keys=True)
        return self._replies + sha256(text.encode()).hexdigest()

    async def get(self, model: str, prompt: str, parameters: Parameters) -> str | None:
        """Return the stored reply or None, and count a hit or a miss."""
        reply = await self._redis.get(self.key(model, prompt, parameters))
        await self._redis.hincrby(self._counters, "misses" if reply is None else "hits", 1)
        return reply.decode() if isinstance(reply, bytes) else reply

    async def put(self, model: str, prompt: str, parameters: Parameters, reply: str) -> None:
        """Store a reply, which starts its time to live."""
        await self._redis.set(self.key(model, prompt, parameters), reply, px=self._milliseconds)

    async def invalidate(self, model: str, prompt: str, parameters: Parameters) -> bool:
        """Forget one reply; False when there was none."""
        return bool(await self._redis.delete(self.key(model, prompt, parameters)))

    async def invalidate_all(self) -> int:
        """Forget every reply and return how many there were; the counters stay."""
        keys = [key async for key in self._redis.scan_iter(match=f"{self._replies}*")]
        return int(await self._redis.delete(*keys)) if keys else 0

    async def counters(self) -> dict[str, int]:
        """Return the hits and misses of all processes so far."""
        hits, misses = await self._redis.hmget(self._counters, ["hits", "misses"])
        return {"hits": int(hits or 0), "misses": int(misses or 0)}
