"""The guestbook of an external server: a workflow per run that nobody works on, signed by signals.

The server stamps each signal: clocks of other machines do not matter. The workflow is in the
namespace that tests share or, where each has one, in a namespace of its own.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

from wflo_testkit.errors import ServiceUnavailable
from wflo_testkit.guestbook import Guest
from wflo_testkit.model import Server
from wflo_testkit.services.temporal.leftovers import end_workflow
from wflo_testkit.services.temporal.link import CALL, Link
from wflo_testkit.services.temporal.stock import GRANT, registered_now
from wflo_testkit.services.temporal.sweep import delete_namespace, namespaces, workflow_ids

if TYPE_CHECKING:
    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.service import ServiceClient

GUEST = "wflo-guest-"
"""What the names of these workflows and namespaces begin with; no run's id is "guest"."""
_LAST = 3
"""Events looked at from the end: a first signal is followed by a workflow task."""


class TemporalGuestbook:
    """A guestbook.Guestbook; runs find one another by address and `temporal_namespace`."""

    def __init__(self, server: Server) -> None:
        self._name = server.name
        self._shared = str(server.options.get("namespace", ""))
        self._link = Link(f"{server.host}:{server.port}")

    def sign(self, guest: Guest) -> float:
        """Write or renew the entry; return the server's time. Raises what names the right."""
        from temporalio.service import RPCError

        try:
            return self._link.call(partial(self._sign, guest=guest))
        except (RPCError, RuntimeError, TimeoutError) as error:
            raise self._denied(error) from None

    def guests(self) -> list[Guest]:
        return self._link.call(self._guests)

    def strike(self, run: str) -> None:
        """Remove the entry of a run that is over."""
        name = GUEST + run
        if self._shared:
            self._link.call(partial(end_workflow, namespace=self._shared, workflow_id=name))
        else:
            self._link.call(partial(delete_namespace, name=name))

    def close(self) -> None:
        self._link.close()

    async def _sign(self, client: ServiceClient, guest: Guest) -> float:
        name = GUEST + guest.run
        namespace = self._shared or name
        if not self._shared:
            await registered_now(client, name)
        await _signal(client, namespace, name, guest.to_text())
        return (await _entry(client, namespace, name) or guest).seen

    async def _guests(self, client: ServiceClient) -> list[Guest]:
        import asyncio

        if self._shared:
            names = await workflow_ids(client, self._shared, GUEST)
        else:
            names = await namespaces(client, GUEST)
        looks = (_entry(client, self._shared or name, name) for name in names)
        return [guest for guest in await asyncio.gather(*looks) if guest is not None]

    def _denied(self, error: Exception) -> ServiceUnavailable:
        where = f"namespace {self._shared!r}" if self._shared else "a namespace of its own"
        grant = (
            "grant the kit StartWorkflowExecution, SignalWorkflowExecution, "
            "GetWorkflowExecutionHistory, ListWorkflowExecutions and TerminateWorkflowExecution "
            f"in the namespace {self._shared}"
        )
        return ServiceUnavailable(
            f"the Temporal server {self._name} does not let this run sign in, in {where}",
            cause=error,
            looked_at=f"Temporal server {self._link.address}",
            fix=grant if self._shared else GRANT,
        )


async def _signal(client: ServiceClient, namespace: str, name: str, text: str) -> None:
    """Signal the workflow, which starts it if it does not run."""
    from temporalio.api.common.v1 import Payload, Payloads, WorkflowType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import SignalWithStartWorkflowExecutionRequest

    payload = Payload(metadata={"encoding": b"json/plain"}, data=text.encode())
    request = SignalWithStartWorkflowExecutionRequest(
        namespace=namespace,
        workflow_id=name,
        workflow_type=WorkflowType(name="wflo-testkit-guest"),
        task_queue=TaskQueue(name=name),
        identity="wflo-testkit",
        signal_name="sign",
        signal_input=Payloads(payloads=[payload]),
    )
    await client.workflow_service.signal_with_start_workflow_execution(request, timeout=CALL)


async def _entry(client: ServiceClient, namespace: str, name: str) -> Guest | None:
    """Return what the last signal said, and when; None for a workflow that is gone."""
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
    from temporalio.service import RPCError, RPCStatusCode

    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=namespace,
        execution=WorkflowExecution(workflow_id=name),
        maximum_page_size=_LAST,
    )
    service = client.workflow_service
    try:
        answer = await service.get_workflow_execution_history_reverse(request, timeout=CALL)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    guests = (_guest(event) for event in answer.history.events)
    return next((guest for guest in guests if guest is not None), None)


def _guest(event: HistoryEvent) -> Guest | None:
    signed = event.workflow_execution_signaled_event_attributes.input.payloads
    guest = Guest.from_text(signed[0].data) if signed else None
    seen = event.event_time.ToMilliseconds() / 1000
    return dataclasses.replace(guest, seen=seen) if guest is not None else None
