"""Where the daemon is, and what testcontainers' settings say of it, read without its library.

Read once for a run, or a command, and handed to all that talk to the daemon: docker-py,
testcontainers' client and Ryuk would each choose by rules of their own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from wflo_testkit.errors import SettingError
from wflo_testkit.runtime import contexts, ports

DEFAULT = (
    "npipe:////./pipe/docker_engine" if sys.platform == "win32" else "unix:///var/run/docker.sock"
)
_OVERRIDES = ("TESTCONTAINERS_HOST_OVERRIDE", "TC_HOST")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One daemon. Plain data, so that another process can be told of it.

    url: as in DOCKER_HOST: unix://, tcp://, ssh:// and others. origin: where that was found.
    named: the host of its published ports, "" for this machine. certificates: the folder with
    ca.pem, cert.pem and key.pem, "" for none. verify: whether the daemon has to prove who it is.
    """

    url: str
    origin: str = "given"
    named: str = ""
    certificates: str = ""
    verify: bool = False

    @property
    def is_unix(self) -> bool:
        """Whether it listens at a Unix socket."""
        return self.url.startswith("unix://")

    @property
    def is_proxied(self) -> bool:
        """Whether a proxy may stand in between: not at a local socket, nor on loopback."""
        return self.url.startswith(("tcp://", "http")) and not ports.is_loopback(self.host_of_url)

    @property
    def host(self) -> str:
        """Where its published ports are reached: a literal address if it is this machine's."""
        return ports.literal(self.named or self.host_of_url)

    @property
    def host_of_url(self) -> str:
        """The host in `url`, "" where it names a socket."""
        parts = _split(self.url)
        return (parts.hostname or "") if parts.scheme in ("tcp", "http", "https", "ssh") else ""

    def __str__(self) -> str:
        return f"{self.url} ({self.origin})"


def resolve() -> Endpoint:
    """Find the daemon that the environment and the files of this user name.

    The first that is there: `tc.host` in ~/.testcontainers.properties, as testcontainers has it;
    the variable DOCKER_HOST; the context named by DOCKER_CONTEXT; the current context of
    config.json (Docker manual, contexts); the default socket. Raises SettingError.
    """
    named = next((value for name in _OVERRIDES if (value := os.environ.get(name))), "")
    if url := _property("tc.host"):
        return _with_tls(url, "tc.host in ~/.testcontainers.properties", named)
    if url := os.environ.get("DOCKER_HOST", ""):
        return _with_tls(url, "environment: DOCKER_HOST", named)
    if (context := contexts.chosen()) is None:
        return Endpoint(DEFAULT, "default", named)
    url, origin = context.url or DEFAULT, f"Docker context {context.name}, of {context.origin}"
    if context.certificates and _is_tcp(url):
        verify = not context.skips_verification
        return Endpoint(_whole(url), origin, named, context.certificates, verify)
    return _with_tls(url, origin, named)


def once() -> Callable[[], Endpoint]:
    """Resolve now; what is returned gives the endpoint, or raises the SettingError, when called.

    So whoever needs no daemon is not troubled by a setting that names none, and what tests do to
    the environment later changes nothing.
    """
    try:
        found = resolve()
    except SettingError as error:
        objection = error
    else:
        return lambda: found

    def refuse() -> Endpoint:
        raise objection.with_traceback(None)

    return refuse


def socket_path(url: str) -> str:
    """Return the path of the daemon's socket on the daemon's own machine."""
    if override := os.environ.get("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE"):
        return override
    return (url if url.startswith("unix://") else "/var/run/docker.sock").removeprefix("unix://")


def ryuk_is_disabled() -> bool:
    """Tell whether testcontainers' own switch is set: by code, its variable, or its properties."""
    loaded = sys.modules.get("testcontainers.core.config")
    # It may just be loading in another thread; then nobody has set anything in it yet.
    if config := getattr(loaded, "testcontainers_config", None):
        return bool(config.ryuk_disabled)
    given = os.environ.get("TESTCONTAINERS_RYUK_DISABLED", _property("ryuk.disabled"))
    return given.lower() in ("yes", "true", "t", "y", "1")


def _with_tls(url: str, origin: str, named: str) -> Endpoint:
    """Add what docker-py reads of TLS: DOCKER_CERT_PATH and DOCKER_TLS_VERIFY (Docker manual)."""
    folder, verify = os.environ.get("DOCKER_CERT_PATH"), bool(os.environ.get("DOCKER_TLS_VERIFY"))
    if not _is_tcp(url) or not (folder or verify):
        return Endpoint(_whole(url), origin, named)
    place = Path(folder).absolute() if folder else Path.home() / ".docker"
    return Endpoint(_whole(url), origin, named, str(place), verify)


def _whole(url: str) -> str:
    """Return `url` as docker-py takes it: ssh:// with no path, as testcontainers cuts it."""
    parts = _split(url)
    return f"ssh://{parts.netloc}" if parts.scheme == "ssh" else url


def _is_tcp(url: str) -> bool:
    return _split(url).scheme in ("tcp", "http", "https")


def _split(url: str) -> SplitResult:
    """Split an address; one without a scheme is of TCP, for docker-py too."""
    return urlsplit(url if "://" in url else f"tcp://{url}")


def _property(key: str) -> str:
    try:
        lines = (Path.home() / ".testcontainers.properties").read_text().splitlines()
    except (OSError, RuntimeError, UnicodeDecodeError):
        return ""
    pairs = (line.partition("=") for line in lines)
    return next((value.strip() for name, _equals, value in pairs if name.strip() == key), "")
