"""A service of another package: a notebook on top of a plain key-value server, in one file."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wflo_testkit import Lease, LeaseKind, Option, Server, Service, Spec
from wflo_testkit.isolation import HeldLease
from wflo_testkit.service import LeaseRequest, TestContext, plain


def ask(server: Server, *words: str) -> str:
    """Send one inline command and return the first line of the answer."""
    with socket.create_connection((server.host, server.port), timeout=1) as connection:
        connection.sendall(" ".join(words).encode() + b"\r\n")
        answer = connection.makefile("rb").readline().decode().strip()
    if not answer.startswith(("+", ":")):
        raise ConnectionError(answer or "the server hung up")
    return answer[1:]


def spec(name: str, settings: Mapping[str, Any]) -> Spec:
    image = settings["image"] or "redis:8.10.1"
    command = ("redis-server", "--save", "", "--maxmemory", settings["memory"])
    return Spec(service="notes", name=name, image=image, command=command, ports={"main": 6379})


@dataclass(frozen=True, slots=True)
class Notebook:
    """One test's pages: `write` numbers them from 1."""

    server: Server
    title: str

    def write(self, text: str) -> int:
        return int(ask(self.server, "RPUSH", self.title, text))


class Shelf:
    """Hands out notebooks; see wflo_testkit.isolation.Isolation."""

    def __init__(self, server: Server, run: str) -> None:
        self._server, self._run = server, run

    def lease(self, request: LeaseRequest) -> Mapping[str, Any]:
        return {"title": f"{self._run}:{request.id}"}

    def built(self, token: str, error: str | None) -> None:
        raise NotImplementedError("nothing is built")

    def call(self, lease: HeldLease, verb: str, args: Mapping[str, Any]) -> Any:
        raise NotImplementedError(verb)

    def release(self, lease: HeldLease, *, keep: bool) -> list[str]:
        if not keep:
            ask(self._server, "DEL", lease.data["title"])
        return []

    def close(self, kept: Sequence[HeldLease] = ()) -> None:
        """Hold nothing open."""


def book(lease: Lease, _test: TestContext) -> Any:
    return plain(Notebook(lease.server, lease.data["title"]))


SERVICE = Service(
    name="notes",
    spec=spec,
    probe=lambda server: ask(server, "PING"),
    isolation=Shelf,
    leases=(LeaseKind(name="book", doc="An empty notebook.", handle=book),),
    options=(Option(key="notes_memory", default="16mb", help="memory of the notes server"),),
)
