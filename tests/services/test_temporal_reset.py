"""`reset()` of a Temporal namespace: no workflow, no history, no schedule; workers go on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
)
from temporalio.common import WorkflowIDReusePolicy
from temporalio.service import RPCError

from tests.services.asker import Asker
from tests.services.temporal_run import client_and_worker, no_warnings_from_before, temporal
from tests.services.temporal_workflows import Echo, Waiting, echo
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import LeaseRequest
from wflo_testkit.services.temporal import SERVICE, isolation, leftovers

__all__ = ["no_warnings_from_before", "temporal"]
pytestmark = pytest.mark.slow

ONCE = WorkflowIDReusePolicy.REJECT_DUPLICATE


async def left(client: Client, handle: Any) -> None:
    """Leave an ended workflow, one that runs, and a schedule."""
    queue = handle.task_queue()
    said = await client.execute_workflow(
        Echo.run, "hello", id="ended", task_queue=queue, id_reuse_policy=ONCE
    )
    assert said == "hello"
    await client.start_workflow(Waiting.run, id="running", task_queue=queue, id_reuse_policy=ONCE)
    await client.create_schedule(
        "nightly",
        Schedule(
            action=ScheduleActionStartWorkflow(Waiting.run, id="scheduled", task_queue=queue),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))]),
        ),
    )


async def is_empty(client: Client) -> bool:
    for name in ("ended", "running"):
        with pytest.raises(RPCError, match="not found"):
            await client.get_workflow_handle(name).fetch_history()
    assert [each.id async for each in client.list_workflows("")] == []
    assert [each.id async for each in await client.list_schedules()] == []
    return True


async def test_all_is_gone_and_ids_can_be_used_again(temporal: Asker) -> None:
    with temporal.lease() as handle, client_and_worker(temporal, handle) as (client, worker):
        async with worker(workflows=[Echo, Waiting], activities=[echo]):
            for _again in range(3):
                await left(client, handle)
                handle.reset()
                assert await is_empty(client)
                told = temporal.warnings.pop()
                assert told.startswith("at reset(): ")
                assert "the schedule 'nightly'" in told
                assert "the workflow 'running' of type 'Waiting'" in told
            await asyncio.to_thread(handle.reset)
    assert temporal.warnings == []


async def test_what_nobody_knows_needs_no_look(temporal: Asker) -> None:
    with (
        temporal.lease() as handle,
        mock.patch.object(isolation, "forget", side_effect=AssertionError),
    ):
        handle.reset()


async def test_two_at_once_do_not_meet(temporal: Asker) -> None:
    with temporal.lease() as one, temporal.lease() as two:
        first, second = await one.connect(), await two.connect()
        for client in (first, second):
            await client.start_workflow("Any", id="same", task_queue="nobody")
        await asyncio.to_thread(one.reset)

        with pytest.raises(RPCError):
            await first.get_workflow_handle("same").describe()
        assert (await second.get_workflow_handle("same").describe()).id == "same"


def test_in_a_namespace_that_tests_share_it_is_refused(temporal: Asker) -> None:
    address = f"{temporal.server.host}:{temporal.server.port}"
    settings = {"address": address, "namespace": "default"}
    server = SERVICE.external(SERVICE.spec("temporal", settings))  # type: ignore[misc]
    made = isolation.TemporalIsolation(server, "a1b2c3d4")
    asked = {"kind": "namespace", "mode": "", "id": "e0e0", "owner": "main"}
    lease = HeldLease(data=made.lease(LeaseRequest(params={}, **asked)), **asked)

    with pytest.raises(IsolationFailed) as caught:
        made.call(lease, "reset", {"released": []})

    assert "the namespace 'default' cannot be reset" in caught.value.text
    assert "nobody can tell whose a schedule is" in caught.value.text
    made.close()


def test_after_its_test_the_error_says_so(temporal: Asker) -> None:
    with temporal.lease() as handle:
        pass

    with pytest.raises(IsolationFailed, match="was used after it had been given back"):
        handle.reset()


@pytest.mark.parametrize("step", ["forget", "clear"])
async def test_each_step_left_out_is_noticed(temporal: Asker, step: str) -> None:
    async def nothing(*_given: Any, **_named: Any) -> list[str]:
        return []

    home = isolation if step == "forget" else leftovers
    # In a schedule's stead its workflow would run on; what runs is deleted, too, and not named.
    expected = pytest.raises((AssertionError, IndexError, pytest.fail.Exception))
    with mock.patch.object(home, step, nothing), expected:
        await test_all_is_gone_and_ids_can_be_used_again(temporal)
