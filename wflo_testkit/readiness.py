"""Whether a container meets the conditions of its spec: what `wflo_testkit.ready` describes."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from wflo_testkit import grpc_call
from wflo_testkit.errors import SettingError
from wflo_testkit.model import Json, Spec
from wflo_testkit.probing import NotReady

SECONDS = 2.0
"""Of one attempt."""
OPEN_FOR = 0.1
"""Seconds after which a connection that is still open leads to somebody: Docker's proxy accepts
at once, and hangs up when nobody listens behind it."""
_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
"""HealthCheckResponse with status SERVING (grpc/health/v1/health.proto)."""


class State(Protocol):
    """What Docker says of a container: a word, and a number once it has ended."""

    @property
    def status(self) -> str: ...

    @property
    def exit_code(self) -> int: ...


class Container(Protocol):
    """A container that has been started, as a condition sees it.

    ports: name -> published. output: of this start. execute: runs a command inside, for its code
    and all that it prints. health: what Docker says of its health check, None without one.
    """

    @property
    def host(self) -> str: ...

    @property
    def ports(self) -> Mapping[str, int]: ...

    @property
    def image(self) -> str: ...

    def output(self) -> str: ...

    def execute(self, command: list[str]) -> tuple[int, str]: ...

    def health(self) -> Mapping[str, Any] | None: ...

    def state(self) -> State: ...


def check(condition: Mapping[str, Json], container: Container) -> bool:
    """Return whether `condition` is met; raises what was seen instead.

    Raises SettingError where it can never be met.
    """
    kind = next(each for each in KINDS if each in condition)
    return KINDS[kind].check(condition, container)


def is_job(spec: Spec) -> bool:
    """Say whether a container is to end, with code 0."""
    return any("done" in each for each in spec.ready)


def _address(
    condition: Mapping[str, Json], container: Container, port: str = ""
) -> tuple[str, int]:
    name = port or condition.get("port") or next(iter(container.ports))
    return container.host, container.ports[name]


def _http(condition: Mapping[str, Json], container: Container) -> bool:
    import http.client

    host, port = _address(condition, container)
    path = condition["http"] if condition["http"] is not True else "/"
    wanted = condition.get("status", 200)
    link = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        link.request("GET", path)
        with link.getresponse() as answer:
            if answer.status in (wanted if isinstance(wanted, list | tuple) else (wanted,)):
                return True
            said = answer.read(200).decode(errors="replace")
            raise NotReady(f"GET {path} was answered with {answer.status}: {said}")
    finally:
        link.close()


def _tcp(condition: Mapping[str, Json], container: Container) -> bool:
    named = condition["tcp"]
    address = _address(condition, container, named if isinstance(named, str) else "")
    with socket.create_connection(address, timeout=SECONDS) as link:
        link.settimeout(OPEN_FOR)
        try:
            if link.recv(1) == b"":
                raise NotReady("the connection was closed at once: nobody listens yet")
        except TimeoutError:
            pass  # it waits for us to speak
    return True


def _grpc(condition: Mapping[str, Json], container: Container) -> bool:
    host, port = _address(condition, container)
    name = condition["grpc"]
    request = grpc_call.field(1, name.encode()) if isinstance(name, str) and name else b""
    if grpc_call.call(host, port, _HEALTH, request) != _SERVING:
        raise NotReady(f"gRPC's health service does not say SERVING of {name!r}")
    return True


def _log(condition: Mapping[str, Json], container: Container) -> bool:
    try:
        pattern = re.compile(condition["log"], re.MULTILINE)
    except re.error as error:
        raise SettingError(
            f"ready = {{ log = {condition['log']!r} }} is no regular expression", cause=error
        ) from None
    if not pattern.search(container.output()):
        raise NotReady(f"no line of its output holds {condition['log']!r} yet")
    return True


def _command(condition: Mapping[str, Json], container: Container) -> bool:
    words = condition["command"]
    command = ["sh", "-c", words] if isinstance(words, str) else list(words)
    code, said = container.execute(command)
    if code:
        raise NotReady(f"{words} ended with {code}: {said[-200:].strip()}")
    return True


def _healthy(_condition: Mapping[str, Json], container: Container) -> bool:
    health = container.health()
    if health is None:
        raise SettingError(
            'ready = "healthy" can never be so',
            cause="neither the image nor the container has a health check",
            looked_at=f"image {container.image}",
            fix="give the container a `healthcheck`, or another `ready`",
        )
    if health["Status"] != "healthy":
        last = (health.get("Log") or [{}])[-1].get("Output", "")
        raise NotReady(f"its health check says {health['Status']}: {str(last).strip()[-200:]}")
    return True


def _done(_condition: Mapping[str, Json], container: Container) -> bool:
    state = container.state()
    if state.status != "exited":
        raise NotReady(f"it is {state}, and not done yet")
    return state.exit_code == 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_true(value: Any) -> bool:
    return value is True or isinstance(value, str)


def _is_true(value: Any) -> bool:
    return value is True


def _is_command(value: Any) -> bool:
    several = value if isinstance(value, list | tuple) else [value]
    return bool(several) and all(isinstance(each, str) for each in several)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of condition. check: see `check`. fits: says whether a value is one for it.

    words: what it takes besides `timeout`. has_port: whether it is about a port.
    """

    check: Callable[[Mapping[str, Any], Container], bool]
    fits: Callable[[Any], bool] = _is_text
    words: tuple[str, ...] = ()
    has_port: bool = False


KINDS: dict[str, Kind] = {
    "http": Kind(_http, _is_text_or_true, ("port", "status"), has_port=True),
    "tcp": Kind(_tcp, _is_text_or_true, has_port=True),
    "log": Kind(_log),
    "command": Kind(_command, _is_command),
    "grpc": Kind(_grpc, _is_text_or_true, ("port",), has_port=True),
    "healthy": Kind(_healthy, _is_true),
    "done": Kind(_done, _is_true),
}
"""By the key that a condition has for it."""
