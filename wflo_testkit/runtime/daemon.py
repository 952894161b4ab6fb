"""The connection to the Docker daemon."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import DockerUnavailable
from wflo_testkit.runtime.address import Endpoint, resolve

if TYPE_CHECKING:
    import docker
    from docker.tls import TLSConfig
    from testcontainers.core.docker_client import DockerClient

TIMEOUT = 60
"""Seconds for one answer."""
_loading = threading.Lock()


def connect(endpoint: Endpoint | None = None) -> DockerClient:
    """Return testcontainers' client of a daemon; by default of the one that `resolve` finds.

    Raises DockerUnavailable, naming the address tried, and SettingError.
    """
    endpoint = endpoint or resolve()
    load()
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        _knock(endpoint)
        return _for_testcontainers(_open(endpoint))
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise DockerUnavailable(
            "no Docker daemon answers",
            cause=_cause(error),
            looked_at=str(endpoint),
            fix="start Docker (`sudo systemctl start docker`, Docker Desktop, or `dockerd`), or "
            "set DOCKER_HOST to one that runs; `wflo-testkit doctor` shows more",
        ) from None


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


def _knock(endpoint: Endpoint) -> None:
    """Open and close a local socket: docker-py never closes one that refused it (3.0-7.2)."""
    if endpoint.is_unix:
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(10)
            door.connect(endpoint.url.removeprefix("unix://"))


def _open(endpoint: Endpoint) -> docker.DockerClient:
    """Return docker-py's client, once the daemon has answered.

    Made twice: one that is to find the API's version asks for it before anybody can tell it to
    leave the environment alone.
    """
    from docker.constants import DEFAULT_DOCKER_API_VERSION

    with contextlib.closing(_made(endpoint, DEFAULT_DOCKER_API_VERSION)) as asking:
        version = str(asking.api.version(api_version=False).get("ApiVersion", ""))
    if not version:
        raise ValueError("what answers there is no Docker daemon: it tells no ApiVersion")
    return _made(endpoint, version)


def _made(endpoint: Endpoint, version: str) -> docker.DockerClient:
    import docker

    client = docker.DockerClient(
        base_url=endpoint.url,
        version=version,
        timeout=TIMEOUT,
        tls=_tls(endpoint) or False,
        # The command, as testcontainers has it: the library reads from standard input, which
        # pytest captures.
        use_ssh_client=endpoint.url.startswith("ssh://"),
    )
    _leave_the_environment_alone(client.api, proxied=endpoint.is_proxied)
    return client


def _leave_the_environment_alone(api: Any, *, proxied: bool) -> None:
    """Let `requests` read the proxies of a remote daemon once, and of a local one never.

    It would before each request, of a socket's, too; and fail with a KeyError when a test changes
    a variable meanwhile (Python up to 3.11 looks at all of them).
    """
    if proxied:
        found = api.merge_environment_settings(api.base_url, {}, None, None, None)
        api.proxies, api.verify, api.cert = found["proxies"], found["verify"], found["cert"]
    api.trust_env = False


def _tls(endpoint: Endpoint) -> TLSConfig | None:
    """Return what docker-py needs for TLS. Raises its TLSParameterError for files not there."""
    from docker.tls import TLSConfig

    if not endpoint.certificates:
        return None
    folder = Path(endpoint.certificates)
    own = (str(folder / "cert.pem"), str(folder / "key.pem"))
    shown = own if any(Path(each).exists() for each in own) else None  # a daemon may ask for none
    ca = str(folder / "ca.pem")
    return TLSConfig(client_cert=shown, ca_cert=ca, verify=endpoint.verify)


def _for_testcontainers(client: docker.DockerClient) -> DockerClient:
    """Wrap docker-py's client in testcontainers'.

    Not by its constructor, which looks for a daemon by itself, writes what it found into
    DOCKER_HOST, and logs in at the registry that DOCKER_AUTH_CONFIG names.
    """
    from importlib import metadata

    from testcontainers.core.docker_client import DockerClient
    from testcontainers.core.labels import SESSION_ID

    class Client(DockerClient):
        def __init__(self) -> None:
            self.client = client

    agent = "tc-python/" + metadata.version("testcontainers")
    client.api.headers.update({"x-tc-sid": SESSION_ID, "User-Agent": agent})
    return Client()


def _cause(error: Any) -> str:
    """Find the innermost reason: docker and requests wrap it in up to four layers."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}"
