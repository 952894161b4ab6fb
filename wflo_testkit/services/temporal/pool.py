"""Namespaces that nobody has used yet, kept ready."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from wflo_testkit.dated import Names
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.temporal.connection import CALL, TemporalConnection, done_unless
from wflo_testkit.services.temporal.remedies import remedy
from wflo_testkit.wait import Deadline

if TYPE_CHECKING:
    from temporalio.service import ServiceClient

CLAIM = "wflo-claim"
GRANT = (
    "grant the kit RegisterNamespace, DeleteNamespace and ListNamespaces, or name a namespace for "
    "all tests in the setting temporal_namespace"
)
TAKE_TIMEOUT = 20.0
DAY = 24 * 60 * 60
NAMESPACES = Names("[0-9]+", separator="-")
"""The namespaces that runs register; one on its way out is called otherwise."""


class NamespacePool:
    """Hands out each namespace once. Safe to use from several threads.

    launched: names that the server made at launch. Should another run have used them already,
        nobody must again: the run that registers CLAIM has them.
    attributes: search attributes (name -> type) of namespaces that are registered here.
    batch: how many are registered at once, in the background, when at most `low` are left.
    """

    def __init__(
        self,
        link: TemporalConnection,
        run: str,
        *,
        launched: list[str],
        attributes: Mapping[str, str],
        batch: int,
        low: int,
    ) -> None:
        self._connection = link
        self._run = run
        self._launched = launched
        self._attributes = attributes
        self._batch = batch
        self._low = low
        self._numbers = count()
        self._changed = threading.Condition()
        self._ready: deque[str] = deque()
        self._filling: Future[None] | None = None
        self.registered: list[str] = []

    def begin(self) -> None:
        """Begin to fill it, in the background."""
        with self._changed:
            self._refill()

    def take(self) -> str:
        """Return a fresh namespace's name, waiting for its registration if none is left.

        Raises IsolationFailed.
        """
        deadline = Deadline(TAKE_TIMEOUT)
        with self._changed:
            while True:
                filling = self._refill()
                if self._ready:
                    return self._ready.popleft()
                self._changed.wait_for(partial(self._is_news, filling), deadline.left)
                if not self._ready and (deadline.passed or _error(filling)):
                    raise IsolationFailed(
                        "no namespace could be registered",
                        cause=_error(filling) or f"no answer after {TAKE_TIMEOUT:g} s",
                        looked_at=f"Temporal server {self._connection.address}",
                        fix=remedy(_error(filling), GRANT),
                    )

    def _refill(self) -> Future[None] | None:
        """Begin to fill if it is time to; return the filling under way, or the last one."""
        if len(self._ready) <= self._low and (self._filling is None or self._filling.done()):
            self._filling = self._connection.start(self._fill)
            self._filling.add_done_callback(self._tell)
        return self._filling

    def _is_news(self, filling: Future[None] | None) -> bool:
        return bool(self._ready) or filling is None or filling.done()

    def _tell(self, _future: Future[None]) -> None:
        with self._changed:
            self._changed.notify_all()

    async def _fill(self, client: ServiceClient) -> None:
        """Claim what the server made at launch; without that register a batch."""
        import asyncio

        launched, self._launched = self._launched, []
        if launched and await registered_now(client, CLAIM):
            self._add(*launched)
            return
        stem = NAMESPACES.stem(self._run)
        names = [f"{stem}{next(self._numbers)}" for _ in range(self._batch)]
        await asyncio.gather(*(self._make(client, name) for name in names))

    async def _make(self, client: ServiceClient, name: str) -> None:
        from temporalio.api.enums.v1 import IndexedValueType
        from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest

        await registered_now(client, name)
        self.registered.append(name)
        if self._attributes:
            kinds = {key: _index(kind) for key, kind in self._attributes.items()}
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=name,
                    search_attributes={k: IndexedValueType.Value(v) for k, v in kinds.items()},
                ),
                timeout=CALL,
            )
        self._add(name)

    def _add(self, *names: str) -> None:
        with self._changed:
            self._ready.extend(names)
            self._changed.notify_all()


async def registered_now(client: ServiceClient, name: str) -> bool:
    """Register a namespace; False when it was there already."""
    from google.protobuf.duration_pb2 import Duration
    from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest

    request = RegisterNamespaceRequest(
        namespace=name,
        description="made by wflo-testkit for one test",
        workflow_execution_retention_period=Duration(seconds=DAY),
    )
    call = client.workflow_service.register_namespace(request, timeout=CALL)
    return await done_unless("ALREADY_EXISTS", call)


def _index(kind: str) -> str:
    """Return the API's name of a search attribute's type: KeywordList -> ..._KEYWORD_LIST."""
    return "INDEXED_VALUE_TYPE_" + ("KEYWORD_LIST" if kind == "KeywordList" else kind.upper())


def _error(filling: Future[None] | None) -> BaseException | None:
    if filling is None or not filling.done():
        return None
    return CancelledError() if filling.cancelled() else filling.exception()
