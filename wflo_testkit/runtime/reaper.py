"""Ryuk: removes what a run made when the process that owns it dies.

testcontainers' own client of it sends the filter once and never reads the answer
(testcontainers-python#1114), so the kit speaks the protocol itself: one line per filter, each
answered with ACK; pruning starts when the last connection has been closed for the time-out.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

from wflo_testkit import catalog
from wflo_testkit.errors import StartFailed
from wflo_testkit.runtime import daemon, forks, images, labels
from wflo_testkit.wait import WaitTimeout, wait_until

if TYPE_CHECKING:
    from testcontainers.core.docker_client import DockerClient

PORT = 8080
RECONNECTION_TIMEOUT = "5s"
_FIX = (
    "set TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE to the daemon's socket, or WFLO_TESTKIT_RYUK=0 to "
    "go without it"
)


class Reaper:
    """One Ryuk container and the open connection that holds it back."""

    def __init__(self, client: DockerClient, run: str, *, policy: str, timeout: float = 30) -> None:
        self._client = client
        self._run = run
        self._policy = policy
        self._timeout = timeout
        self._container: Any = None
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Start Ryuk and return once it has acknowledged this run's label.

        Raises StartFailed or ImageUnavailable; then nothing is left running.
        """
        from docker.errors import APIError

        try:
            self._container = self._create()
            self._container.start()
            self._socket = wait_until(
                self._handshake,
                timeout=self._timeout,
                poll=0.02,
                describe="the reaper's acknowledgement",
                give_up=self._raise_if_gone,
            )
        except WaitTimeout as error:
            self.remove()
            raise StartFailed(
                f"the reaper did not acknowledge within {self._timeout:g} s",
                cause=error.__cause__ or error,
                fix="run `wflo-testkit doctor`, or set WFLO_TESTKIT_RYUK=0 to go without it",
            ) from None
        except APIError as error:
            self.remove()
            raise StartFailed(
                "the reaper could not be started",
                cause=error.explanation or error,
                looked_at=f"the Docker socket at {daemon.socket_path()}",
                fix=_FIX,
            ) from None
        except BaseException:
            self.remove()
            raise
        forks.in_child(self.hang_up)

    def remove(self) -> None:
        """Close the connection and remove the container at once; call after all is cleaned up."""
        from docker.errors import DockerException

        self.hang_up()
        if self._container is not None:
            with contextlib.suppress(DockerException, OSError, WaitTimeout):
                wait_until(self._is_removed, timeout=10, poll=0.01, catch=())

    def _is_removed(self) -> bool:
        """Remove the container; False while that is under way already, as when it exits."""
        from docker.errors import APIError, NotFound

        try:
            self._container.remove(force=True)
        except NotFound:
            return True
        except APIError as error:
            if error.status_code != 409:
                raise
            return False
        return True

    def hang_up(self) -> None:
        """Close the connection: Ryuk then removes what the run made, and after that itself.

        A forked child does so at once, since one that outlives its parent would hold Ryuk back.
        """
        if self._socket is not None:
            self._socket.close()

    def _create(self) -> Any:
        from docker.types import Mount

        client = self._client.client
        image = images.resolve(client, catalog.official("ryuk"), policy=self._policy)
        address = daemon.publish_address(daemon.published_host(self._client))
        return client.containers.create(
            image.reference,
            name=_name(self._run),
            labels={**labels.of_kept("reaper"), "org.testcontainers.ryuk": "true"},
            environment={"RYUK_RECONNECTION_TIMEOUT": RECONNECTION_TIMEOUT},
            ports={f"{PORT}/tcp": (address,)},
            # Not `volumes`: Docker would make a folder in the place of a socket that is not there.
            mounts=[Mount("/var/run/docker.sock", daemon.socket_path(), type="bind")],
            auto_remove=True,
            privileged=os.environ.get("TESTCONTAINERS_RYUK_PRIVILEGED", "") in ("1", "true"),
        )

    def _handshake(self) -> socket.socket:
        self._container.reload()
        published = self._container.ports[f"{PORT}/tcp"][0]["HostPort"]
        address = (daemon.published_host(self._client), int(published))
        connection = socket.create_connection(address, timeout=5)
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

    def _raise_if_gone(self) -> None:
        from docker.errors import NotFound

        try:
            self._container.reload()
        except NotFound:
            raise StartFailed(
                "the reaper exited at its start",
                looked_at="the Docker socket inside its container",
                fix=_FIX,
            ) from None


def remove(api: Any, run: str) -> None:
    """Remove a reaper that never got to know the run that it was started for.

    api: docker-py's low-level client.
    """
    from docker.errors import APIError

    with contextlib.suppress(APIError):  # there is none, or it goes already
        api.remove_container(_name(run), force=True)


def _name(run: str) -> str:
    return f"wflo-reaper-{run}"
