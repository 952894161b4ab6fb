"""What containers ask of the place where they go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from wflo_testkit.model import Spec

if TYPE_CHECKING:
    from docker.models.containers import Container
    from testcontainers.core.docker_client import DockerClient


class Place(Protocol):
    """Where containers go: the session of a run, or what is kept for reuse (reuse.place)."""

    policy: str

    @property
    def ending(self) -> bool: ...

    @property
    def client(self) -> DockerClient: ...

    @property
    def host(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def network(self) -> str: ...

    def join(self) -> str: ...

    def bindings(self, published: Mapping[str, int]) -> dict[str, Any]: ...

    def labels(self, kind: str, **more: str) -> dict[str, str]: ...

    def container_name(self, spec: Spec) -> str: ...

    def host_name(self, spec: Spec) -> str: ...

    def create(self, reference: str, *, alias: str, sockets: str, **config: Any) -> Container: ...

    def wait_for_reaper(self) -> None: ...
