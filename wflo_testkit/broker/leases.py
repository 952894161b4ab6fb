"""Who holds what: every lease and every build under way, by the process that asked."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.servers import Servers
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import Isolation
from wflo_testkit.model import Build, Grant, Json
from wflo_testkit.service import LeaseRequest


@dataclass(frozen=True, slots=True)
class Held:
    """Something that an owner holds and that must be ended when the owner dies."""

    owner: str
    key: str
    isolation: Isolation
    token: str = ""


class Leases:
    """The leases of one run. Safe to use from several threads."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._builds: dict[str, Held] = {}

    def lease(self, ask: Ask, owner: str) -> Grant | Build:
        """Lease for `owner`; the id is recorded before the service starts to make anything."""
        isolation = self._servers.isolation(ask.key)
        lease_id = secrets.token_hex(4)
        with self._lock:
            self._held[lease_id] = Held(owner, ask.key, isolation)
        try:
            answer = isolation.lease(
                LeaseRequest(
                    kind=ask.kind, mode=ask.mode, params=ask.params, id=lease_id, owner=owner
                )
            )
        except BaseException:
            self._forget(lease_id)
            raise
        if isinstance(answer, Build):
            self._forget(lease_id)
            return self._record(answer, Held(owner, ask.key, isolation, answer.token))
        self._servers.count(ask.key)
        return Grant(id=lease_id, data=answer)

    def built(self, token: str, error: str | None) -> None:
        """End a build; a second report of the same is ignored."""
        with self._lock:
            held = self._builds.pop(token, None)
        if held is not None:
            held.isolation.built(held.token, error)

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:
        """Pass `verb` on to the isolation that granted the lease. Raises what that raises."""
        with self._lock:
            held = self._held.get(lease_id)
        if held is None:
            raise IsolationFailed(
                f"the lease {lease_id} was used after it had been given back",
                fix="use a fixture's value only while its test runs",
            )
        return held.isolation.call(lease_id, verb, args)

    def release(self, lease_id: str, *, keep: bool) -> list[str]:
        """Give back; a second release of the same lease is harmless."""
        held = self._forget(lease_id)
        if held is None:
            return []
        if keep:
            self._servers.note_kept(held.key)
        return held.isolation.release(lease_id, keep=keep)

    def drop_owner(self, owner: str) -> None:
        """End all that `owner` holds: it is gone."""
        with self._lock:
            builds = [token for token, held in self._builds.items() if held.owner == owner]
            leases = [name for name, held in self._held.items() if held.owner == owner]
        for token in builds:
            self.built(token, "the process that was making it died")
        for lease_id in leases:
            self.release(lease_id, keep=False)

    def drop_server(self, key: str) -> None:
        """Forget what is held on a server that is going away."""
        with self._lock:
            for lease_id in [name for name, held in self._held.items() if held.key == key]:
                del self._held[lease_id]

    def _record(self, build: Build, held: Held) -> Build:
        token = secrets.token_hex(8)
        with self._lock:
            self._builds[token] = held
        return Build(token=token, data=build.data)

    def _forget(self, lease_id: str) -> Held | None:
        with self._lock:
            return self._held.pop(lease_id, None)
