"""Starts each server once and waits until it is ready."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wflo_testkit import readiness
from wflo_testkit.broker.external import External
from wflo_testkit.broker.first_start import FirstStart
from wflo_testkit.broker.started import Started, difference, keys, row
from wflo_testkit.broker.tasks import Tasks
from wflo_testkit.errors import (
    IsolationFailed,
    SettingError,
    TestkitError,
)
from wflo_testkit.isolation import HeldLease, Isolation, Prepares, Repeats
from wflo_testkit.model import Build, Json, Server, Spec
from wflo_testkit.runtime.containers import Containers
from wflo_testkit.runtime.printing import printed_here
from wflo_testkit.service import Service

if TYPE_CHECKING:
    from wflo_testkit.broker.reuse import Reuse
    from wflo_testkit.broker.warming import Warming


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
        self.tasks = Tasks()
        self._first_start = FirstStart(
            containers, self.tasks, self.begin, self.network, reuse=reuse, warming=warming
        )
        self._lock = threading.Lock()
        self._started: dict[str, Started] = {}

    def begin(self, spec: Spec) -> Started:
        """Start the server for `spec` in the background unless that has happened already."""
        with self._lock:
            if (started := self._started.get(spec.fingerprint)) is not None:
                return started
            self._refuse_another(spec)
            started = Started(spec, self._services[spec.service], spec)
            self._started[spec.fingerprint] = started
        threading.Thread(
            target=self._run_start, args=(started,), name=f"wflo-start-{spec.name}", daemon=True
        ).start()
        return started

    def get(self, spec: Spec, owner: str = "") -> Server | Build:
        """Return the ready server, or what `owner` has to do for it first: see Tasks.

        Raises what its start raised, the same for everybody.
        """
        return self.tasks.result(self.begin(spec).ready, set(keys(spec)), owner)

    def do(self, key: str, action: str, given: Mapping[str, Json]) -> Json:
        """Do something with the containers of the server `key`. Raises TestkitError."""
        from wflo_testkit.broker.control import Control

        started = self._started[key]
        return Control(started, self._home(started.running_server())).do(action, given)

    def _refuse_another(self, spec: Spec) -> None:
        """Raise SettingError where another container has that name; the lock is held."""
        for other in self._started.values():
            if spec.keeps_ports and (other.spec.name, other.spec.unique) == (
                spec.name,
                spec.unique,
            ):
                raise SettingError(
                    f"two different containers are called {spec.name!r}",
                    cause=difference(other.spec, spec),
                    fix="call one of them otherwise, or give both the same definition",
                )

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
        if started is None or (server := started.server) is None or server.is_external:
            return ""
        containers, running = self._home(server), started.running
        if len(running) < 2:
            return containers.logs(server.container_id, since)
        texts = ((each.number, containers.logs(each.id, since)) for each in running)
        return "".join(
            f"{number} | {line}"
            for number, text in texts
            for line in text.splitlines(keepends=True)
        )

    def ended(self, key: str) -> str:
        """Return how a container that was ready has ended, "" while it runs or where there is none.

        Nor is told of a job that has done its work. Raises nothing, as `logs`.
        """
        server = self._ready(key)
        if server is None or server.is_external:
            return ""
        started, containers = self._started[key], self._home(server)
        ends: dict[int, str] = {}
        try:
            for each in started.running:
                state = containers.state(each.id)
                if not (readiness.is_job(started.spec) and state.has_succeeded):
                    ends[each.number] = state.end
        except Exception:  # noqa: BLE001 - of docker-py, of a lost daemon: it is not known
            return ""
        if len(ends) == 1:
            return ends.popitem()[1]
        return ", ".join(f"replica {number} {end}" for number, end in ends.items() if end)

    def printed(
        self, key: str, command: tuple[str, ...], environment: Mapping[str, str], limit: int
    ) -> bytes:
        """Return what a command prints in the container of a server; here, if it is external.

        See `printing`. environment: variables for the latter.
        """
        server = self._started[key].ready.result()
        if server.is_external:
            return printed_here(command, environment, limit)
        return self._home(server).printed(server.container_id, command, limit)

    def network(self, key: str) -> str:
        """Return the network on which the server `key` is from now on; "" for an external one."""
        server = self._started[key].running_server()
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
                for each in started.running:
                    self._containers.remove(each.id)

    def summary(self) -> list[dict[str, Json]]:
        """Return a row per server, in the order in which they were asked for."""
        return [row(started) for started in list(self._started.values())]

    def close(self) -> None:
        """Close every isolation; the containers themselves go with the run's session, or stay."""
        self.tasks.close()
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
        found = started.reused == "found"
        self._reuse.end_use(started.ready.result(), found=found, kept=kept)

    def _ready(self, key: str) -> Server | None:
        """Return the server `key`; None for one that is not there, or never was ready."""
        started = self._started.get(key)
        if started is None or not started.ready.done() or started.ready.exception():
            return None
        return started.ready.result()

    def _home(self, server: Server) -> Containers:
        if server.is_shared and self._reuse is not None:
            return self._reuse.containers
        return self._containers

    def _run_start(self, started: Started) -> None:
        try:
            server = self._first_start.of(started)
        except BaseException as error:  # noqa: BLE001 - handed to everybody who asks
            started.ready.set_exception(error)
        else:
            started.ready.set_result(server)
            self._prepare(started)
