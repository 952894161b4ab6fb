"""Testcontainers objects of the project's own: started once per run, and attached to elsewhere.

The object's own `start` runs, in the first process that asks; its client is the kit's, so that the
container carries the run's labels, and neither the library's reaper nor its session's label.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import StartFailed, TestkitError
from wflo_testkit.model import Json
from wflo_testkit.runtime import configuration, daemon, images, ports
from wflo_testkit.runtime.address import Endpoint

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.docker_client import DockerClient

_OWN_TO_A_PROCESS = ("_docker", "_container", "_wait_strategy", "_network", "wflo")
_starting = threading.Lock()


def start(thing: DockerContainer, told: Mapping[str, Json]) -> dict[str, Json]:
    """Start a Testcontainers object; return what others need to attach to it.

    told: "endpoint", "policy", "labels", "name", "network", "networks" and "aliases" of the
        container.
    Returns "id", "image" and "state", bytes. Raises StartFailed with the object's own error.
    """
    client = _client(told)
    thing._docker = client  # noqa: SLF001 - made in its constructor, and nothing else replaces it
    try:
        with _without_reaper():
            thing.start()
    except Exception as error:
        name, container = told["name"], wrapped(thing)
        said = container.logs(tail=20).decode(errors="replace") if container else ""
        if container:
            container.remove(force=True, v=True)
        if isinstance(error, TestkitError):  # the image cannot be had
            raise
        raise StartFailed(
            f"{type(thing).__name__} ({thing.image}) did not start",
            cause=f"{type(error).__name__}: {error}\nlast log lines:\n{said or '(no output)'}",
            looked_at=f"container {name}",
        ) from error
    container = thing.get_wrapped_container()
    return {"id": container.id, "image": container.attrs["Config"]["Image"], "state": _state(thing)}


def attach(
    thing: DockerContainer, told: Mapping[str, Json], container_id: str, state: bytes
) -> None:
    """Let an equal object stand for the container that another process has started."""
    client = _client(told)
    vars(thing).update(pickle.loads(state))  # noqa: S301 - of this run's own
    thing._docker = client  # noqa: SLF001
    thing._container = client.client.containers.get(container_id)  # noqa: SLF001


def wrapped(thing: DockerContainer) -> Any:
    """Return docker-py's container of an object, None before its start."""
    return vars(thing).get("_container")


def _state(thing: DockerContainer) -> bytes:
    """Return what `start` may have written into the object, as far as it can be pickled."""
    found = {}
    for name, value in vars(thing).items():
        if name not in _OWN_TO_A_PROCESS:
            with contextlib.suppress(Exception):
                pickle.dumps(value)
                found[name] = value
    return pickle.dumps(found)


@contextlib.contextmanager
def _without_reaper() -> Iterator[None]:
    """Let testcontainers start no Ryuk of its own: the run's guards this container."""
    from testcontainers.core.config import testcontainers_config

    with _starting:
        before = testcontainers_config.ryuk_disabled
        testcontainers_config.ryuk_disabled = True
        try:
            yield
        finally:
            testcontainers_config.ryuk_disabled = before


def _client(told: Mapping[str, Json]) -> DockerClient:
    """Return testcontainers' client as it is to be for one container of this run."""
    endpoint = Endpoint(**told["endpoint"])
    client = daemon.connect(endpoint).client
    from testcontainers.core.config import ConnectionMode
    from testcontainers.core.docker_client import DockerClient

    class Client(DockerClient):
        def __init__(self) -> None:
            self.client = client

        def host(self) -> str:
            return endpoint.host

        def get_connection_mode(self) -> ConnectionMode:
            return ConnectionMode.docker_host

        def create(self, image: str, *args: Any, **given: Any) -> Any:
            given = _arguments(told, endpoint, given)
            reference = images.resolve(client, image, policy=told["policy"]).reference
            container = client.containers.create(reference, *args, **given)
            connect = client.api.connect_container_to_network
            connect(container.id, told["network"], aliases=told["aliases"])
            for network in told["networks"]:
                connect(container.id, network)
            return container

    return Client()


def _arguments(
    told: Mapping[str, Json], endpoint: Endpoint, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return docker-py's arguments: those of the object, under the kit's name, labels and ports."""
    address = ports.publish_address(endpoint.host)
    taken: set[int] = set()
    published = {}
    for inside, wanted in (given.get("ports") or {}).items():
        port = wanted or configuration.free_port(address, taken)
        taken.add(port)
        published[inside] = (address, port)
    labels = {**(given.get("labels") or {}), **told["labels"]}
    return {**given, "name": told["name"], "labels": labels, "ports": published}
