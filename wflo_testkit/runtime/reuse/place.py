"""Where kept containers go: a network of their home's, no run's label, no guard."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wflo_testkit.model import Spec
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.runtime.engine import Engine
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.sockets import private

if TYPE_CHECKING:
    from docker.models.containers import Container


class KeptPlace:
    """Where the one server `key` goes; its container's name is the mutex.

    session: the connection to the daemon, of a DockerSession that keeps and guards nothing.
    created: told the id of a container as soon as there is one; also in `container`.
    """

    def __init__(
        self,
        home: UserFolder,
        key: str,
        session: DockerSession,
        engine: Engine,
        created: Callable[[str], object],
    ) -> None:
        self._home = home
        self._key = key
        self._session = session
        self._engine = engine
        self._created = created
        self.container = ""

    @property
    def network(self) -> str:
        """The name of the home's network, on which each kept server is from its beginning."""
        return self._home.network

    def join(self) -> str:
        """Return the name of the home's network, which whoever needs it first makes."""
        name = self._home.network
        # Docker's own check for duplicates is "best effort" (Engine API, NetworkCreate).
        with self._home.lock("network"):
            if not self._engine.has_network(name):
                self._session.client.client.networks.create(
                    name, check_duplicate=True, labels=self.labels("network")
                )
        return name

    def labels(self, kind: str, **more: str) -> dict[str, str]:
        if kind == "server":
            more[labels.REUSE] = self._key
        return labels.of_kept(kind, **{labels.HOME: self._home.label}, **more)

    def container_name(self, spec: Spec) -> str:
        return container_name(spec, self._key)

    def host_name(self, spec: Spec) -> str:
        """Return a host name that differs from those of other projects on the same network."""
        return f"{spec.name}-{self._key[:8]}"

    def volume(self, spec: Spec, what: str) -> str:
        """See DockerSession; what has volumes of its own is not kept."""
        return self._session.volume(spec, what)

    def create(
        self, reference: str, *, aliases: list[str], sockets: str, **config: Any
    ) -> Container:
        """Create a container on the home's network, without testcontainers' labels.

        Its session label would hand the container to the reaper of whoever uses testcontainers
        in this process. sockets: stays inside, for a folder of this machine might be gone when the
        container is started again.
        """
        network = self.join()
        endpoint = self._session.client.client.api.create_endpoint_config(aliases=aliases)
        made = self._session.client.client.containers.create(
            reference,
            network=network,
            networking_config={network: endpoint},
            mounts=private(sockets),
            **config,
        )
        self.container = str(made.id)
        self._created(self.container)
        return made

    def wait_for_reaper(self) -> None:
        """No reaper guards what is to stay."""


def container_name(spec: Spec, key: str) -> str:
    """Return the name of the kept container for `spec`; the same in every process."""
    return f"wflo-reused-{spec.name}-{key}"
