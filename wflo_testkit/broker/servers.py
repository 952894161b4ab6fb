"""Starts each server once and waits until it is ready."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from wflo_testkit.broker.external import External
from wflo_testkit.broker.starting import Starter, connect
from wflo_testkit.errors import IsolationFailed, TestkitError, without_passwords
from wflo_testkit.isolation import Counts, HeldLease, Isolation, Prepares, Repeats
from wflo_testkit.model import Json, Server, Spec
from wflo_testkit.runtime.containers import Containers
from wflo_testkit.service import Service

if TYPE_CHECKING:
    from wflo_testkit.broker.reuse import Reuse
    from wflo_testkit.broker.warming import Warming


@dataclass(slots=True)
class Started:
    """One server of the run: its future, and its isolation from when it is ready until `closed`.

    kept: leases whose data stays for people to look at.
    reused: "found" or "started" for a server that outlives the run, else "", and `note` says why
        if one was wanted.
    """

    spec: Spec
    service: Service
    ready: Future[Server] = field(default_factory=Future)
    isolation: Isolation | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    leases: int = 0
    kept: list[HeldLease] = field(default_factory=list)
    closed: bool = False
    reused: str = ""
    note: str = ""


class Servers:
    """The servers of one run by key (the spec's fingerprint). Safe to use from several threads.

    reuse: where servers are found that outlive the run; None starts every server anew.
    external: the run on external servers.
    """

    def __init__(
        self,
        services: Mapping[str, Service],
        containers: Containers,
        run: str,
        reuse: Reuse | None = None,
        warming: Warming | None = None,
        *,
        external: External,
    ) -> None:
        self._services = services
        self._containers = containers
        self._reuse = reuse
        self._warming = warming
        self._run = run
        self._external = external
        self._lock = threading.Lock()
        self._started: dict[str, Started] = {}

    def begin(self, spec: Spec) -> Started:
        """Start the server for `spec` in the background unless that has happened already."""
        with self._lock:
            if (started := self._started.get(spec.fingerprint)) is not None:
                return started
            started = Started(spec, self._services[spec.service])
            self._started[spec.fingerprint] = started
        threading.Thread(
            target=self._run_start, args=(started,), name=f"wflo-start-{spec.name}", daemon=True
        ).start()
        return started

    def get(self, spec: Spec) -> Server:
        """Return the ready server; raises what its start raised, the same for everybody."""
        return self.begin(spec).ready.result()

    def isolation(self, key: str) -> Isolation:
        """Return the one isolation of the server `key`, made once the server is ready.

        Raises IsolationFailed where there is none to be had.
        """
        started = self._started[key]
        started.ready.result()
        with started.lock:
            if (isolation := started.isolation or self._isolate(started)) is None:
                raise IsolationFailed(f"{started.spec.name} is used as a whole: it has no parts")
            return isolation

    def _isolate(self, started: Started) -> Isolation | None:
        """Make the isolation of a ready server, if its service has one; its lock is held."""
        if started.closed:
            raise IsolationFailed(f"{started.spec.name} is given out no more: the run is ending")
        if started.service.isolation is None:
            return None
        server = started.ready.result()
        run = self._external.name() if server.is_external else self._run
        isolation = started.service.isolation(server, run)
        started.isolation = isolation
        if server.is_external:
            self._external.sweep_behind(isolation, run)
        elif server.is_shared and self._reuse is not None:
            self._reuse.clear_after_dead_runs(server, isolation)
        return isolation

    def _prepare(self, started: Started) -> None:
        """Do ahead what the first lease would have to; whoever asks meets the same error.

        Not on an external server: a run that takes only its address leaves no trace there.
        """
        if started.ready.result().is_external:
            return
        with contextlib.suppress(Exception), started.lock:
            isolation = started.isolation or self._isolate(started)
            if isinstance(isolation, Prepares):
                isolation.prepare()

    def count(self, key: str) -> None:
        """Count one lease of the server `key`, for the summary."""
        started = self._started[key]
        with started.lock:
            started.leases += 1

    def note_kept(self, key: str, lease: HeldLease) -> None:
        """Note a lease of the server `key` that is given back with its data left in place."""
        started = self._started[key]
        with started.lock:
            started.kept.append(lease)

    def logs(self, key: str, since: float | None) -> str:
        """Return a container's output; empty for an external server or one that never ran."""
        started = self._started.get(key)
        if started is None or not started.ready.done() or started.ready.exception():
            return ""
        server = started.ready.result()
        return "" if server.is_external else self._home(server).logs(server.container_id, since)

    def network(self, key: str) -> str:
        """Return the network on which the server `key` is from now on; "" for an external one."""
        server = self._started[key].ready.result()
        return "" if server.is_external else self._home(server).join()

    def discard(self, key: str) -> None:
        """Close and remove one server."""
        with self._lock:
            started = self._started.pop(key, None)
        if started is not None:
            try:
                self._close(started)
            finally:
                self._remove(started)

    def _remove(self, started: Started) -> None:
        if started.ready.exception() is None:
            server = started.ready.result()
            if not server.is_external and not server.is_shared:
                self._containers.remove(server.container_id)

    def summary(self) -> list[dict[str, Json]]:
        """Return a row per server, in the order in which they were asked for."""
        return [_row(started) for started in list(self._started.values())]

    def close(self) -> None:
        """Close every isolation; the containers themselves go with the run's session, or stay."""
        with self._lock:
            everything = list(self._started.values())
        try:
            with contextlib.ExitStack() as stack:  # an error of one does not save the others
                for started in everything:
                    stack.callback(self._close, started)
        finally:
            self._external.close()
            if self._reuse is not None:
                self._reuse.close()

    def _close(self, started: Started) -> None:
        with started.lock:
            isolation, started.isolation = started.isolation, None
            started.closed = True
        leaves_something = bool(started.kept)
        try:
            if isolation is not None:
                self._store_content(started, isolation)
                isolation.close(started.kept)
        except TestkitError:
            leaves_something = True  # on a shared server another run clears what is left
        except Exception as error:
            leaves_something = True
            what = f"what the run made on {started.spec.name} could not be removed"
            raise IsolationFailed(what, cause=error) from error
        finally:
            self._leave(started, kept=leaves_something)

    def _store_content(self, started: Started, isolation: Isolation) -> None:
        """Let the next run's server have inside what the tests of this one began from.

        Whatever goes wrong costs the next run a moment, and must not fail this one.
        """
        warming = self._warming
        if warming is None or not warming.may_make or not isinstance(isolation, Repeats):
            return
        server = started.ready.result()
        with contextlib.suppress(Exception):
            if (content := isolation.content()) is not None:
                home = self._home(server)
                warming.store(started.service, started.spec, home, server.container_id, content)

    def _leave(self, started: Started, *, kept: bool) -> None:
        if self._reuse is None or not started.ready.done() or started.ready.exception():
            return
        self._reuse.end_use(started.ready.result(), kept=kept)

    def _home(self, server: Server) -> Containers:
        if server.is_shared and self._reuse is not None:
            return self._reuse.containers
        return self._containers

    def _run_start(self, started: Started) -> None:
        try:
            server = self._start(started)
        except BaseException as error:  # noqa: BLE001 - handed to everybody who asks
            started.ready.set_exception(error)
        else:
            join = partial(self.network, started.spec.fingerprint)
            started.ready.set_result(dataclasses.replace(server, join_network=join))
            self._prepare(started)

    def _start(self, started: Started) -> Server:
        spec, service = started.spec, started.service
        if spec.external:
            return connect(spec, service)
        if self._reuse is not None and not spec.unique:
            from wflo_testkit.broker.reuse import CannotReuse

            try:
                server, found = self._reuse.get(spec, service)
                started.reused = "found" if found else "started"
                return server
            except CannotReuse as reason:
                started.note = f"not reused: {reason}"
        return Starter(self._containers, self._warming).start(spec, service)


def _said(error: BaseException) -> str:
    return error.what if isinstance(error, TestkitError) else without_passwords(str(error))


def _figures(isolation: Isolation | None) -> dict[str, int]:
    with contextlib.suppress(Exception):  # another package's own code must not cost the summary
        if isinstance(isolation, Counts):
            return dict(isolation.figures())
    return {}


def _row(started: Started) -> dict[str, Json]:
    row: dict[str, Json] = {
        "name": started.spec.name,
        "service": started.spec.service,
        "image": started.spec.image,
        "origin": "external" if started.spec.external else "",
        "seconds": None,
        "error": None,
        "leases": started.leases if started.service.leases else None,
        "figures": _figures(started.isolation),
        "reused": started.reused,
        "note": started.note,
    }
    if not started.ready.done():
        return row | {"error": "still starting"}
    if error := started.ready.exception():
        return row | {"error": _said(error)}
    server = started.ready.result()
    if server.is_external:
        return row | {"image": f"{server.host}:{server.port}"}
    return row | {"image": server.image, "origin": server.origin, "seconds": server.seconds}
