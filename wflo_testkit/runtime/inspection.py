"""What runs in containers, or has: their state, what they print, commands inside of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wflo_testkit.runtime import logs, ports
from wflo_testkit.runtime.printing import printed
from wflo_testkit.runtime.running import State

if TYPE_CHECKING:
    import docker

    from wflo_testkit.runtime.docker_session import DockerSession


class Inspection:
    """Looks at containers by their ids. Safe to use from several threads.

    session: the connection to the daemon.
    """

    def __init__(self, session: DockerSession) -> None:
        self._session = session

    @property
    def client(self) -> docker.DockerClient:
        return self._session.client.client

    @property
    def host(self) -> str:
        """The address of published ports."""
        return self._session.host

    def state(self, container_id: str) -> State:
        """Return the container's state; "gone" when Docker no longer knows it."""
        from docker.errors import NotFound

        try:
            state = self.client.api.inspect_container(container_id)["State"]
        except NotFound:
            return State("gone")
        return State(state["Status"], state["ExitCode"], state["OOMKilled"])

    def output_of_this_start(self, container_id: str) -> str:
        """Return its output since it ended last, which is what it prints from its start on."""
        state = self.client.api.inspect_container(container_id)["State"]
        ended = datetime.fromisoformat(state["FinishedAt"])
        return self.logs(container_id, ended.timestamp() if ended.year > 1 else None)

    def logs(self, container_id: str, since: float | None = None, tail: int | None = None) -> str:
        """Return output since `since` (seconds since the epoch), at most the last `tail` lines.

        Raises nothing: they are read to explain a failure, which must not be lost for want of them.
        """
        from docker.errors import DockerException, NotFound
        from requests.exceptions import RequestException

        api = self.client.api
        last: dict[str, Any] = {"tail": "all" if tail is None else tail}
        if since is not None:
            last |= {"since": max(since - logs.LATENESS, 1.0), "timestamps": True}
        try:
            raw = api.logs(container_id, **last)
        except NotFound:
            return ""
        except (DockerException, RequestException) as error:  # it is being removed; a lost daemon
            return f"(the log cannot be read: {error})"
        text = bytes(raw).decode(errors="replace")
        return text if since is None else logs.since(text, since)

    def printed(self, container_id: str, command: tuple[str, ...], limit: int) -> bytes:
        """Run a command in a container and return what it prints; see `printing.printed`."""
        return printed(self.client.containers.get(container_id), command, limit)

    def execute(self, container_id: str, command: list[str]) -> tuple[int, str]:
        """Run a command in a container; return its exit code and all that it prints.

        Raises docker's errors.
        """
        api = self.client.api
        made = api.exec_create(container_id, command)["Id"]
        said = bytes(api.exec_start(made)).decode(errors="replace")
        return int(api.exec_inspect(made)["ExitCode"] or 0), said

    def health(self, container_id: str) -> Mapping[str, Any] | None:
        """Return what Docker says of its health check; None where it has none."""
        state: Mapping[str, Any] = self.client.api.inspect_container(container_id)["State"]
        return state.get("Health")

    def published(self, container_id: str) -> dict[str, int]:
        """Return the published ports of a container, by the number inside."""
        found = self.client.api.inspect_container(container_id)["NetworkSettings"]["Ports"]
        address = ports.publish_address(self._session.host)
        host_ports = {
            inside.partition("/")[0]: ports.host_port(bound, address)
            for inside, bound in (found or {}).items()
        }
        return {name: port for name, port in host_ports.items() if port}
