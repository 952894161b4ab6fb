"""Ryuk: removes what a run made when the process that owns it dies.

testcontainers' own client of it sends the filter once and never reads the answer
(testcontainers-python#1114), so the kit speaks the protocol itself: one line per filter, each
answered with ACK; pruning starts when the last connection has been closed for the time-out.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any

from wflo_testkit import catalog
from wflo_testkit.errors import StartFailed
from wflo_testkit.runtime import daemon, images, labels, ports
from wflo_testkit.runtime.address import socket_path
from wflo_testkit.runtime.engine import Engine
from wflo_testkit.wait import WaitTimeout, wait_until

PORT = 8080
RECONNECTION_TIMEOUT = "5s"
CONNECTION_TIMEOUT = "10s"
"""How long Ryuk waits for its run's first word: one that nobody greets would stay for a minute."""
_FIX = (
    "set TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE to the daemon's socket, or WFLO_TESTKIT_RYUK=0 to "
    "go without it"
)


class Reaper:
    """One Ryuk container and the open connection that holds it back.

    Needs no library of Docker's where the daemon is local, so that it starts while that is loaded.
    """

    def __init__(self, engine: Engine, run: str, *, policy: str, timeout: float = 30) -> None:
        self._engine = engine
        self._run = run
        self._policy = policy
        self._timeout = timeout
        self._container = ""
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Start Ryuk and return once it has acknowledged this run's label.

        Raises StartFailed or ImageUnavailable; then nothing is left running.
        """
        try:
            self._container = self._create()
            self._engine.start(self._container)
            self._socket = wait_until(
                self._handshake,
                timeout=self._timeout,
                poll=0.02,
                describe="the reaper's acknowledgement",
                give_up=self._look,
            )
        except WaitTimeout as error:
            self.remove()
            raise StartFailed(
                f"the reaper did not acknowledge within {self._timeout:g} s",
                cause=error.__cause__ or error,
                fix="run `wflo-testkit doctor`, or set WFLO_TESTKIT_RYUK=0 to go without it",
            ) from None
        except OSError as error:
            self.remove()
            raise StartFailed(
                "the reaper could not be started",
                cause=error,
                looked_at=f"the Docker socket at {socket_path(self._engine.address)}",
                fix=_FIX,
            ) from None
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Close the connection and remove the container at once; call after all is cleaned up."""
        self.hang_up()
        if self._container:
            with contextlib.suppress(OSError, WaitTimeout):
                wait_until(
                    lambda: self._engine.remove(self._container), timeout=10, poll=0.01, catch=()
                )

    def hang_up(self) -> None:
        """Close the connection: Ryuk then removes what the run made, and after that itself."""
        if self._socket is not None:
            self._socket.close()

    def _create(self) -> str:
        port = f"{PORT}/tcp"
        address = ports.publish_address(self._engine.endpoint.host)
        own = "/var/run/docker.sock"
        config = {
            "Image": self._image(),
            "Labels": {**labels.of_kept("reaper"), "org.testcontainers.ryuk": "true"},
            "Env": [
                f"RYUK_CONNECTION_TIMEOUT={CONNECTION_TIMEOUT}",
                f"RYUK_RECONNECTION_TIMEOUT={RECONNECTION_TIMEOUT}",
            ],
            "ExposedPorts": {port: {}},
            "HostConfig": {
                "PortBindings": {port: [{"HostIp": address, "HostPort": ""}]},
                # Not `Binds`: Docker would make a folder where there is no socket.
                "Mounts": [
                    {"Type": "bind", "Source": socket_path(self._engine.address), "Target": own}
                ],
                "AutoRemove": True,
                "Privileged": os.environ.get("TESTCONTAINERS_RYUK_PRIVILEGED", "") in ("1", "true"),
            },
        }
        return self._engine.create(_name(self._run), config)

    def _image(self) -> str:
        official = catalog.official("ryuk")
        here = images.present(self._engine.image, official, policy=self._policy)
        return here.reference if here is not None else self._pulled(official)

    def _pulled(self, official: str) -> str:
        with contextlib.closing(daemon.connect(self._engine.endpoint).client) as client:
            return images.resolve(client, official, policy=self._policy).reference

    def _handshake(self) -> socket.socket:
        found = self._look()
        host = self._engine.endpoint.host
        bindings = found["NetworkSettings"]["Ports"].get(f"{PORT}/tcp")
        port = ports.host_port(bindings, ports.publish_address(host))
        if port is None:
            raise ConnectionError("the reaper's port is not published yet")
        connection = socket.create_connection((host, port), timeout=5)
        try:
            connection.sendall(f"label={labels.RUN}={self._run}\n".encode())
            # Docker's port proxy accepts before Ryuk listens; then this reads the empty string.
            if not connection.recv(16).startswith(b"ACK"):
                raise ConnectionError("the reaper closed the connection without ACK")
        except BaseException:
            connection.close()
            raise
        connection.settimeout(None)
        return connection

    def _look(self) -> Any:
        """Return what the daemon says of the container. Raises StartFailed if it is gone."""
        found = self._engine.container(self._container)
        if found is None:
            raise StartFailed(
                "the reaper exited at its start",
                looked_at="the Docker socket inside its container",
                fix=_FIX,
            )
        return found


def remove(api: Any, run: str) -> None:
    """Remove a reaper that never got to know the run that it was started for.

    api: docker-py's low-level client.
    """
    from docker.errors import APIError

    with contextlib.suppress(APIError):  # there is none, or it goes already
        api.remove_container(_name(run), force=True)


def _name(run: str) -> str:
    return f"wflo-reaper-{run}"
