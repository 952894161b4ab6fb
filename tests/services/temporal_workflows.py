"""Workflows and activities; little is imported, since the sandbox loads all of it each time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

SECONDS = timedelta(seconds=5)
_attempts: dict[str, int] = {}


@activity.defn
async def echo(text: str) -> str:
    return text


@activity.defn
def echo_sync(text: str) -> str:
    return text


@activity.defn
async def fail_twice(key: str) -> int:
    _attempts[key] = _attempts.get(key, 0) + 1
    if _attempts[key] < 3:
        raise RuntimeError("not yet")
    return _attempts[key]


@workflow.defn
class Echo:
    @workflow.run
    async def run(self, text: str) -> str:
        return await workflow.execute_activity(echo, text, start_to_close_timeout=SECONDS)


@workflow.defn
class EchoSync:
    @workflow.run
    async def run(self, text: str) -> str:
        return await workflow.execute_activity(echo_sync, text, start_to_close_timeout=SECONDS)


@workflow.defn
class Retrying:
    @workflow.run
    async def run(self, key: str) -> int:
        retries = RetryPolicy(initial_interval=timedelta(milliseconds=10))
        return await workflow.execute_activity(
            fail_twice, key, start_to_close_timeout=SECONDS, retry_policy=retries
        )


@workflow.defn
class Sleeper:
    @workflow.run
    async def run(self, milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / 1000)


@workflow.defn
class Waiting:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)
