"""The steps of the workflows: everything that touches the outside."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from redis.asyncio import Redis
from temporalio import activity

from wflo import llm, store
from wflo.cache import LLMCache, Question
from wflo.costs import CostTracker
from wflo.database import Sessions
from wflo.events import Event, EventPublisher
from wflo.locks import DistributedLock


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt to run on behalf of an execution that is in the database."""

    execution_id: str
    prompt: str
    model: str = "gpt-4"
    needs_approval: bool = False
    approval_seconds: float = 3600


@activity.defn
async def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


@dataclass(frozen=True, slots=True)
class Activities:
    """Steps of `WfloWorkflow`, with what they need."""

    sessions: Sessions
    redis: Redis
    publisher: EventPublisher
    redis_prefix: str = ""

    def all(self) -> list[Callable[..., object]]:
        """List what a worker has to register."""
        return [greet, self.set_status, self.generate, self.ask_approval, self.decide_approval]

    @activity.defn
    async def set_status(self, execution_id: str, status: str) -> None:
        """Store an execution's status, then tell the world."""
        async with self.sessions.begin() as session:
            await store.set_status(session, execution_id, status)
        await asyncio.to_thread(self.publisher.publish, Event(execution_id, status))

    @activity.defn
    async def generate(self, task: Task) -> str:
        """Answer the prompt from the cache, or from the model at the execution's expense."""
        question: Question = (task.model, task.prompt, {})
        cache = LLMCache(self.redis, prefix=self.redis_prefix)
        # One asker at a time: the same question is paid for once.
        name = cache.key(*question)
        async with DistributedLock(self.redis, name, wait=30, prefix=self.redis_prefix):
            text = await cache.get(*question)
            if text is None:
                text = await self._ask_model(task)
                await cache.put(*question, text)
        async with self.sessions.begin() as session:
            await store.save_snapshot(session, task.execution_id, {"text": text})
        return text

    async def _ask_model(self, task: Task) -> str:
        text = llm.answer(task.model, task.prompt)
        tokens = (llm.estimate_tokens(task.prompt), llm.estimate_tokens(text))
        async with self.sessions.begin() as session:
            await CostTracker(session).charge(task.execution_id, task.model, tokens)
        return text

    @activity.defn
    async def ask_approval(self, execution_id: str) -> None:
        """Open the approval request."""
        async with self.sessions.begin() as session:
            await store.ask_approval(session, execution_id)

    @activity.defn
    async def decide_approval(self, execution_id: str, status: str, by: str) -> None:
        """Close the approval request."""
        async with self.sessions.begin() as session:
            await store.decide_approval(session, execution_id, status, by)
