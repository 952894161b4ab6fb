"""A running container of one's own, and what a test does with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wflo_testkit.errors import TestkitError
from wflo_testkit.model import Server


@dataclass(frozen=True, slots=True)
class Replica:
    """One of a server's containers. Safe to use from every worker: the broker does it.

    number: from 1. ports: name -> published port.
    """

    number: int
    id: str
    host: str
    ports: dict[str, int]
    _server: ContainerServer = field(repr=False)

    @property
    def url(self) -> str:
        """The address of its first port, for a client on this machine."""
        return _url(self.host, self.ports)

    @property
    def state(self) -> str:
        """What Docker says: "running", "paused", "exited with code 1", ..."""
        return str(self._server.do("state", replica=self.number))

    def stop(self) -> None:
        """Ask it to end, and return when it has."""
        self._server.do("stop", replica=self.number)

    def start(self) -> None:
        """Start it again, at the same address; returns when it is ready."""
        self._server.do("start", replica=self.number)

    def kill(self, signal: str = "SIGKILL") -> None:
        """Send it a signal."""
        self._server.do("kill", replica=self.number, signal=signal)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerServer(Server):
    """A container of one's own: addresses, and what one can do to it.

    What a test does to it is there for every worker, and its addresses stay.
    """

    @property
    def port(self) -> int:
        """The published port of its first name."""
        return _first(self.name, self.ports)

    @property
    def internal_port(self) -> int:
        """The port that other containers on the kit's network use."""
        return _first(self.name, self.internal_ports)

    @property
    def url(self) -> str:
        """The address of the first port for a client on this machine, such as http://host:port.

        What a port is called up to the first `_` is its URL's scheme. Raises TestkitError without
        a port.
        """
        if self.is_external:
            return str(self.options["url"])
        self.port  # noqa: B018 - raises without one
        return _url(self.host, self.ports)

    @property
    def urls(self) -> dict[str, str]:
        """The same for each port, by its name."""
        if self.is_external:
            return {next(iter(self.ports)): self.url}
        return {name: _url(self.host, {name: port}) for name, port in self.ports.items()}

    @property
    def internal_url(self) -> str:
        """The address of the first port for a container on the kit's network."""
        if self.is_external:
            return self.url
        self.internal_port  # noqa: B018 - raises without one
        return _url(self.internal_host, self.internal_ports)

    @property
    def internal_urls(self) -> dict[str, str]:
        """The same for each port, by its name."""
        if self.is_external:
            return self.urls
        ports = self.internal_ports.items()
        return {name: _url(self.internal_host, {name: port}) for name, port in ports}

    def env(self) -> dict[str, str]:
        """Return <NAME>_URL, <NAME>_HOST and <NAME>_PORT for a client on this machine."""
        return _environment(self.name, self.url, self.host, self.port)

    def internal_env(self) -> dict[str, str]:
        """Return the same for a container on the kit's network."""
        if self.is_external:
            return self.env()
        return _environment(self.name, self.internal_url, self.internal_host, self.internal_port)

    @property
    def state(self) -> str:
        """What Docker says of it: "running", "paused", "exited with code 1", ..."""
        return str(self.do("state"))

    @property
    def replicas(self) -> list[Replica]:
        """Its containers, as many as there are now."""
        return [Replica(**each, _server=self) for each in self.do("replicas")]

    def scale(self, number: int) -> None:
        """Have `number` containers: returns when new ones are ready, and old ones have ended.

        The last ones go, and are asked to: `stop_grace_period` is theirs.
        """
        self.do("scale", number=number)

    def stop(self) -> None:
        """Ask its process to end, and return when it has; after its grace it is killed."""
        self.do("stop")

    def start(self) -> None:
        """Start it again, at the same addresses; returns when it is ready."""
        self.do("start")

    def restart(self) -> None:
        """Stop and start it; returns when it is ready."""
        self.do("restart")

    def kill(self, signal: str = "SIGKILL") -> None:
        """Send its process a signal."""
        self.do("kill", signal=signal)

    def pause(self) -> None:
        """Freeze its processes."""
        self.do("pause")

    def unpause(self) -> None:
        """Let its processes go on."""
        self.do("unpause")

    def exec(self, *command: str) -> str:
        """Run a command in it and return what it prints, errors included.

        Raises TestkitError if it ends with another code than 0.
        """
        return str(self.do("exec", command=list(command)))

    def copy_in(self, source: str | Path, inside: str) -> None:
        """Copy a file of this machine to the path `inside`."""
        self.do("copy_in", content=Path(source).read_bytes(), inside=inside)

    def copy_out(self, inside: str, target: str | Path) -> None:
        """Copy its file to this machine."""
        Path(target).write_bytes(self.do("copy_out", inside=inside))


def _first(name: str, ports: Any) -> int:
    for port in ports.values():
        return int(port)
    raise TestkitError(f"{name} has no port", fix="give it `ports = { http = 8080 }`, say")


def _url(host: str, ports: Any) -> str:
    name, port = next(iter(ports.items()))
    scheme = name.partition("_")[0]
    return f"{'tcp' if scheme.isdigit() else scheme}://{host}:{port}"


def _environment(name: str, url: str, host: str, port: int) -> dict[str, str]:
    prefix = name.upper()
    return {f"{prefix}_URL": url, f"{prefix}_HOST": host, f"{prefix}_PORT": str(port)}
