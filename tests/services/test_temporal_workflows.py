"""Workflows run to their end against a real server, from sync and async code."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.services.asker import Asker
from tests.services.temporal_run import client_and_worker, no_warnings_from_before, temporal
from tests.services.temporal_workflows import (
    Echo,
    EchoSync,
    Retrying,
    Sleeper,
    Waiting,
    echo,
    echo_sync,
    fail_twice,
)

__all__ = ["no_warnings_from_before", "temporal"]


async def test_a_workflow_runs_on_the_default_task_queue(temporal: Asker) -> None:
    with temporal.lease() as handle, client_and_worker(temporal, handle) as (client, worker):
        async with worker(workflows=[Echo], activities=[echo]):
            said = await client.execute_workflow(
                Echo.run, "hello", id="order-1", task_queue=handle.task_queue()
            )

    assert said == "hello"
    assert temporal.warnings == []


async def test_a_named_task_queue_is_this_tests_own(temporal: Asker) -> None:
    with temporal.lease() as handle, client_and_worker(temporal, handle) as (client, worker):
        queue = handle.task_queue("orders")
        async with worker(task_queue=queue, workflows=[Echo], activities=[echo]) as running:
            await client.execute_workflow(Echo.run, "x", id="order-1", task_queue=queue)
            assert running.task_queue == queue


def test_a_plain_test_runs_a_workflow_in_asyncio_run(temporal: Asker) -> None:
    with temporal.lease() as handle, client_and_worker(temporal, handle) as (client, worker):

        async def order() -> str:
            async with worker(workflows=[Echo], activities=[echo]):
                queue = handle.task_queue()
                return await client.execute_workflow(Echo.run, "x", id="order-1", task_queue=queue)

        assert asyncio.run(order()) == "x"
        assert asyncio.run(client.get_workflow_handle("order-1").result()) == "x"


async def test_activities_that_are_plain_functions_get_threads(temporal: Asker) -> None:
    with temporal.lease() as handle, client_and_worker(temporal, handle) as (client, worker):
        async with worker(workflows=[EchoSync], activities=[echo_sync]):
            queue = handle.task_queue()
            said = await client.execute_workflow(EchoSync.run, "x", id="a", task_queue=queue)
            assert said == "x"


async def test_an_executor_of_the_users_own_is_used(temporal: Asker) -> None:
    with (
        ThreadPoolExecutor(100) as executor,
        temporal.lease() as handle,
        client_and_worker(temporal, handle) as (client, worker),
    ):
        async with worker(
            workflows=[EchoSync], activities=[echo_sync], activity_executor=executor
        ) as running:
            queue = handle.task_queue()
            await client.execute_workflow(EchoSync.run, "x", id="a", task_queue=queue)
            assert running.config()["activity_executor"] is executor


async def test_a_retry_comes_when_its_policy_says_not_a_second_later(temporal: Asker) -> None:
    with temporal.lease() as handle, client_and_worker(temporal, handle) as (client, worker):
        async with worker(workflows=[Retrying], activities=[fail_twice]):
            began = time.perf_counter()
            attempts = await client.execute_workflow(
                Retrying.run, handle.tag, id="retry", task_queue=handle.task_queue()
            )

    assert attempts == 3
    assert time.perf_counter() - began < 0.9


async def test_a_short_sleep_is_short(temporal: Asker) -> None:
    with temporal.lease() as handle, client_and_worker(temporal, handle) as (client, worker):
        async with worker(workflows=[Sleeper]):
            began = time.perf_counter()
            await client.execute_workflow(Sleeper.run, 50, id="nap", task_queue=handle.task_queue())

    assert 0.05 <= time.perf_counter() - began < 0.8


async def test_a_client_of_the_tests_own_and_another_converter(temporal: Asker) -> None:
    from temporalio.converter import DataConverter

    converter = DataConverter()
    with temporal.lease() as handle, client_and_worker(temporal, handle) as (_client, worker):
        client = await handle.connect(data_converter=converter, identity="me")
        async with worker(client=client, workflows=[Echo], activities=[echo]) as running:
            queue = handle.task_queue()
            await client.execute_workflow(Echo.run, "x", id="a", task_queue=queue)

        assert running.client is client
        assert client.data_converter is converter


async def test_an_error_inside_the_worker_block_reaches_the_test(temporal: Asker) -> None:
    with temporal.lease() as handle, client_and_worker(temporal, handle) as (_client, worker):
        running = worker(workflows=[Echo], activities=[echo])
        with pytest.raises(ValueError, match="mine"):
            async with running:
                raise ValueError("mine")
        assert running.is_shutdown

    assert temporal.warnings == []


async def test_a_worker_that_was_never_left_is_shut_down_and_named(temporal: Asker) -> None:
    with temporal.lease() as handle:
        with temporal.opened("worker", handle) as worker:
            forgotten = worker(workflows=[Waiting])
            task = asyncio.create_task(forgotten.run())
            while not forgotten.is_running:
                await asyncio.sleep(0.01)
        await asyncio.wait_for(task, 5)

    assert forgotten.is_shutdown
