"""Deletes the namespaces of runs: of this one at its end, of dead ones later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from wflo_testkit.model import Server
from wflo_testkit.services.temporal.link import CALL, Link
from wflo_testkit.services.temporal.stock import stem
from wflo_testkit.wait import Deadline

if TYPE_CHECKING:
    from temporalio.service import ServiceClient

PAGE = 500


def sweep(server: Server, runs: Sequence[str]) -> Iterator[None]:
    """Delete the namespaces of `runs`, one between two yields.

    One by one: each keeps the server busy for 60 ms (measured), and others are using it.
    """
    link = Link(f"{server.host}:{server.port}")
    stems = tuple(stem(run) for run in runs)
    try:
        for name in link.call(_names):
            if name.startswith(stems):
                link.call(partial(_delete, name=name))
                yield
    finally:
        link.close()


def delete(link: Link, names: Iterable[str], *, limit: float) -> list[str]:
    """Delete namespaces for at most `limit` seconds; return those that are left."""
    deadline = Deadline(limit)
    rest = list(names)
    while rest and not deadline.passed:
        link.call(partial(_delete, name=rest[-1]), timeout=max(deadline.left, 0.1))
        rest.pop()
    return rest


async def _delete(client: ServiceClient, name: str) -> None:
    from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
    from temporalio.service import RPCError, RPCStatusCode

    try:
        await client.operator_service.delete_namespace(
            DeleteNamespaceRequest(namespace=name), timeout=CALL
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def _names(client: ServiceClient) -> list[str]:
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
