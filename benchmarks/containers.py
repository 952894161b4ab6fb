"""What a container costs, as Docker counts it, and how those with a label go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from wflo_testkit.runtime import daemon

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Usage:
    """cpu: seconds of all cores since the start. memory: bytes, without what the kernel may take
    back (as `docker stats` counts it; Docker manual, docker stats)."""

    cpu: float
    memory: int


def usage(client: Any, container_id: str) -> Usage:
    """Return what a running container has used. Raises docker's errors."""
    facts = client.api.stats(container_id, stream=False, one_shot=True)
    memory = facts["memory_stats"]
    details = memory.get("stats", {})
    spare = details.get("inactive_file", details.get("total_inactive_file", 0))
    return Usage(facts["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, memory["usage"] - spare)


def remove_labelled(client: Any, label: str) -> None:
    """Remove containers and networks with this label; one that goes by itself is fine."""
    from docker.errors import APIError

    mine = {"label": label}
    for container in client.containers.list(all=True, filters=mine, ignore_removed=True):
        with suppress(APIError):
            container.remove(v=True, force=True)
    for network in client.networks.list(filters=mine):
        with suppress(APIError):
            network.remove()


@contextmanager
def client() -> Iterator[Any]:
    """Yield docker-py's client of the daemon that the kit uses."""
    made = daemon.connect().client
    try:
        yield made
    finally:
        made.close()
