"""`temporal_client` and `temporal_worker`, for the event loop of whichever test uses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wflo_testkit.aio import run_apart
from wflo_testkit.errors import ServiceUnavailable
from wflo_testkit.service import TestContext
from wflo_testkit.services.temporal.handle import TemporalNamespace
from wflo_testkit.services.temporal.workers import Workers

if TYPE_CHECKING:
    from temporalio.client import Client

CONNECT_TIMEOUT = 10.0


def client(handle: TemporalNamespace, _test: TestContext) -> Iterator[Client]:
    """Yield a connected client of the test's namespace. There is nothing to close on one."""
    yield connected(handle)


def worker(handle: TemporalNamespace, test: TestContext) -> Iterator[Workers]:
    """Yield the factory of workers; what still runs at the end is shut down and warned about."""
    workers = Workers(handle, connected(handle), test.nodeid)
    try:
        yield workers
    finally:
        for leftover in workers.finish():
            test.warn(leftover)


def connected(handle: TemporalNamespace) -> Client:
    """Connect from sync code: a connected client works in every event loop.

    Its calls go through the SDK's own threads (temporalio.service: a connected client can be
    reused from any loop). `lazy=True` would do without this, but workers refuse such a client.
    Raises ServiceUnavailable.
    """
    try:
        return run_apart(handle.connect, timeout=CONNECT_TIMEOUT)
    except (RuntimeError, TimeoutError) as error:
        raise ServiceUnavailable(
            f"the Temporal server at {handle.address} does not answer",
            cause=error,
            looked_at=f"{handle.address}, namespace {handle.namespace}",
        ) from None
