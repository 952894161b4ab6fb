"""Leases on one Redis server: who holds which part, in which mode."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Json, Server
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.redis.admin import Admin
from wflo_testkit.services.redis.databases import Databases
from wflo_testkit.services.redis.leftovers import left_open
from wflo_testkit.services.redis.names import Names
from wflo_testkit.services.redis.prefixes import Prefixes
from wflo_testkit.services.redis.server import RedisServer

Mode = Databases | Prefixes


class RedisIsolation:
    """The isolation of one server; lives in the broker's process, used by several threads."""

    def __init__(self, server: Server, run: str) -> None:
        assert isinstance(server, RedisServer)
        self._server = server
        self._admin = Admin(server)
        names = Names.on(server, run)
        self._databases = Databases(server, self._admin, names)
        self._modes: dict[str, Mode] = {
            "database": self._databases,
            "prefix": Prefixes(server, self._admin, names),
        }
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Mode, Mapping[str, Json]]] = {}
        self._kept: list[tuple[Mode, Mapping[str, Json]]] = []
        self._gone: set[str] = set()

    def prepare(self) -> None:
        """Connect."""
        self._admin.run(("PING",))

    def lease(self, request: LeaseRequest) -> Mapping[str, Json]:
        """Return number, prefix and account for one test.

        Raises IsolationFailed, and ServiceUnavailable for what an external server denies.
        """
        mode = self._mode(request.mode)
        data = mode.lease(request)
        with self._lock:
            self._held[request.id] = (mode, data)
            died = request.id in self._gone
        if died:  # given back, by the end of its owner, while it was being made
            self.release(request.id, keep=False)
        return data

    def built(self, token: str, error: str | None) -> None:
        """Nothing is ever built."""

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:  # noqa: ARG002
        raise IsolationFailed(f"a Redis database knows no {verb!r}")

    def release(self, lease_id: str, *, keep: bool) -> list[str]:
        """Close what the test left open and clear its part; returns a sentence per connection."""
        with self._lock:
            held = self._held.pop(lease_id, None)
            if held is None:
                self._gone.add(lease_id)
                return []
            if keep:
                self._kept.append(held)
        mode, data = held
        leftovers = left_open(self._admin, data["username"])
        mode.release(data, keep=keep, clean=not leftovers)
        return leftovers

    def close(self) -> None:
        """Drop the connection; on a server that outlives the run first remove what it made.

        What is kept for people to look at stays on a shared server until another run sweeps it.
        Errors are passed over: the server may be gone already.
        """
        if self._server.is_external or self._server.is_shared:
            with self._lock:
                left = list(self._held.values())
                left += self._kept if self._server.is_external else []
            for mode, data in left:
                with contextlib.suppress(Exception):
                    mode.release(data, keep=False)
        with contextlib.suppress(Exception):
            self._databases.close()
        self._admin.close()

    def _mode(self, name: str) -> Mode:
        """Return the mode of this name; on an external server a prefix is all there is."""
        wanted = "prefix" if self._server.is_external else name or "database"
        if wanted not in self._modes:
            raise IsolationFailed(
                f"there is no Redis isolation {wanted!r}", fix=f"use one of {sorted(self._modes)}"
            )
        return self._modes[wanted]
