"""Who holds what: every lease and every build under way, by the process that asked."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.servers import Servers
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import Isolation
from wflo_testkit.model import Build, Grant, Json
from wflo_testkit.service import LeaseRequest


@dataclass(frozen=True, slots=True)
class Held:
    """Something that an owner holds and that must be ended when the owner dies.

    number: of the ask that led to it. token: of a build.
    """

    owner: str
    key: str
    isolation: Isolation
    number: int = 0
    token: str = ""


class Leases:
    """The leases of one run. Safe to use from several threads."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._builds: dict[str, Held] = {}
        self._under_way: set[str] = set()
        self._withdrawn: set[tuple[str, int]] = set()

    def lease(self, ask: Ask, owner: str) -> Grant | Build:
        """Lease for `owner`; the id is recorded before the service starts to make anything.

        Raises IsolationFailed for an ask that is withdrawn meanwhile.
        """
        held = Held(owner, ask.key, self._servers.isolation(ask.key), ask.number)
        lease_id = secrets.token_hex(4)
        try:
            return self._lease(lease_id, held, ask)
        except BaseException as error:
            left = self._forget(lease_id)
            if left is not None and not isinstance(error, Exception):
                # An interruption, which may have come after the service's last step.
                with contextlib.suppress(Exception):
                    left.isolation.release(lease_id, keep=False)
            raise

    def _lease(self, lease_id: str, held: Held, ask: Ask) -> Grant | Build:
        with self._lock:
            self._held[lease_id] = held
            self._under_way.add(lease_id)
        answer = held.isolation.lease(
            LeaseRequest(
                kind=ask.kind, mode=ask.mode, params=ask.params, id=lease_id, owner=held.owner
            )
        )
        if isinstance(answer, Build):
            self._forget(lease_id)
            got: Grant | Build = self._record(answer, dataclasses.replace(held, token=answer.token))
        else:
            self._servers.count(ask.key)
            got = Grant(id=lease_id, data=answer)
        self._end_if_withdrawn(lease_id, held)
        return got

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
        """End all that `owner` holds: it is gone. Raises what one of the ends raised, after all."""
        with self._lock:
            builds = [token for token, held in self._builds.items() if held.owner == owner]
            leases = [name for name, held in self._held.items() if held.owner == owner]
            self._withdrawn = {each for each in self._withdrawn if each[0] != owner}
        self._end(builds, leases, "the process that was making it died")

    def withdraw(self, owner: str, number: int) -> None:
        """End what came of an ask; what is still under way, or to come, ends by itself."""
        asked = (owner, number)
        with self._lock:
            self._withdrawn.add(asked)
            builds = [t for t, held in self._builds.items() if (held.owner, held.number) == asked]
            leases = [
                lease_id
                for lease_id, held in self._held.items()
                if (held.owner, held.number) == asked and lease_id not in self._under_way
            ]
        self._end(builds, leases, "the test that was making it was interrupted")

    def _end_if_withdrawn(self, lease_id: str, held: Held) -> None:
        with self._lock:
            self._under_way.discard(lease_id)
            withdrawn = (held.owner, held.number) in self._withdrawn
        if withdrawn:
            self.withdraw(held.owner, held.number)
            raise IsolationFailed("nobody waits any more for what is leased here")

    def _end(self, builds: Iterable[str], leases: Iterable[str], why: str) -> None:
        """End each, builds first, though the end of another raises."""
        with contextlib.ExitStack() as stack:
            for lease_id in leases:
                stack.callback(self.release, lease_id, keep=False)
            for token in builds:
                stack.callback(self.built, token, why)

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
            self._under_way.discard(lease_id)
            return self._held.pop(lease_id, None)
