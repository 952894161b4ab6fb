"""One server of a run as the broker keeps it, and what is told of it."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from wflo_testkit import readiness
from wflo_testkit.errors import TestkitError, without_passwords
from wflo_testkit.isolation import Counts, HeldLease, Isolation
from wflo_testkit.model import Json, Server, Spec
from wflo_testkit.runtime.running import Running
from wflo_testkit.service import Service


@dataclass(slots=True)
class Started:
    """One server of the run: its future, and its isolation from when it is ready until `closed`.

    prepared: the spec as it is run: with its image, and the addresses that it refers to.
    server: as it runs; what fills it, or tells that it is ready, asks before `ready` is set.
    needs: name -> the servers that it needs.
    running: its containers. turn: held by whoever changes them.
    kept: leases whose data stays for people to look at.
    reused: "found" or "started" for a server that outlives the run, else "", and `note` says why
        if one was wanted.
    """

    spec: Spec
    service: Service
    prepared: Spec
    needs: Mapping[str, Server] = field(default_factory=dict)
    server: Server | None = None
    running: list[Running] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)
    ready: Future[Server] = field(default_factory=Future)
    isolation: Isolation | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    leases: int = 0
    kept: list[HeldLease] = field(default_factory=list)
    closed: bool = False
    reused: str = ""
    note: str = ""

    def running_server(self) -> Server:
        """Return the server once its container runs, ready or not. Raises what its start raised."""
        return self.server or self.ready.result()


def may_be_kept(started: Started) -> bool:
    """Say whether another run could use the same server: not a job, nor one of several, nor one
    that refers to what goes with this run."""
    spec = started.prepared
    is_plain = not (spec.unique or spec.volumes or spec.asked) and spec.replicas == 1
    stay = (each.is_shared or each.is_external for each in _referred_to(started))
    return is_plain and not readiness.is_job(spec) and all(stay)


def _referred_to(started: Started) -> Iterator[Server]:
    """Yield the servers that it needs, but for jobs: those are over."""
    for name, server in started.needs.items():
        if not readiness.is_job(Spec.from_json(started.spec.needs[name])):
            yield server


def on_networks(spec: Spec, servers: Iterable[Server]) -> Spec:
    """Return `spec`, told the networks of kept servers that it needs: the run's is another."""
    networks = sorted({each.on_network for each in servers if each.is_shared})
    if not networks:
        return spec
    return dataclasses.replace(spec, options={**spec.options, "networks": networks})


def keys(spec: Spec) -> Iterator[str]:
    """Yield the keys of a server and of all that it needs."""
    yield spec.fingerprint
    for need in spec.needs.values():
        yield from keys(Spec.from_json(need))


def difference(one: Spec, other: Spec) -> str:
    """Say in which fields two specs differ, a line each, without what may hold a password."""
    return "\n".join(
        f"{each.name}: {_apart(getattr(one, each.name), getattr(other, each.name), each.repr)}"
        for each in dataclasses.fields(Spec)
        if getattr(one, each.name) != getattr(other, each.name)
    )


def _apart(ours: object, theirs: object, shown: bool) -> str:
    """Say how two values differ: by themselves if they may be shown, else by their keys."""
    if shown:
        return f"{ours!r} and {theirs!r}"
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        keys = sorted(ours.keys() | theirs.keys())
        return ", ".join(key for key in keys if ours.get(key) != theirs.get(key))
    return "not the same"


def _said(error: BaseException) -> str:
    return error.what if isinstance(error, TestkitError) else without_passwords(str(error))


def _figures(isolation: Isolation | None) -> dict[str, int]:
    with contextlib.suppress(Exception):  # another package's own code must not cost the summary
        if isinstance(isolation, Counts):
            return dict(isolation.figures())
    return {}


def row(started: Started) -> dict[str, Json]:
    """Return what a run's summary tells of a server; see `BrokerApi.summary`."""
    found: dict[str, Json] = {
        "name": started.spec.name,
        "service": started.spec.service,
        "image": started.spec.image,
        "origin": "external" if started.spec.external else "",
        "seconds": None,
        "error": None,
        "leases": started.leases if started.service.leases else None,
        "figures": _figures(started.isolation),
        "reused": started.reused,
        "note": started.note,
    }
    if not started.ready.done():
        return found | {"error": "still starting"}
    if error := started.ready.exception():
        return found | {"error": _said(error)}
    server = started.ready.result()
    if server.is_external:
        return found | {"image": f"{server.host}:{server.port}"}
    return found | {"image": server.image, "origin": server.origin, "seconds": server.seconds}
