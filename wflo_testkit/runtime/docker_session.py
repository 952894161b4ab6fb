"""What all containers of one run share: the client, the network, the guard, the labels."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import DockerUnavailable, StartFailed, TestkitError
from wflo_testkit.model import Spec
from wflo_testkit.runtime import address, daemon, labels, leftovers
from wflo_testkit.runtime.engine import Engine
from wflo_testkit.runtime.guard import Guard
from wflo_testkit.runtime.placeholders import alias
from wflo_testkit.runtime.sockets import Sockets
from wflo_testkit.wait import WaitTimeout, wait_until

if TYPE_CHECKING:
    from docker.models.containers import Container
    from testcontainers.core.docker_client import DockerClient

REMOVAL_TIMEOUT = 60.0
"""Seconds to try at the end, while somebody waits for it."""


class DockerSession:
    """One run's view of the daemon. Nothing touches Docker before `client` is first asked for.

    run: the run's id. policy: which images serve ("auto", "official", "local").
    reaper: whether Ryuk is wanted. keep: leave everything running at the end, unguarded.
    sockets: whether servers may have their Unix sockets on this machine.
    find: returns the daemon's endpoint or raises SettingError; by default what is true now.
    """

    def __init__(
        self,
        run: str,
        *,
        policy: str = "auto",
        reaper: bool = True,
        keep: bool = False,
        sockets: bool = True,
        find: Callable[[], address.Endpoint] | None = None,
    ) -> None:
        self.run = run
        self.policy = policy
        self.find = find or address.once()
        self._wants_ryuk = reaper
        self._keep = keep
        self._lock = threading.RLock()
        self._guard: Guard | None = None
        self._sweep: leftovers.DeadRuns | None = None
        self._client: DockerClient | None = None
        self._unavailable: DockerUnavailable | None = None
        self.network = ""
        """The name of the network of the run's servers; "" until somebody has asked for it."""
        self._outside: dict[str, list[str]] = {}
        # What is kept outlives the folders of its run.
        self._sockets = Sockets(wanted=sockets and not keep, endpoint=self.find)
        self.ending = False
        """Whether `close` has begun: nothing is started any more."""
        self._is_removed = False
        self._under_way = 0

    @property
    def client(self) -> DockerClient:
        """testcontainers' client; the first access connects and arms the guard.

        Raises DockerUnavailable, SettingError, and StartFailed once the run is ending.
        """
        with self._lock:
            if self._client is None:
                self._refuse_at_the_end()
                if self._unavailable is not None:  # decided once: all who ask hear the same
                    raise self._unavailable
                try:
                    self._client = daemon.connect(self.endpoint) if self._keep else self._open()
                except DockerUnavailable as error:
                    self._unavailable = error.with_traceback(None)
                    raise
            return self._client

    @property
    def endpoint(self) -> address.Endpoint:
        """The daemon: the same to the end, whatever tests do to the environment.

        Raises SettingError.
        """
        return self.find()

    def _open(self) -> DockerClient:
        """Connect, and arm the guard: a local daemon begins with Ryuk while its library loads."""
        engine = Engine(self.endpoint)
        with contextlib.suppress(OSError):  # nobody is there: to connect says what is wrong
            if engine.endpoint.is_unix:
                engine.knock()
                self._begin_guard(engine)
        try:
            client = daemon.connect(self.endpoint)
        except BaseException:
            guard, self._guard = self._guard, None
            if guard is not None:
                guard.remove()
                guard.wait_until_removed()
            raise
        if self._guard is None:
            self._begin_guard(Engine(self.endpoint, api=client.client.api))
        self._sweep = leftovers.DeadRuns(client.client.api)
        self._sweep.begin()
        return client

    def _begin_guard(self, engine: Engine) -> None:
        self._guard = Guard(engine, self.run, policy=self.policy, ryuk=self._wants_ryuk)
        self._guard.begin()

    @property
    def host(self) -> str:
        """The address of published ports."""
        return self.endpoint.host

    def join(self) -> str:
        """Return the name of the run's network, on which all its servers are from now on.

        Made when first asked for: most runs never do, and it costs 0.13 s to make, 0.12 s more for
        a start on it than on Docker's own, and 0.2 s to remove (measured).
        """
        with self._lock:
            if not self.network:
                name = f"wflo-{self.run}"
                with self._making():
                    self.client.client.networks.create(name, labels=self.labels("network"))
                    outside, self._outside = self._outside, {}
                    for container, aliases in outside.items():
                        self._connect(name, container, aliases)
                self.network = name
            return self.network

    def _connect(self, network: str, container: str, aliases: list[str]) -> None:
        """Attach a container that is there; one that has gone meanwhile needs no network."""
        from docker.errors import NotFound

        with contextlib.suppress(NotFound):
            self.client.client.api.connect_container_to_network(container, network, aliases=aliases)

    def labels(self, kind: str, **more: str) -> dict[str, str]:
        """Return the labels of something this run makes; kept things have no run to die with."""
        if self._keep:
            return labels.of_kept(kind, **more)
        return labels.of_run(self.run, kind, **more)

    def container_name(self, spec: Spec) -> str:
        suffix = f"-{spec.unique}" if spec.unique else f"-{spec.fingerprint[:4]}"
        return f"wflo-{spec.name}-{self.run}{suffix}"

    def host_name(self, spec: Spec) -> str:
        """Return the container's host name on the run's network."""
        return alias(spec)

    def volume(self, spec: Spec, what: str) -> str:  # noqa: ARG002 - all of a run's share them
        """Return the name of the run's volume `what`, made here; a path stays what it is."""
        if what.startswith("/"):
            return what
        name = f"wflo-{self.run}-{what}"
        with self._making():
            self.client.client.volumes.create(name, labels=self.labels("volume"))
        return name

    def create(
        self, reference: str, *, aliases: list[str], sockets: str, **config: Any
    ) -> Container:
        """Create a container; testcontainers adds its own labels to those in `config`.

        Not to what is kept: its session's label would hand that to the reaper of whoever uses
        testcontainers in this process.
        aliases: what it is called on the run's network. sockets: see model.Spec.
        """
        with self._making():
            client = self.client
            create = client.client.containers.create if self._keep else client.create
            container = self._sockets.create_with(
                client.client.api,
                sockets,
                lambda mounts: create(reference, mounts=mounts, **config),
            )
            with self._lock:
                if self.network:
                    self._connect(self.network, str(container.id), aliases)
                else:
                    self._outside[str(container.id)] = aliases
            return container

    def wait_for_reaper(self) -> None:
        """Return once this run is guarded, and stopped leftovers of others are out of the way.

        Raises StartFailed once it is ending.
        """
        if self._guard is not None:
            self._guard.wait()
        if self._sweep is not None:
            self._sweep.wait()
        self._refuse_at_the_end()

    @property
    def notes(self) -> list[str]:
        """Return what a person should know about how this run is guarded."""
        return [self._guard.note] if self._guard is not None and self._guard.note else []

    def close(self, patience: float = REMOVAL_TIMEOUT) -> None:
        """Remove everything that the run made, and its guard; a second call tries again.

        Found by label, not from memory, and looked for again until nothing is being made, so
        that what a thread was just creating goes too. What cannot be removed within `patience`,
        in seconds, is left to a later run's sweep. Raises TestkitError then.
        """
        with self._lock:
            self.ending = True
            client = self._client
        if client is None or self._is_removed:
            return
        try:
            if self._sweep is not None:
                self._sweep.look_again()  # beside the removal
            self._remove(client, patience)
            self._sockets.close()
            if self._sweep is not None:
                self._sweep.finish()
            self._is_removed = True
        except WaitTimeout as error:
            raise TestkitError(
                f"the containers of run {self.run} could not be removed",
                cause=error.__cause__ or error,
                looked_at=str(self.endpoint),
                fix=f"when Docker answers again: `wflo-testkit clean --run {self.run}`",
            ) from None
        finally:
            client.client.close()

    def _remove(self, client: DockerClient, patience: float) -> None:
        if self._guard is None:
            return
        self._guard.remove()
        wait_until(
            lambda: self._is_gone(client),
            timeout=patience,
            poll=0.05,
            describe="removal of the run",
        )
        self._guard.wait_until_removed()

    def _is_gone(self, client: DockerClient) -> bool:
        idle = self._under_way == 0  # asked first: what is made later is refused
        looks = (leftovers.remove_run(client.client.api, self.run) for _ in range(2))
        return any(looks) and idle  # the second look, if there has to be one, comes at once

    @contextlib.contextmanager
    def _making(self) -> Iterator[None]:
        """Hold the run's end back while something is being made; refuse once it has begun."""
        with self._lock:
            self._refuse_at_the_end()
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def _refuse_at_the_end(self) -> None:
        if self.ending:
            raise StartFailed("nothing is started any more: the run is ending")
