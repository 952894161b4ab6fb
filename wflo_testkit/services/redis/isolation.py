"""Leases on one Redis server: who holds which part, in which mode."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.model import Json, Server
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.redis.admin import Admin
from wflo_testkit.services.redis.databases import Databases
from wflo_testkit.services.redis.leftovers import look, runs
from wflo_testkit.services.redis.names import Names
from wflo_testkit.services.redis.number_zero import NumberZero, sentence
from wflo_testkit.services.redis.prefixes import Prefixes
from wflo_testkit.services.redis.refusals import refused
from wflo_testkit.services.redis.server import RedisServer

Mode = Databases | Prefixes


@dataclass(frozen=True, slots=True)
class Held:
    """A lease. test: whose it is, for people to read."""

    mode: Mode
    data: Mapping[str, Json]
    test: str


class RedisIsolation:
    """The isolation of one server; lives in the broker's process, used by several threads."""

    def __init__(self, server: Server, run: str) -> None:
        assert isinstance(server, RedisServer)
        self._server = server
        self._admin = Admin(server, self._others)
        names = Names.on(server, run)
        self._databases = Databases(server, self._admin, names)
        self._modes: dict[str, Mode] = {
            "database": self._databases,
            "prefix": Prefixes(server, self._admin, names),
        }
        self._number_zero = NumberZero(self._admin, names.start)
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._kept: list[Held] = []
        self._gone: set[str] = set()
        self._is_alone = not (server.is_shared or server.is_external)

    def prepare(self) -> None:
        """Connect, and learn of the server; what a killed run has left in number 0 goes."""
        self._admin.run(("PING",))
        self._databases.prepare()
        if self._server.is_shared:
            self._is_alone = runs(self._admin) <= 1
            self._number_zero.empty()

    def lease(self, request: LeaseRequest) -> Mapping[str, Json]:
        """Return number, prefix and account for one test.

        Raises IsolationFailed, and ServiceUnavailable for what an external server denies.
        """
        mode = self._mode(request.mode)
        data = mode.lease(request)
        test = f"{request.params.get('test', 'a test')} ({request.owner})"
        with self._lock:
            self._held[request.id] = Held(mode, data, test)
            died = request.id in self._gone
        if died:  # given back, by the end of its owner, while it was being made
            self.release(request.id, keep=False)
        return data

    def built(self, token: str, error: str | None) -> None:
        """Nothing is ever built."""

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:  # noqa: ARG002
        """Tell what the lease's account was `refused`."""
        if verb != "refused":
            raise IsolationFailed(f"a Redis database knows no {verb!r}")
        with self._lock:
            held = self._held.get(lease_id)
        return refused(self._admin, held.data["username"]) if held is not None else []

    def release(self, lease_id: str, *, keep: bool) -> list[str]:
        """Close what the test left open and clear its part; returns a sentence per leftover."""
        with self._lock:
            held = self._held.pop(lease_id, None)
            if held is None:
                self._gone.add(lease_id)
                return []
            if keep:
                self._kept.append(held)
        # A server of one test goes away with it, and the test may have stopped or broken it.
        passed_over = (IsolationFailed,) if self._server.is_for_one_test else ()
        with contextlib.suppress(*passed_over):
            return self._released(held, keep=keep)
        return []

    def _released(self, held: Held, *, keep: bool) -> list[str]:
        found = look(self._server, self._admin, held.data["username"])
        if self._server.is_shared:
            self._is_alone = found.runs <= 1
        is_clean = not found.connections and not found.keys
        held.mode.release(held.data, keep=keep, clean=is_clean)
        if is_clean or held.mode is not self._databases or self._server.is_for_one_test:
            return found.connections
        strays = self._number_zero.empty()  # now that nothing of the test can write there
        return [*found.connections, *([sentence(strays, self._others())] if strays else [])]

    def close(self) -> None:
        """Drop the connection; on a server that outlives the run first remove what it made.

        What is kept for people to look at stays on a shared server until another run sweeps it.
        Errors are passed over: the server may be gone already.
        """
        if self._server.is_external or self._server.is_shared:
            with self._lock:
                left = list(self._held.values())
                left += self._kept if self._server.is_external else []
            for held in left:
                with contextlib.suppress(Exception):
                    held.mode.release(held.data, keep=False)
        with contextlib.suppress(Exception):
            self._databases.close()
        self._admin.close()

    def _others(self) -> list[str]:
        """Return the tests that have not ended, for people to read."""
        with self._lock:
            tests = [held.test for held in self._held.values()]
        return tests if self._is_alone else [*tests, "a test of another run"]

    def _mode(self, name: str) -> Mode:
        """Return the mode of this name; on an external server a prefix is all there is."""
        wanted = "prefix" if self._server.is_external else name or "database"
        if wanted not in self._modes:
            raise IsolationFailed(
                f"there is no Redis isolation {wanted!r}", fix=f"use one of {sorted(self._modes)}"
            )
        return self._modes[wanted]
