"""The first workflow: the kit's fixtures and the bare SDK."""

import os
import time

import pytest
from greeting import Greeting, greet  # type: ignore[import-not-found]
from temporalio.client import Client
from temporalio.worker import Worker

from benchmarks.stopwatch import asked, note

TURNS = range(int(os.environ["BENCH_TIMES"]))


@pytest.mark.parametrize("turn", TURNS)
async def test_completed(temporal_client, temporal_worker, turn):  # type: ignore[no-untyped-def]
    async with temporal_worker(workflows=[Greeting], activities=[greet]) as worker:
        result = await temporal_client.execute_workflow(
            Greeting.run, "you", id="greeting", task_queue=worker.task_queue
        )
        note("completed", time.monotonic() - asked())
    assert result == "hello you"


@pytest.mark.parametrize("turn", TURNS)
async def test_bare_completed(temporal_server, turn):  # type: ignore[no-untyped-def]
    queue = f"bare-{turn}"
    began = time.monotonic()
    client = await Client.connect(f"{temporal_server.host}:{temporal_server.port}")
    async with Worker(client, task_queue=queue, workflows=[Greeting], activities=[greet]):
        result = await client.execute_workflow(Greeting.run, "you", id=queue, task_queue=queue)
        note("completed, bare", time.monotonic() - began)
    assert result == "hello you"
