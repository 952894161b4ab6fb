"""Ends what runs have left: of this one at its end, of dead ones later."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Server
from wflo_testkit.services.temporal import leftovers
from wflo_testkit.services.temporal.link import CALL, Link
from wflo_testkit.services.temporal.stock import stem
from wflo_testkit.wait import Deadline

if TYPE_CHECKING:
    from temporalio.service import ServiceClient

PAGE = 500
_PLAIN = re.compile("[a-z0-9]+")
"""What follows in a name of ours; a namespace on its way out gets more than that."""


def sweep(server: Server, runs: Sequence[str]) -> Iterator[None]:
    """Delete the namespaces of `runs`, one between two yields, and end what runs in a shared one.

    One by one: each keeps the server busy for 60 ms (measured), and others are using it.
    """
    link = Link(f"{server.host}:{server.port}")
    shared = str(server.options.get("namespace", ""))
    try:
        for run in runs:
            if shared:
                link.call(partial(_end_all, namespace=shared, prefix=stem(run)))
                yield
                continue
            for name in link.call(partial(namespaces, prefix=stem(run))):
                link.call(partial(delete_namespace, name=name))
                yield
    finally:
        link.close()


def delete(link: Link, names: Iterable[str], *, limit: float) -> list[str]:
    """Delete namespaces for at most `limit` seconds; return those that are left."""
    deadline = Deadline(limit)
    rest = list(names)
    while rest and not deadline.passed:
        link.call(partial(delete_namespace, name=rest[-1]), timeout=max(deadline.left, 0.1))
        rest.pop()
    return rest


async def delete_namespace(client: ServiceClient, name: str) -> None:
    """Delete a namespace; one that is gone already is fine."""
    from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
    from temporalio.service import RPCError, RPCStatusCode

    try:
        await client.operator_service.delete_namespace(
            DeleteNamespaceRequest(namespace=name), timeout=CALL
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def namespaces(client: ServiceClient, prefix: str) -> list[str]:
    """Return the namespaces that are called `prefix` and one word of letters and digits."""
    from temporalio.api.workflowservice.v1 import ListNamespacesRequest

    names: list[str] = []
    token = b""
    while True:
        page = await client.workflow_service.list_namespaces(
            ListNamespacesRequest(page_size=PAGE, next_page_token=token), timeout=CALL
        )
        names += [each.namespace_info.name for each in page.namespaces]
        if not (token := page.next_page_token):
            break
    ours = (name for name in names if name.startswith(prefix))
    return [name for name in ours if _PLAIN.fullmatch(name.removeprefix(prefix))]


async def workflow_ids(client: ServiceClient, namespace: str, prefix: str) -> list[str]:
    """Return the ids, beginning with `prefix`, of workflows that run in `namespace`."""
    return [
        each.execution.workflow_id
        for each in await leftovers.running(client, namespace, prefix)
        if each.execution.workflow_id.startswith(prefix)
    ]


async def _end_all(client: ServiceClient, namespace: str, prefix: str) -> None:
    """Terminate what runs under `prefix`. Raises IsolationFailed when more keeps coming."""
    await leftovers.clear(client, namespace, prefix=prefix, lag=leftovers.LAG_EXTERNAL)
    if await leftovers.running(client, namespace, prefix):
        raise IsolationFailed(f"workflows {prefix}* still run in the namespace {namespace!r}")
