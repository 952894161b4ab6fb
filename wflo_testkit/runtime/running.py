"""A container that has been started: where it is, and what Docker says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wflo_testkit.model import Server

STOPPED = (137, 143)
"""Exit codes of a process that SIGKILL or SIGTERM has ended."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started container: where it is reached from here and from the kit's network.

    network: "" for one that is not on it yet. sockets: see model.Server. number: of the replica.
    """

    id: str
    host: str
    ports: Mapping[str, int]
    sockets: str
    internal_host: str
    network: str
    image: str
    origin: str
    number: int = 1

    @classmethod
    def of(cls, server: Server) -> Running:
        """Return the container of a server that runs."""
        return cls(
            id=server.container_id,
            host=server.host,
            ports=server.ports,
            sockets=server.sockets,
            internal_host=server.internal_host,
            network=server.on_network,
            image=server.image,
            origin=server.origin,
        )


@dataclass(frozen=True, slots=True)
class State:
    """What Docker says about a container: status, exit code, and whether memory ran out."""

    status: str
    exit_code: int = 0
    out_of_memory: bool = False

    @property
    def alive(self) -> bool:
        """Whether it runs or is about to."""
        return self.status in ("created", "running", "restarting")

    @property
    def has_succeeded(self) -> bool:
        """Whether its process has ended with code 0."""
        return self.status == "exited" and self.exit_code == 0

    @property
    def ended_by_itself(self) -> bool:
        """Whether its process has come to an end that nobody brought about from outside."""
        is_killed = self.out_of_memory or self.exit_code in STOPPED
        return self.status in ("exited", "dead") and not is_killed

    @property
    def end(self) -> str:
        """How it has ended, "" for one that has not."""
        if self.alive or self.status == "paused":
            return ""
        if self.status == "gone":
            return "its container is gone"
        memory = " (out of memory)" if self.out_of_memory else ""
        return f"{self.status} with code {self.exit_code}{memory}"

    def __str__(self) -> str:
        if self.alive or self.status == "paused":
            return self.status
        if self.out_of_memory:
            return "killed because it ran out of memory"
        return f"{self.status} with code {self.exit_code}"
