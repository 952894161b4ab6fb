"""Each test has a namespace that no other test ever has, and nothing of it goes on running."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
    WorkflowExecutionStatus,
)
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError

from tests.services.asker import Asker
from tests.services.temporal_run import (
    client_and_worker,
    no_warnings_from_before,
    started,
    temporal,
)
from tests.services.temporal_workflows import Echo, Waiting, echo
from wflo_testkit.errors import IsolationFailed, ServiceUnavailable
from wflo_testkit.model import Server
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.temporal import SERVICE
from wflo_testkit.services.temporal.isolation import TemporalIsolation

__all__ = ["no_warnings_from_before", "temporal"]

CUSTOMER = SearchAttributeKey.for_keyword("CustomerId")


async def status(handle: Any, workflow_id: str) -> Any:
    client = await handle.connect()
    return (await client.get_workflow_handle(workflow_id).describe()).status


async def test_two_tests_may_use_the_same_workflow_id(temporal: Asker) -> None:
    said = []
    for text in ("first", "second"):
        with temporal.lease() as handle, client_and_worker(temporal, handle) as (client, worker):
            async with worker(workflows=[Echo], activities=[echo]):
                said.append(
                    await client.execute_workflow(
                        Echo.run, text, id="order-1", task_queue=handle.task_queue()
                    )
                )

    assert said == ["first", "second"]


async def test_a_test_cannot_see_what_runs_in_another(temporal: Asker) -> None:
    with temporal.lease() as one, temporal.lease() as two:
        mine, others = await one.connect(), await two.connect()
        await mine.start_workflow(Waiting.run, id="order-1", task_queue=one.task_queue())

        with pytest.raises(RPCError, match="not found"):
            await others.get_workflow_handle("order-1").describe()


async def test_running_workflows_are_terminated_and_named(temporal: Asker) -> None:
    with temporal.lease() as handle:
        client = await handle.connect()
        for number in (1, 2):
            await client.start_workflow(
                Waiting.run, id=f"order-{number}", task_queue=handle.task_queue()
            )

    assert sorted(temporal.warnings) == [
        f"the workflow 'order-{number}' of type 'Waiting' was still running; the kit terminated it"
        for number in (1, 2)
    ]
    assert await status(handle, "order-1") == WorkflowExecutionStatus.TERMINATED


async def test_a_workflow_started_in_the_last_moment_is_found_every_time(temporal: Asker) -> None:
    """Lists lag behind; thirty times in a row is more than the server's poll budget hides."""
    for _ in range(30):
        with temporal.lease() as handle:
            client = await handle.connect()
            await client.start_workflow(Waiting.run, id="late", task_queue=handle.task_queue())

    assert len(temporal.warnings) == 30


async def test_a_finished_workflow_is_no_leftover(temporal: Asker) -> None:
    with temporal.lease() as handle, client_and_worker(temporal, handle) as (client, worker):
        async with worker(workflows=[Echo], activities=[echo]):
            for number in range(20):
                await client.execute_workflow(
                    Echo.run, "x", id=f"{number}", task_queue=handle.task_queue()
                )

    assert temporal.warnings == []


async def test_a_failed_tests_workflows_are_left_as_they_are(temporal: Asker) -> None:
    with temporal.lease(keep=True) as handle:
        client = await handle.connect()
        await client.start_workflow(Waiting.run, id="order-1", task_queue=handle.task_queue())

    assert temporal.warnings == []
    assert await status(handle, "order-1") == WorkflowExecutionStatus.RUNNING
    assert f"--namespace {handle.namespace}" in handle.kept_command


def test_a_hundred_leases_are_a_hundred_namespaces(temporal: Asker) -> None:
    seen = []
    for _ in range(100):
        with temporal.lease() as handle:
            seen.append(handle.namespace)

    assert len(set(seen)) == 100


def test_many_threads_at_once_get_namespaces_of_their_own(temporal: Asker) -> None:
    seen: list[str] = []

    def ask() -> None:
        for _ in range(20):
            with temporal.lease() as handle:
                seen.append(handle.namespace)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(seen) == len(set(seen)) == 160


async def test_every_namespace_beyond_those_of_the_launch_works(temporal: Asker) -> None:
    while True:
        with temporal.lease() as handle:
            if handle.namespace.count("-") < 2:  # wflo-7, not wflo-<run>-7
                continue
            with client_and_worker(temporal, handle) as (client, worker):
                async with worker(workflows=[Echo], activities=[echo]):
                    queue = handle.task_queue()
                    said = await client.execute_workflow(Echo.run, "x", id="a", task_queue=queue)
            assert said == "x"
            return


def _namespaces_of_another_run(server: Server, count: int) -> set[str]:
    other = TemporalIsolation(server, secrets.token_hex(4))
    try:
        return {str(other.lease(_request(f"x{number}"))["namespace"]) for number in range(count)}
    finally:
        other.close()


def _request(name: str) -> LeaseRequest:
    return LeaseRequest(kind="namespace", mode="", params={}, id=name, owner="main")


def test_a_second_run_on_the_same_server_gets_other_namespaces(temporal: Asker) -> None:
    """Two runs that share a reused server: only one of them may use those of the launch."""
    with temporal.lease() as handle:
        theirs = _namespaces_of_another_run(temporal.server, 70)

    assert len(theirs) == 70
    assert handle.namespace not in theirs
    assert not {f"wflo-{number}" for number in range(64)} & theirs


def test_without_the_claim_a_second_run_would_use_those_of_the_launch_again(
    temporal: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wflo_testkit.services.temporal.pool.CLAIM", "wflo-claimed-by-nobody")

    assert "wflo-0" in _namespaces_of_another_run(temporal.server, 1)


CHILD = """
import asyncio, sys
from temporalio.client import Client
from tests.services.temporal_workflows import Echo, echo
from temporalio.worker import Worker

async def main(address, namespace, queue):
    client = await Client.connect(address, namespace=namespace)
    async with Worker(client, task_queue=queue, workflows=[Echo], activities=[echo]):
        for number in range(10):
            said = await client.execute_workflow(
                Echo.run, namespace, id=f"order-{number}", task_queue=queue)
            assert said == namespace, said
    await asyncio.sleep(0.05)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
def test_two_processes_use_the_same_ids_at_once(temporal: Asker) -> None:
    with temporal.lease() as one, temporal.lease() as two:
        running = [
            subprocess.Popen(
                [sys.executable, "-c", CHILD, handle.address, handle.namespace, "the-queue"],
                stderr=subprocess.PIPE,
                text=True,
            )
            for handle in (one, two)
        ]
        for process in running:
            _out, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors

    assert temporal.warnings == []


def _every_second(queue: str) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(Waiting.run, id="scheduled", task_queue=queue),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=1))]),
    )


async def _schedule_fires(client: Client, queue: str) -> None:
    schedule = await client.create_schedule("hourly", _every_second(queue))
    await schedule.trigger()
    for _ in range(100):
        if (await schedule.describe()).info.num_actions:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the schedule never fired")


async def test_a_schedule_fires_and_one_left_behind_is_deleted(temporal: Asker) -> None:
    with temporal.lease() as handle:
        client = await handle.connect()
        await _schedule_fires(client, handle.task_queue())

    assert "the schedule 'hourly' was still there; the kit deleted it" in temporal.warnings
    with pytest.raises(RPCError, match="not found"):
        await client.get_schedule_handle("hourly").describe()


async def test_system_workers_and_search_attributes_are_a_setting() -> None:
    attributes = {"CustomerId": "Keyword", "Total": "double"}
    given: dict[str, Any] = {"system_workers": True, "namespaces": 1, "ui": True}
    with started(search_attributes=attributes, **given) as asked:
        # The first namespace was made at launch, the second one is registered while it runs.
        with asked.lease() as launched, asked.lease() as registered:
            for handle in (launched, registered):
                await _is_found_by_customer(handle)
            client = await launched.connect()
            await _schedule_fires(client, launched.task_queue())
        assert launched.namespace == "wflo-0"
        assert registered.namespace != "wflo-1"
        assert asked.server.ui_url.startswith("http://127.0.0.1:")


async def _is_found_by_customer(handle: Any) -> None:
    client = await handle.connect()
    found = TypedSearchAttributes([SearchAttributePair(CUSTOMER, "c-1")])
    await client.start_workflow(
        Waiting.run, id="order-1", task_queue=handle.task_queue(), search_attributes=found
    )
    for _ in range(100):
        if [each.id async for each in client.list_workflows("CustomerId = 'c-1'")] == ["order-1"]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not found by its search attribute")


@pytest.mark.slow
async def test_an_external_servers_shared_namespace_keeps_tests_apart(temporal: Asker) -> None:
    address = temporal.server.address
    with started(address=address, namespace="default") as asked:
        with asked.lease() as one, asked.lease() as two:
            client = await one.connect()
            for handle in (one, two):
                await client.start_workflow(
                    Waiting.run, id=handle.workflow_id("order"), task_queue=handle.task_queue()
                )
            assert one.namespace == two.namespace == "default"
            assert one.task_queue() != two.task_queue()
        await client.start_workflow(Waiting.run, id="somebody-elses", task_queue="theirs")

        assert len(asked.warnings) == 2
        assert await status(one, "somebody-elses") == WorkflowExecutionStatus.RUNNING
        await client.get_workflow_handle("somebody-elses").terminate()


async def test_on_an_external_server_a_runs_namespaces_are_deleted(temporal: Asker) -> None:
    with started(address=temporal.server.address) as asked, asked.lease() as handle:
        client = await handle.connect()
        await client.start_workflow(Waiting.run, id="a", task_queue=handle.task_queue())
        assert handle.namespace.startswith("wflo-")
        name = handle.namespace

    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

    with pytest.raises(RPCError):
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))


def test_an_external_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wflo_testkit.broker.starting.EXTERNAL_TIMEOUT", 0.2)
    asked = started(address="127.0.0.1:1")

    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1 does not answer"):
        asked.__enter__()


def test_a_server_that_is_gone_is_told_as_that(temporal: Asker) -> None:
    from dataclasses import replace

    dead = replace(temporal.server, ports={"main": 1})
    isolation = TemporalIsolation(dead, "run")
    try:
        with pytest.raises(IsolationFailed, match="look whether the server still runs"):
            isolation.lease(_request("a"))
    finally:
        isolation.close()


def test_env_and_names_of_server_and_namespace(temporal: Asker) -> None:
    server = temporal.server
    with temporal.lease() as handle:
        assert server.env() == {"TEMPORAL_ADDRESS": server.address}
        assert handle.env() == {
            "TEMPORAL_ADDRESS": server.address,
            "TEMPORAL_NAMESPACE": handle.namespace,
        }
        assert handle.internal_env()["TEMPORAL_ADDRESS"] == "temporal:7233"
        assert handle.task_queue("a") == handle.task_queue("a") != handle.task_queue("b")
    assert SERVICE.server.from_json(server.to_json()) == server


def test_another_container_on_the_kits_network_uses_the_internal_address(temporal: Asker) -> None:
    server = temporal.server
    with temporal.lease() as handle:
        variables = [f"--env={key}={value}" for key, value in handle.internal_env().items()]
        where = ["--rm", "--network", server.network, *variables, server.image]
        count = ["docker", "run", *where, "workflow", "count"]
        done = subprocess.run(count, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout.strip()) == (0, "Total: 0"), done.stderr


def test_a_lease_and_its_release_take_milliseconds(temporal: Asker) -> None:
    taken = []
    for _ in range(30):
        began = time.perf_counter()
        with temporal.lease():
            middle = time.perf_counter()
        taken.append((middle - began, time.perf_counter() - middle))

    leases, releases = (sorted(column)[15] * 1000 for column in zip(*taken, strict=True))
    print(
        f"lease {leases:.2f} ms, release {releases:.1f} ms, start {temporal.server.seconds:.2f} s"
    )
    assert leases < 20
    assert releases < 100
