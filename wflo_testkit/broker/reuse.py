"""Attaches to a kept server, or starts one that is kept; says so when neither can be done."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from wflo_testkit import readiness
from wflo_testkit.broker.starting import Starter, answers
from wflo_testkit.isolation import Isolation, Sweeps
from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime.containers import Containers, NameTaken
from wflo_testkit.runtime.labels import owner_is_dead
from wflo_testkit.runtime.reuse.check import Finding, is_made_for, owner_of
from wflo_testkit.runtime.reuse.expiry import remove_idle
from wflo_testkit.runtime.reuse.kept_servers import KeptServers
from wflo_testkit.runtime.reuse.place import container_name
from wflo_testkit.runtime.reuse.records import Record
from wflo_testkit.runtime.running import Running
from wflo_testkit.runtime.watched import Watched
from wflo_testkit.service import Service
from wflo_testkit.wait import Deadline, WaitTimeout, clock, wait_until

if TYPE_CHECKING:
    from wflo_testkit.broker.warming import Warming

POLL = 0.05
OTHER_START_TIMEOUT = 30.0
"""Seconds, beyond a start's own time-out, to wait for another process that is starting the same."""
IDLE_TIMEOUT = 0.6
"""Seconds in which a server that nobody uses has to answer; else it is replaced."""
BUSY_TIMEOUT = 10.0
"""The same for one that another run uses: it may only be slow."""


class CannotReuse(Exception):
    """This run has to start a server of its own; the text says why."""


class Reuse:
    """One run's way to the kept servers. Safe to use from several threads.

    warming: see Starter. ends_started: whether those that this run has started go with it, but for
    those that another run uses then.
    """

    def __init__(
        self,
        kept_servers: KeptServers,
        warming: Warming | None = None,
        *,
        ends_started: bool = False,
    ) -> None:
        self._kept_servers = kept_servers
        self._warming = warming
        self._ends_started = ends_started
        self._lock = threading.Lock()
        self._keys: dict[str, str] = {}  # a container -> what it is kept under
        self._half_made: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self.containers = Containers(kept_servers.session)

    def get(self, spec: Spec, service: Service) -> tuple[Server, bool]:
        """Return the ready kept server for `spec`, and whether it was found, not started.

        Raises CannotReuse, or what Starter.start raises.
        """
        kept_servers, key = self._kept_servers, self._kept_servers.key(spec)
        try:
            kept_servers.home.prepare()
            # Before the first look, so that nobody removes what is about to be found.
            kept_servers.uses.mark(key, kept_servers.run)
            server, found = self._attach_or_start(spec, service, key)
        except BaseException as error:
            kept_servers.uses.end(key, kept_servers.run, kept=False)
            if isinstance(error, OSError):
                raise CannotReuse(f"{type(error).__name__}: {error}") from None
            raise
        with self._lock:
            self._keys[server.container_id] = key
        self._behind(lambda: remove_idle(kept_servers, [(spec.name, key)]))
        return server, found

    def clear_after_dead_runs(self, server: Server, isolation: Isolation) -> None:
        """Drop, in the background, what runs that are proven over have left on `server`."""
        key = self._keys[server.container_id]
        runs: list[str] = []
        with contextlib.suppress(OSError):  # then the next run clears
            runs = self._kept_servers.uses.over(key)
        if not runs or not isinstance(isolation, Sweeps):
            return
        work = isolation.sweep

        def clear() -> None:
            for _step in work(runs):
                if self._closing:
                    return
            for run in runs:
                self._kept_servers.uses.drop(key, run)

        self._behind(clear)

    def end_use(self, server: Server, *, found: bool, kept: bool) -> None:
        """End this run's use of `server`.

        found: as `get` has said. kept: it has left data there for people to look at.
        """
        with self._lock:
            key = self._keys.pop(server.container_id, "")
        if key:
            self._kept_servers.end_use(key, kept=kept)
            if self._ends_started and not found:
                self._retire(key, server.container_id)

    def close(self) -> None:
        """Finish what runs in the background; remove what was being started."""
        self._closing = True
        for container in list(self._half_made):
            with contextlib.suppress(OSError):
                self._kept_servers.engine.remove(container)
        patience = Deadline(10)
        for thread in self._threads:
            thread.join(patience.left)
        self._kept_servers.session.close()

    def _attach_or_start(self, spec: Spec, service: Service, key: str) -> tuple[Server, bool]:
        deadline = Deadline(spec.startup_timeout + OTHER_START_TIMEOUT)
        while not deadline.passed:
            if (server := self._attach(spec, service, key)) is not None:
                return server, True
            try:
                return self._start(spec, service, key), False
            except NameTaken:
                self._await_rival(spec, key, deadline)
        raise CannotReuse("it came and went again and again")

    def _attach(self, spec: Spec, service: Service, key: str) -> Server | None:
        """Return the server that is written down if it is sound; remove it if it is not."""
        began = clock.monotonic()
        record = self._kept_servers.find(key)
        if record is None:
            return None
        finding, server = self._kept_servers.examine(record), None
        try:
            server = service.server.from_json(record.server)
        except ValueError as error:
            reason = f"its record is of another version ({error})"
            finding = dataclasses.replace(finding, reason=finding.reason or reason)
        if server and not finding.reason and self._answers(spec, service, server, record):
            self._kept_servers.attached(record)
            return dataclasses.replace(server, seconds=clock.monotonic() - began)
        if finding.is_ours:
            self._replace(record, finding)
        return None

    def _answers(self, spec: Spec, service: Service, server: Server, record: Record) -> bool:
        patience = BUSY_TIMEOUT if self._users(record) else IDLE_TIMEOUT
        with contextlib.suppress(WaitTimeout):
            return wait_until(
                lambda: answers(service, server) and self._is_ready(spec, server),
                timeout=patience,
                poll=POLL,
            )
        return False

    def _is_ready(self, spec: Spec, server: Server) -> bool:
        """Say whether a container is ready still; a line that it has logged stays."""
        running = Running.of(server)
        conditions = (each for each in spec.ready if "log" not in each)
        return all(readiness.check(each, Watched(self.containers, running)) for each in conditions)

    def _replace(self, record: Record, finding: Finding) -> None:
        """Remove a sick server, but never one that is up and that another run is using."""
        if not self._kept_servers.retire(record, sick=True, force=not finding.is_up):
            users = ", ".join(self._users(record)) or "another"
            reason = finding.reason or "it does not answer"
            raise CannotReuse(f"{reason}, and run {users} uses it")

    def _retire(self, key: str, container: str) -> None:
        """Remove a container unless another run uses it; what resists goes when it is idle."""
        with contextlib.suppress(OSError):
            record = self._kept_servers.find(key)
            if record is not None and record.container_id == container:
                self._kept_servers.retire(record)

    def _users(self, record: Record) -> list[str]:
        kept_servers = self._kept_servers
        return kept_servers.uses.living(
            record.key, but=kept_servers.run, container=record.container_id
        )

    def _start(self, spec: Spec, service: Service, key: str) -> Server:
        """Start the container, whose name keeps others from doing the same, and write it down."""
        place = self._kept_servers.place(key, created=self._half_made.add)
        try:
            containers = Containers(self._kept_servers.session, place)
            server = Starter(containers, self._warming).start(spec, service)
            server = dataclasses.replace(server, is_shared=True)
            self._kept_servers.write_down(key, server)
        except BaseException:
            if place.container:
                with contextlib.suppress(OSError):
                    self._kept_servers.engine.remove(place.container)
            raise
        finally:
            self._half_made.discard(place.container)
        return server

    def _await_rival(self, spec: Spec, key: str, deadline: Deadline) -> None:
        """Wait until whoever has the container's name is done with its start, or dead.

        Raises CannotReuse at the deadline, and for a name that is taken for something else.
        """
        kept_servers = self._kept_servers
        owner = ""

        def is_over() -> bool:
            """Tell whether the rival's start has ended, well or not. Raises CannotReuse."""
            nonlocal owner
            rival = kept_servers.engine.container(container_name(spec, key))
            if rival is None:
                return True
            container, owner = str(rival["Id"]), owner_of(rival)
            if not is_made_for(key, rival):
                raise CannotReuse(f"a foreign container {container[:12]} has its name")
            # After the look: a record is the last thing its owner makes.
            record = kept_servers.find(key)
            if record is not None and record.container_id == container:
                return True
            if not owner_is_dead(owner):
                return False
            if users := kept_servers.uses.living(key, but=kept_servers.run, container=container):
                raise CannotReuse(f"its record is of no use, and run {', '.join(users)} uses it")
            kept_servers.engine.remove(container)
            return True

        try:
            wait_until(is_over, timeout=deadline.left, poll=POLL, catch=())
        except WaitTimeout:
            raise CannotReuse(f"the process {owner!r} has not finished starting it") from None

    def _behind(self, work: Callable[[], object]) -> None:
        """Do `work` in the background; nobody waits for it, and the next run tries again."""

        def quietly() -> None:
            with contextlib.suppress(Exception):
                work()

        thread = threading.Thread(target=quietly, name="wflo-reuse", daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()
