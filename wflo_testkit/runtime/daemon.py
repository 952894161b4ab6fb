"""The connection to the Docker daemon, and where its published ports are."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wflo_testkit.errors import DockerUnavailable

if TYPE_CHECKING:
    from testcontainers.core.docker_client import DockerClient

_loading = threading.Lock()
DEFAULT_SOCKET = "unix:///var/run/docker.sock"


def connect() -> DockerClient:
    """Return testcontainers' client of the daemon that the environment or context names.

    Raises DockerUnavailable, naming the address tried.
    """
    load()
    from docker.errors import DockerException
    from requests.exceptions import RequestException
    from testcontainers.core.docker_client import DockerClient

    try:
        _knock(tried()[0])
        client = DockerClient(timeout=60)
        client.client.ping()
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise unavailable(error) from None
    return client


def load() -> None:
    """Import Docker's library and testcontainers; returns when they are there, whoever does it."""
    with _loading, _silent_about_socks():
        import testcontainers.core.docker_client  # noqa: F401


@contextlib.contextmanager
def _silent_about_socks() -> Iterator[None]:
    """Let `requests` be imported in a thread, under `-W error` and without PySocks.

    It ignores urllib3's warning that PySocks is missing by a filter, which is lost when pytest
    sets the filters anew for a phase of a test meanwhile; then the import fails. It goes without
    where the module cannot be imported.
    """
    name = "urllib3.contrib.socks"
    modules: dict[str, Any] = sys.modules
    if name in modules or find_spec("socks") is not None:
        yield
        return
    modules[name] = None
    try:
        yield
    finally:
        modules.pop(name, None)


def _knock(address: str) -> None:
    """Open and close a local socket: docker-py never closes one that refused it (3.0-7.2)."""
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(10)
            door.connect(address.removeprefix("unix://"))


def unavailable(error: BaseException) -> DockerUnavailable:
    """Describe a daemon that does not answer: what was tried, and what to do."""
    address, origin = tried()
    return DockerUnavailable(
        "no Docker daemon answers",
        cause=_cause(error),
        looked_at=f"{address} ({origin})",
        fix="start Docker (`sudo systemctl start docker`, Docker Desktop, or `dockerd`), or set "
        "DOCKER_HOST to one that runs; `wflo-testkit doctor` shows more",
    )


def tried() -> tuple[str, str]:
    """Return the daemon's address and where that address comes from."""
    if host := os.environ.get("DOCKER_HOST"):
        return host, "environment: DOCKER_HOST"
    from testcontainers.core.docker_client import get_docker_host

    try:
        context = get_docker_host()
    except Exception:  # noqa: BLE001 - a broken context file is reported as no context
        context = None
    return (context, "Docker context") if context else (DEFAULT_SOCKET, "default")


def published_host(client: DockerClient) -> str:
    """Return the address at which this process reaches published ports.

    A literal address for the local machine: `localhost` may mean ::1, where Docker can map
    another port (moby#42442).
    """
    override = os.environ.get("TESTCONTAINERS_HOST_OVERRIDE") or os.environ.get("TC_HOST")
    if override:
        return override
    url = urlsplit(_base_url(client))
    if url.scheme in ("tcp", "http", "https", "ssh") and url.hostname:
        return "127.0.0.1" if url.hostname in ("localhost", "localunixsocket") else url.hostname
    return "127.0.0.1"


def publish_address(host: str) -> str:
    """Return the address on the daemon's side to publish on: loopback unless it is remote."""
    return "127.0.0.1" if host == "127.0.0.1" else ""


def _base_url(client: DockerClient) -> str:
    address, _ = tried()
    return address if "://" in address else str(client.client.api.base_url)


def _cause(error: Any) -> str:
    """Find the innermost reason: docker and requests wrap it in up to four layers."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}"
