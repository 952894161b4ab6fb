"""Gives each test a namespace that no other test has had, or will have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import Json, Server
from wflo_testkit.reset import VERB
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.temporal import leftovers
from wflo_testkit.services.temporal.connection import TemporalConnection
from wflo_testkit.services.temporal.forgetting import LIMIT, forget
from wflo_testkit.services.temporal.pool import NamespacePool
from wflo_testkit.services.temporal.remedies import remedy
from wflo_testkit.services.temporal.spec import NOTED, launch_names
from wflo_testkit.services.temporal.sweep import TAGGED, abandoned, delete, end_all, sweep

# Seconds that deleting this run's namespaces may take at its end.
_CLOSE_EXTERNAL, _CLOSE_SHARED = 10.0, 0.5


class TemporalIsolation:
    """An Isolation for one Temporal server.

    Each lease has a namespace of its own. On an external server whose setting `temporal_namespace`
    names one, tests share it and are kept apart by the tag in task queues and workflow ids.
    """

    def __init__(self, server: Server, run: str) -> None:
        self._server = server
        self._run = run
        self._shared = str(server.options.get("namespace", ""))
        self._connection = TemporalConnection(f"{server.host}:{server.port}")
        external, shared = server.is_external, server.is_shared
        count = 0 if shared else int(server.options.get("namespaces", 0))
        self._pool = NamespacePool(
            self._connection,
            run,
            # On a shared server every name must tell whose it is.
            launched=launch_names(count),
            attributes=server.options.get("search_attributes", {}),
            # Nobody wants spare namespaces on a server that outlives the run.
            batch=1 if external else 4 if shared else 16,
            low=0 if external else 2 if shared else 8,
        )

    def prepare(self) -> None:
        """Begin to connect and to register the first namespaces."""
        if not self._shared:
            self._pool.begin()

    def lease(self, request: LeaseRequest) -> Mapping[str, Json]:
        """Return namespace, and the tag that names made for this lease begin with."""
        tag = f"{TAGGED.stem(self._run)}{request.id}" if self._shared else request.id
        return {"namespace": self._shared or self._pool.take(), "tag": tag}

    def built(self, token: str, error: str | None) -> None:
        """Nothing is ever built for a namespace."""

    def call(self, lease: HeldLease, verb: str, args: Mapping[str, Json]) -> Json:
        """`told`: notes that the test has learnt a name under which something may run.

        `reset`: empties the namespace; returns a sentence for each thing that was there to end.
        """
        if verb == VERB:
            return self._reset(lease)
        if verb != "told":
            raise IsolationFailed(
                f"a Temporal namespace cannot {verb!r}", cause=f"{lease.id}: {args}"
            )
        lease.notes["told"] = True
        return None

    def release(self, lease: HeldLease, *, keep: bool) -> list[str]:
        """End what still runs. With `keep` it is left as it is, for a person to look at."""
        if keep or "told" not in lease.notes:
            return []
        return self._ended(lease)

    def _reset(self, lease: HeldLease) -> list[str]:
        namespace = lease.data["namespace"]
        if self._shared:
            raise IsolationFailed(
                f"the namespace {namespace!r} cannot be reset",
                cause="tests share it, and nobody can tell whose a schedule is",
                looked_at="setting temporal_namespace",
                fix="unset it, so that each test has a namespace of its own",
            )
        if "told" not in lease.notes:
            return []
        left = self._ended(lease)
        external = self._server.is_external
        lag = leftovers.LAG_EXTERNAL if external else leftovers.LAG_OWN
        work = partial(forget, namespace=namespace, noted=0.0 if external else NOTED, lag=lag)
        try:
            self._connection.call(work, timeout=LIMIT + 5)
        except Exception as error:  # noqa: BLE001 - told in the kit's words
            raise IsolationFailed(
                f"the workflows of the namespace {namespace!r} could not be deleted",
                cause=error,
                looked_at=f"Temporal server {self._connection.address}",
                fix="see the server's log; on an external one the kit has to be allowed to list "
                "and delete workflows",
            ) from None
        return left

    def _ended(self, lease: HeldLease) -> list[str]:
        """End what runs, and the schedules; return a sentence for each."""
        namespace = lease.data["namespace"]
        clear = partial(
            leftovers.clear,
            namespace=namespace,
            prefix=lease.data["tag"] if self._shared else "",
            lag=leftovers.LAG_EXTERNAL if self._server.is_external else leftovers.LAG_OWN,
        )
        try:
            return self._connection.call(clear)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told in the kit's words
            raise IsolationFailed(
                f"what a test left running in the namespace {namespace!r} could not be ended",
                cause=error,
                looked_at=f"Temporal server {self._connection.address}",
                fix=remedy(
                    error, "let the kit list and terminate workflows, and list and delete schedules"
                ),
            ) from None

    def sweep(self, runs: Sequence[str]) -> Iterator[None]:
        """Delete the namespaces of `runs`, or end what they have running in a shared one."""
        return sweep(self._server, runs)

    def abandoned(self) -> set[str]:
        """Return the dated runs that have something there."""
        return abandoned(self._server)

    def close(self, kept: Sequence[HeldLease] = ()) -> None:
        """End the connection; on a server that outlives the run first delete its namespaces.

        Raises IsolationFailed when that takes too long on a shared server: another run's sweep
        goes on with it, as with what is kept there for people to look at.
        """
        left: list[str] = []
        if self._server.is_external:
            with contextlib.suppress(Exception):  # its owner may forbid it: the names say whose
                delete(self._connection, self._pool.registered, limit=_CLOSE_EXTERNAL)
                if self._shared:
                    self._connection.call(partial(end_all, namespace=self._shared, run=self._run))
        elif self._server.is_shared and self._pool.registered:
            with contextlib.suppress(Exception):
                stay = {lease.data["namespace"] for lease in kept}
                left = [name for name in self._pool.registered if name not in stay]
                left = delete(self._connection, left, limit=_CLOSE_SHARED)
        self._connection.close()
        if left:
            raise IsolationFailed(f"{len(left)} namespaces are left on {self._server.name}")
