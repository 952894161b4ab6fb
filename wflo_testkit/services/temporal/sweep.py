"""Ends what runs have left: of this one at its end, of others later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from wflo_testkit.dated import Names
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Server
from wflo_testkit.services.temporal import leftovers
from wflo_testkit.services.temporal.connection import CALL, TemporalConnection
from wflo_testkit.services.temporal.pool import NAMESPACES
from wflo_testkit.wait import Deadline

if TYPE_CHECKING:
    from temporalio.service import ServiceClient

PAGE = 500
TAGGED = Names("[0-9a-z]+-.*", separator="-")
"""The workflow ids and task queues of runs, in a namespace that tests share."""


def abandoned(server: Server) -> set[str]:
    """Return the dated runs that have something there; nothing tells who is connected."""
    shared = str(server.options.get("namespace", ""))
    with closing(TemporalConnection(f"{server.host}:{server.port}")) as link:
        if not shared:
            return NAMESPACES.runs(link.call(namespaces))
        found = link.call(partial(leftovers.running, namespace=shared, prefix="wflo-"))
        return TAGGED.runs(name for info in found for name in leftovers.names_of(info))


def sweep(server: Server, runs: Sequence[str]) -> Iterator[None]:
    """Delete the namespaces of `runs`, one between two yields, and end what runs in a shared one.

    One by one: each keeps the server busy for 60 ms (measured), and others are using it.
    """
    shared = str(server.options.get("namespace", ""))
    with closing(TemporalConnection(f"{server.host}:{server.port}")) as link:
        for run in runs:
            if shared:
                link.call(partial(end_all, namespace=shared, run=run))
                yield
                continue
            for name in link.call(namespaces):
                if NAMESPACES.is_of(run, name):
                    link.call(partial(delete_namespace, name=name))
                    yield


def delete(link: TemporalConnection, names: Iterable[str], *, limit: float) -> list[str]:
    """Delete namespaces for at most `limit` seconds; return those that are left."""
    deadline = Deadline(limit)
    rest = list(names)
    while rest and not deadline.passed:
        link.call(partial(delete_namespace, name=rest[-1]), timeout=max(deadline.left, 0.1))
        rest.pop()
    return rest


async def delete_namespace(client: ServiceClient, name: str) -> None:
    """Delete a namespace; one that is gone already is fine, or goes just now.

    Of the latter the server says that the argument is invalid (measured, server 1.31.2).
    """
    from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
    from temporalio.service import RPCError, RPCStatusCode

    try:
        await client.operator_service.delete_namespace(
            DeleteNamespaceRequest(namespace=name), timeout=CALL
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND and "is not found" not in error.message:
            raise


async def namespaces(client: ServiceClient) -> list[str]:
    """Return the names of all namespaces."""
    from temporalio.api.workflowservice.v1 import ListNamespacesRequest

    names: list[str] = []
    token = b""
    while True:
        page = await client.workflow_service.list_namespaces(
            ListNamespacesRequest(page_size=PAGE, next_page_token=token), timeout=CALL
        )
        names += [each.namespace_info.name for each in page.namespaces]
        if not (token := page.next_page_token):
            return names


async def end_all(client: ServiceClient, namespace: str, run: str) -> None:
    """Terminate what `run` has running in a shared namespace.

    Raises IsolationFailed when more keeps coming.
    """
    prefix, is_ours = TAGGED.stem(run), partial(TAGGED.is_of, run)
    lag = leftovers.LAG_EXTERNAL
    await leftovers.clear(client, namespace, prefix=prefix, is_ours=is_ours, lag=lag)
    if await leftovers.running(client, namespace, prefix, is_ours):
        raise IsolationFailed(f"workflows {prefix}* still run in the namespace {namespace!r}")
