"""What the Docker daemon holds, by id: to show that nothing is left behind."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class DockerState:
    """Ids of containers (stopped ones too), networks and volumes."""

    containers: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]

    def __sub__(self, other: DockerState) -> list[str]:
        """Return what is here and was not in `other`."""
        return sorted(set(self) - set(other))

    def __iter__(self) -> Iterator[str]:
        yield from (*self.containers, *self.networks, *self.volumes)


def docker_state(label: str = "") -> DockerState:
    """Look at the daemon; only at what carries `label`, if given."""
    chosen = ["--filter", f"label={label}"] if label else []
    return DockerState(
        containers=_ids("ps", "-aq", "--no-trunc", *chosen),
        networks=_ids("network", "ls", "-q", "--no-trunc", *chosen),
        volumes=_ids("volume", "ls", "-q", *chosen),
    )


def _ids(*words: str) -> frozenset[str]:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return frozenset(done.stdout.split())
