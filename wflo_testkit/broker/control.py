"""What a test does to a container of its own: stop, restart, scale, look into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import TYPE_CHECKING, Any

from wflo_testkit.broker.starting import Starter
from wflo_testkit.errors import StartFailed, TestkitError
from wflo_testkit.model import Json, Server
from wflo_testkit.runtime import configuration
from wflo_testkit.runtime.containers import Containers
from wflo_testkit.runtime.running import Running

if TYPE_CHECKING:
    from wflo_testkit.broker.started import Started


class Control:
    """One server's containers, as many as there are. One action at a time changes them.

    containers: where they are.
    """

    def __init__(self, started: Started, containers: Containers) -> None:
        self._started = started
        self._containers = containers
        self._grace = ceil(started.prepared.options.get("grace", 10))  # Docker takes whole seconds

    def do(self, action: str, given: Mapping[str, Json]) -> Json:
        """Do what `services.container.server.ContainerServer` offers. Raises TestkitError."""
        from docker.errors import APIError

        if (act := _ACTIONS.get(action)) is None:
            raise TestkitError(f"a container knows no {action!r}")
        if action in _MOVING and not self._started.spec.keeps_ports:
            raise TestkitError(
                f"{self._started.spec.name} cannot do {action!r}",
                cause="Docker would give it another port, and its data are in memory",
                fix="declare a container of your own for what is to be restarted",
            )
        try:
            return act(self, **given)
        except APIError as error:
            raise TestkitError(
                f"{self._started.spec.name}: {action} has failed",
                cause=error.explanation or error,
                fix="run `wflo-testkit doctor`",
            ) from None

    def _replicas(self) -> list[dict[str, Json]]:
        return [
            {"number": each.number, "id": each.id, "host": each.host, "ports": dict(each.ports)}
            for each in self._started.running
        ]

    def _chosen(self, replica: int) -> list[Running]:
        """Return the container of that number; all for 0."""
        running = self._started.running
        chosen = [each for each in running if replica in (0, each.number)]
        if not chosen:
            numbers = ", ".join(str(each.number) for each in running)
            raise TestkitError(
                f"{self._started.spec.name} has no replica {replica} any more",
                fix=f"there are {numbers}",
            )
        return chosen

    def _state(self, replica: int = 0) -> str:
        return str(self._containers.state(self._chosen(replica)[0].id))

    def _check(self) -> None:
        for each in self._started.running:
            Starter(self._containers).raise_if_dead(self._started.prepared, each)

    def _stop(self, replica: int = 0) -> None:
        with self._started.turn:
            for each in self._chosen(replica):
                self._containers.stop(each.id, self._grace)

    def _start(self, replica: int = 0) -> None:
        with self._started.turn:
            self._begin(self._chosen(replica))

    def _wait(self) -> None:
        with self._started.turn:
            self._await(self._chosen(0))

    def _await(self, chosen: list[Running]) -> None:
        server = self._started.running_server()
        for each in chosen:
            Starter(self._containers).wait(
                self._started.prepared, self._started.service, server, each
            )

    def _restart(self, replica: int = 0) -> None:
        with self._started.turn:
            for each in self._chosen(replica):
                self._containers.stop(each.id, self._grace)
                self._begin([each])

    def _begin(self, chosen: list[Running]) -> None:
        for each in chosen:
            self._containers.client.api.start(each.id)
        self._await(chosen)

    def _kill(self, signal: str = "SIGKILL", replica: int = 0) -> None:
        for each in self._chosen(replica):
            self._containers.client.api.kill(each.id, signal)

    def _pause(self, replica: int = 0) -> None:
        for each in self._chosen(replica):
            self._containers.client.api.pause(each.id)

    def _unpause(self, replica: int = 0) -> None:
        for each in self._chosen(replica):
            self._containers.client.api.unpause(each.id)

    def _exec(self, command: list[str], replica: int = 0) -> str:
        code, said = self._containers.execute(self._chosen(replica)[0].id, command)
        if code:
            raise StartFailed(
                f"{' '.join(command)} ended with code {code} in {self._started.spec.name}",
                cause=said[-2000:].strip() or "(no output)",
            )
        return said

    def _copy_in(self, content: bytes, inside: str) -> None:
        for each in self._started.running:
            container = self._containers.client.containers.get(each.id)
            configuration.write_file(container, inside, content)

    def _copy_out(self, inside: str) -> bytes:
        container = self._containers.client.containers.get(self._started.running[0].id)
        return configuration.read_file(container, inside)

    def _scale(self, number: int) -> None:
        """Start what is missing side by side; end the last ones, which get their grace."""
        self._refuse(number)
        with self._started.turn:
            running = self._started.running
            while len(running) > number:
                self._end(running.pop())
            first = max(each.number for each in running) + 1
            numbers = range(first, first + number - len(running))
            server = self._started.running_server()
            running += more(self._started, server, self._containers, numbers)

    def _refuse(self, number: int) -> None:
        """Raise TestkitError where there cannot be so many."""
        name = self._started.spec.name
        if number < 1:
            raise TestkitError(f"{name} cannot be scaled to {number}", fix="stop it instead")
        if self._started.running_server().is_shared:
            raise TestkitError(
                f"{name} cannot be scaled: it is kept for other runs",
                cause="they find the one that it was declared to be",
                fix="declare `replicas`, or run this test without reuse",
            )

    def _end(self, replica: Running) -> None:
        self._containers.stop(replica.id, self._grace)
        self._containers.remove(replica.id)


def more(started: Started, server: Server, containers: Containers, numbers: range) -> list[Running]:
    """Start replicas side by side; returns them when all are ready.

    Raises what a start raises; then none of them is left.
    """
    if not numbers:
        return []
    starter = Starter(containers)
    with ThreadPoolExecutor(len(numbers), "wflo-replica") as pool:
        futures = [
            pool.submit(starter.replica, started.prepared, started.service, server, number)
            for number in numbers
        ]
    try:
        return [each.result() for each in futures]
    except BaseException:
        for number in numbers:
            containers.remove(containers.name(started.prepared, number))
        raise


_MOVING = ("stop", "start", "restart", "scale")
_ACTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(Control, f"_{name}")
    for name in (
        "replicas",
        "state",
        "check",
        "stop",
        "start",
        "restart",
        "kill",
        "pause",
        "unpause",
        "wait",
        "exec",
        "copy_in",
        "copy_out",
        "scale",
    )
}
