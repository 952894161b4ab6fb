"""What the Docker daemon holds, by id: to show that nothing is left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import docker
from docker import APIClient


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
    filters = {"label": label} if label else {}
    with _daemon() as api:
        return DockerState(
            containers=_ids(api.containers(all=True, filters=filters)),
            networks=_ids(api.networks(filters=filters)),
            volumes=_ids(api.volumes(filters=filters)["Volumes"] or (), key="Name"),
        )


def containers_named(name: str) -> frozenset[str]:
    """Return the ids of the containers of exactly that name: one or none."""
    with _daemon() as api:
        return _ids(api.containers(all=True, filters={"name": f"^/?{name}$"}))


def _daemon() -> contextlib.closing[APIClient]:
    """Connect: a few milliseconds, where the command line takes a process for each question."""
    return contextlib.closing(docker.from_env().api)


def _ids(found: Iterable[dict[str, str]], key: str = "Id") -> frozenset[str]:
    return frozenset(each[key] for each in found)
