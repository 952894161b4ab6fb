"""Leases on one Redis server: who holds which part, in which mode."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from wflo_testkit.errors import IsolationFailed
from wflo_testkit.isolation import HeldLease, ToldOnce
from wflo_testkit.model import Json, Server
from wflo_testkit.reset import VERB
from wflo_testkit.service import LeaseRequest
from wflo_testkit.services.redis import functions, number_zero
from wflo_testkit.services.redis.admin import NAME, Admin
from wflo_testkit.services.redis.databases import Databases
from wflo_testkit.services.redis.leftovers import busy, look, refused, runs
from wflo_testkit.services.redis.names import Names
from wflo_testkit.services.redis.prefixes import Prefixes
from wflo_testkit.services.redis.server import RedisServer
from wflo_testkit.services.redis.sweep import abandoned, sweep
from wflo_testkit.services.redis.whole_server import WholeServer

Mode = Databases | Prefixes
ANOTHER_RUN = "a test of another run"


class RedisIsolation:
    """The isolation of one server; lives in the broker's process, used by several threads."""

    def __init__(self, server: Server, run: str) -> None:
        assert isinstance(server, RedisServer)
        self._server = server
        names = Names.on(server, run)
        own_name = names.administrator if server.is_external else NAME
        self._admin = Admin(server, self._others, own_name)
        self._databases = Databases(server, self._admin, names)
        self._prefixes = Prefixes(server, self._admin, names)
        self._whole = WholeServer(self._admin)
        self._modes: dict[str, Mode] = {
            each.name: each for each in (self._databases, self._prefixes)
        }
        self._start = names.start.encode()
        self._told = ToldOnce()
        self._users: dict[str, str] = {}  # accounts -> whose they are, for people to read
        self._is_alone = not (server.is_shared or server.is_external)

    def prepare(self) -> None:
        """Connect, and learn of the server; what a killed run has left in number 0 goes."""
        self._admin.run(("PING",))
        self._databases.prepare()
        if self._server.is_shared:
            self._is_alone = runs(self._admin) <= 1
            number_zero.empty(self._admin, self._start)

    def lease(self, request: LeaseRequest) -> Mapping[str, Json]:
        """Return number, prefix and account for one test.

        Raises IsolationFailed, and ServiceUnavailable for what an external server denies.
        """
        data = self._mode(request.mode).lease(request)
        if self._server.is_for_one_test:
            self._whole.note()
        self._users[data["username"]] = f"{request.test} ({request.owner})"
        return data

    def built(self, token: str, error: str | None) -> None:
        """Nothing is ever built."""

    def call(self, lease: HeldLease, verb: str, args: Mapping[str, Json]) -> Json:  # noqa: ARG002
        """`reset`: make it empty; `refused`: tell what the lease's account was refused."""
        if verb == VERB:
            return self._reset(lease)
        if verb != "refused":
            raise IsolationFailed(f"a Redis database knows no {verb!r}")
        return refused(self._admin, lease.data["username"])

    def release(self, lease: HeldLease, *, keep: bool) -> list[str]:
        """Close what the test left open and clear its part; returns a sentence per leftover."""
        self._users.pop(lease.data["username"], None)
        # A server of one test goes away with it, and the test may have stopped or broken it.
        passed_over = (IsolationFailed,) if self._server.is_for_one_test else ()
        with contextlib.suppress(*passed_over):
            return self._released(lease, keep=keep)
        return []

    def _released(self, lease: HeldLease, *, keep: bool) -> list[str]:
        mode = self._mode(lease.mode)
        found = look(self._server, self._admin, lease.data["username"], self._told)
        if self._server.is_shared:
            self._is_alone = found.runs <= 1
        is_clean = not found.connections and not found.keys
        mode.release(lease.data, keep=keep, clean=is_clean)
        if is_clean or not mode.enters_number_zero or self._server.is_for_one_test:
            return found.connections
        # Now that nothing of the test can write there.
        strays = number_zero.empty(self._admin, self._start)
        told = [number_zero.sentence(strays, self._others())] if strays else []
        return [*found.connections, *told]

    def _reset(self, lease: HeldLease) -> list[str]:
        """Make a lease's part empty; the connections that hold state end before."""
        mode, user = self._mode(lease.mode), lease.data["username"]
        found = busy(self._server, self._admin, user)
        mode.reset(lease.data, end_sessions=found.any)
        if self._server.is_for_one_test:
            return [*found.named, *self._whole.reset()]
        others = [test for name, test in self._users.items() if name != user]
        whose = others if self._is_alone else [*others, ANOTHER_RUN]
        told = [] if self._server.is_external else functions.reset(self._admin, whose)
        if mode.enters_number_zero and found.keys:
            strays = number_zero.empty(self._admin, self._start)
            told += [number_zero.sentence(strays, whose)] if strays else []
        return [*found.named, *told]

    def close(self, kept: Sequence[HeldLease] = ()) -> None:
        """Drop the connection; on an external server first remove what is kept there.

        On a shared one that stays until another run sweeps it. Errors are passed over: the server
        may be gone already.
        """
        for lease in kept if self._server.is_external else ():
            with contextlib.suppress(Exception):
                self._mode(lease.mode).release(lease.data, keep=False)
        with contextlib.suppress(Exception):
            self._databases.close()
        self._admin.close()

    def sweep(self, runs: Sequence[str]) -> Iterator[None]:
        """Clear what `runs` have left there. Raises IsolationFailed."""
        return sweep(self._server, runs)

    def abandoned(self) -> set[str]:
        """Return the dated runs that have something there and no connection."""
        return abandoned(self._server)

    def _others(self) -> list[str]:
        """Return the tests that have not ended, for people to read."""
        tests = list(self._users.values())
        return tests if self._is_alone else [*tests, ANOTHER_RUN]

    def _mode(self, name: str) -> Mode:
        """Return the mode of this name; on an external server a prefix is all there is."""
        if self._server.is_external:
            return self._prefixes
        wanted = name or self._databases.name
        if wanted not in self._modes:
            raise IsolationFailed(
                f"there is no Redis isolation {wanted!r}", fix=f"use one of {sorted(self._modes)}"
            )
        return self._modes[wanted]
