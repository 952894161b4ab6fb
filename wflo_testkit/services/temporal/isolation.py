"""Gives each test a namespace that no other test has had, or will have."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from functools import partial

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Json, Server
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.temporal import leftovers
from wflo_testkit.services.temporal.link import Link
from wflo_testkit.services.temporal.spec import launch_names
from wflo_testkit.services.temporal.stock import Stock
from wflo_testkit.services.temporal.sweep import delete

# Seconds that deleting this run's namespaces may take at its end.
_CLOSE_EXTERNAL, _CLOSE_SHARED = 10.0, 0.5


class TemporalIsolation:
    """An Isolation for one Temporal server.

    Each lease has a namespace of its own. On an external server whose setting `temporal_namespace`
    names one, tests share it and are kept apart by the tag in task queues and workflow ids.
    """

    def __init__(self, server: Server, run: str) -> None:
        address = f"{server.host}:{server.port}"
        self._server = server
        self._run = run
        self._shared = str(server.options.get("namespace", ""))
        self._link = Link(address)
        external, shared = server.is_external, server.is_shared
        count = 0 if shared else int(server.options.get("namespaces", 0))
        self._stock = Stock(
            self._link,
            run,
            # On a shared server every name must tell whose it is.
            launched=launch_names(count),
            attributes=server.options.get("search_attributes", {}),
            # Nobody wants spare namespaces on a server that outlives the run.
            batch=1 if external else 4 if shared else 16,
            low=0 if external else 2 if shared else 8,
        )
        self._lock = threading.Lock()
        self._leased: dict[str, tuple[str, str]] = {}
        self._told: set[str] = set()
        self._kept: set[str] = set()

    def prepare(self) -> None:
        """Begin to connect and to register the first namespaces."""
        if not self._shared:
            self._stock.begin()

    def lease(self, request: LeaseRequest) -> Mapping[str, Json]:
        """Return namespace, and the tag that names made for this lease begin with."""
        tag = f"wflo-{self._run}-{request.id}" if self._shared else request.id
        namespace = self._shared or self._stock.take()
        with self._lock:
            self._leased[request.id] = (namespace, tag)
        return {"namespace": namespace, "tag": tag}

    def built(self, token: str, error: str | None) -> None:
        """Nothing is ever built for a namespace."""

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:
        """`told`: notes that the test has learnt a name under which something may run."""
        if verb != "told":
            raise IsolationFailed(
                f"a Temporal namespace cannot {verb!r}", cause=f"{lease_id}: {args}"
            )
        with self._lock:
            self._told.add(lease_id)
        return None

    def release(self, lease_id: str, *, keep: bool) -> list[str]:
        """End what still runs. With `keep` it is left as it is, for a person to look at."""
        with self._lock:
            namespace, tag = self._leased.pop(lease_id, ("", ""))
            is_told = lease_id in self._told
            self._told.discard(lease_id)
            if keep:
                self._kept.add(namespace)
        if keep or not is_told:
            return []
        clear = partial(
            leftovers.clear,
            namespace=namespace,
            prefix=tag if self._shared else "",
            lag=leftovers.LAG_EXTERNAL if self._server.is_external else leftovers.LAG_OWN,
        )
        try:
            return self._link.call(clear)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told in the kit's words
            raise IsolationFailed(
                f"what a test left running in the namespace {namespace!r} could not be ended",
                cause=error,
                looked_at=f"Temporal server {self._link.address}",
                fix="see the server's log; on an external one the kit has to be allowed to list "
                "and terminate workflows, and to list and delete schedules",
            ) from None

    def close(self) -> None:
        """End the connection; on a server that outlives the run first delete its namespaces.

        Raises IsolationFailed when that takes too long on a shared server: another run's sweep
        goes on with it, as with what is kept there for people to look at.
        """
        left: list[str] = []
        if self._server.is_external:
            with contextlib.suppress(Exception):  # its owner may forbid it: the names say whose
                delete(self._link, self._stock.registered, limit=_CLOSE_EXTERNAL)
        elif self._server.is_shared and self._stock.registered:
            with contextlib.suppress(Exception):
                left = [name for name in self._stock.registered if name not in self._kept]
                left = delete(self._link, left, limit=_CLOSE_SHARED)
        self._link.close()
        if left:
            raise IsolationFailed(f"{len(left)} namespaces are left on {self._server.name}")
