"""Whether a container meets the conditions of its spec: what `wflo_testkit.ready` describes."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any

from wflo_testkit import grpc_call
from wflo_testkit.errors import SettingError
from wflo_testkit.model import Json, Spec
from wflo_testkit.probing import NotReady
from wflo_testkit.runtime.containers import Containers, Running

SECONDS = 2.0
"""Of one attempt."""
OPEN_FOR = 0.1
"""Seconds after which a connection that is still open leads to somebody: Docker's proxy accepts
at once, and hangs up when nobody listens behind it."""
_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
"""HealthCheckResponse with status SERVING (grpc/health/v1/health.proto)."""


def check(condition: Mapping[str, Json], containers: Containers, running: Running) -> bool:
    """Return whether `condition` is met; raises what was seen instead.

    Raises SettingError where it can never be met.
    """
    kind = next(each for each in _CHECKS if each in condition)
    return _CHECKS[kind](condition, containers, running)


def is_job(spec: Spec) -> bool:
    """Say whether a container is to end, with code 0."""
    return any("done" in each for each in spec.ready)


def _address(condition: Mapping[str, Json], running: Running, port: str = "") -> tuple[str, int]:
    name = port or condition.get("port") or next(iter(running.ports))
    return running.host, running.ports[name]


def _http(condition: Mapping[str, Json], _containers: Containers, running: Running) -> bool:
    host, port = _address(condition, running)
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


def _tcp(condition: Mapping[str, Json], _containers: Containers, running: Running) -> bool:
    named = condition["tcp"]
    address = _address(condition, running, named if isinstance(named, str) else "")
    with socket.create_connection(address, timeout=SECONDS) as link:
        link.settimeout(OPEN_FOR)
        try:
            if link.recv(1) == b"":
                raise NotReady("the connection was closed at once: nobody listens yet")
        except TimeoutError:
            pass  # it waits for us to speak
    return True


def _grpc(condition: Mapping[str, Json], _containers: Containers, running: Running) -> bool:
    host, port = _address(condition, running)
    name = condition["grpc"]
    request = grpc_call.field(1, name.encode()) if isinstance(name, str) and name else b""
    if grpc_call.call(host, port, _HEALTH, request) != _SERVING:
        raise NotReady(f"gRPC's health service does not say SERVING of {name!r}")
    return True


def _log(condition: Mapping[str, Json], containers: Containers, running: Running) -> bool:
    try:
        pattern = re.compile(condition["log"], re.MULTILINE)
    except re.error as error:
        raise SettingError(
            f"ready = {{ log = {condition['log']!r} }} is no regular expression", cause=error
        ) from None
    if not pattern.search(containers.output_of_this_start(running.id)):
        raise NotReady(f"no line of its output holds {condition['log']!r} yet")
    return True


def _command(condition: Mapping[str, Json], containers: Containers, running: Running) -> bool:
    words = condition["command"]
    command = ["sh", "-c", words] if isinstance(words, str) else list(words)
    code, said = containers.execute(running.id, command)
    if code:
        raise NotReady(f"{words} ended with {code}: {said[-200:].strip()}")
    return True


def _healthy(_condition: Mapping[str, Json], containers: Containers, running: Running) -> bool:
    health = containers.health(running.id)
    if health is None:
        raise SettingError(
            'ready = "healthy" can never be so',
            cause="neither the image nor the container has a health check",
            looked_at=f"image {running.image}",
            fix="give the container a `healthcheck`, or another `ready`",
        )
    if health["Status"] != "healthy":
        last = (health.get("Log") or [{}])[-1].get("Output", "")
        raise NotReady(f"its health check says {health['Status']}: {str(last).strip()[-200:]}")
    return True


def _done(_condition: Mapping[str, Json], containers: Containers, running: Running) -> bool:
    state = containers.state(running.id)
    if state.status != "exited":
        raise NotReady(f"it is {state}, and not done yet")
    return state.exit_code == 0


_CHECKS: dict[str, Callable[[Mapping[str, Any], Containers, Running], bool]] = {
    "http": _http,
    "tcp": _tcp,
    "log": _log,
    "command": _command,
    "grpc": _grpc,
    "healthy": _healthy,
    "done": _done,
}
