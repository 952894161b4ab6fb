"""A service without a container, to watch the broker by: desks that are built, held, given back."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from wflo_testkit.isolation import HeldLease
from wflo_testkit.model import MAIN, Build, Server, Spec
from wflo_testkit.service import LeaseKind, LeaseRequest, Service, plain


class Desks:
    """Hands out desks 0, 1, ...; before the first one somebody has to build the room."""

    def __init__(self, _server: Server, _run: str) -> None:
        self._changed = threading.Condition()
        self._room = "missing"  # then "building", then "there"
        self._taken: set[int] = set()
        self.events: list[str] = []

    def lease(self, request: LeaseRequest) -> Mapping[str, Any] | Build:
        with self._changed:
            self._changed.wait_for(lambda: self._room != "building", timeout=20)
            if self._room == "missing" and request.params.get("room"):
                self._room = "building"
                self.events.append(f"{request.owner} builds")
                return Build(token="room", data={"where": "here"})
            desk = next(n for n in range(1000) if n not in self._taken)
            self._taken.add(desk)
            self.events.append(f"{request.owner} gets {desk}")
            return {"desk": desk}

    def built(self, token: str, error: str | None) -> None:
        with self._changed:
            self._room = "missing" if error else "there"
            self.events.append(f"{token}: {error or 'built'}")
            self._changed.notify_all()

    def call(self, lease: HeldLease, verb: str, args: Mapping[str, Any]) -> Any:
        before = [*lease.notes.setdefault("did", [])]
        lease.notes["did"].append(verb)
        if verb == "recall":
            return before
        return {"desk": lease.data["desk"], "did": verb, **args}

    def release(self, lease: HeldLease, *, keep: bool) -> list[str]:
        with self._changed:
            desk = lease.data["desk"]
            self._taken.remove(desk)
            self.events.append(f"{desk} back" + (", kept" if keep else ""))
            return [f"a cup was left on desk {desk}"]

    def close(self, kept: Sequence[HeldLease] = ()) -> None:
        left = "".join(f", desk {lease.data['desk']} is kept" for lease in kept)
        self.events.append(f"closed{left}")


def spec(name: str = "desks", external: str = "here") -> Spec:
    return Spec(service="desks", name=name, external=external)


def server(given: Spec) -> Server:
    return Server(
        service="desks", name=given.name, host=given.external, ports={MAIN: 1}, is_external=True
    )


SERVICE = Service(
    name="desks",
    spec=lambda name, _settings: spec(name),
    probe=lambda _server: None,
    server=Server,
    external=server,
    isolation=Desks,
    leases=(LeaseKind(name="desk", doc="A desk.", handle=lambda lease, _: plain(lease)),),
)
