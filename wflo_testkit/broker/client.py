"""The broker as a worker sees it: the same calls, over the socket."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Mapping
from typing import Any

from wflo_testkit import errors
from wflo_testkit.broker import wire
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.connection import Connection
from wflo_testkit.errors import BrokerLost
from wflo_testkit.model import Build, Grant, Json, Server, Spec
from wflo_testkit.runtime import forks


class Client:
    """A broker.api.Broker at the other end of a Unix socket.

    A question has a connection to itself, so that one that waits for a template does not hold up
    the one that makes it; then the next question may have it, from whichever thread. The first
    connection carries none: it stands for this process, whose leases are given back when the
    last one closes. A forked child lets go of them all, so that its parent's death is noticed,
    and is another owner, so that its own is.
    """

    def __init__(self, path: str, owner: str) -> None:
        self._path = path
        self._owner = owner
        self._lock = threading.Lock()
        self._all: list[Connection] = []
        self._idle: list[Connection] = []
        forks.in_child(self._let_go)

    def server(self, spec: Spec) -> Server:
        return Server.from_json(self._ask("server", spec=spec.to_json()))

    def prefetch(self, spec: Spec) -> None:
        self._ask("prefetch", spec=spec.to_json())

    def discard(self, key: str) -> None:
        self._ask("discard", key=key)

    def logs(self, key: str, since: float | None) -> str:
        return str(self._ask("logs", key=key, since=since))

    def network(self, key: str) -> str:
        return str(self._ask("network", key=key))

    def lease(self, ask: Ask) -> Grant | Build:
        return wire.granted(self._ask("lease", ask=dataclasses.asdict(ask)))

    def withdraw(self, number: int) -> None:
        self._ask("withdraw", number=number)

    def built(self, token: str, error: str | None) -> None:
        self._ask("built", token=token, error=error)

    def call(self, lease_id: str, verb: str, args: Mapping[str, Json]) -> Json:
        return self._ask("call", lease_id=lease_id, verb=verb, args=dict(args))

    def release(self, lease_id: str, keep: bool) -> list[str]:
        return list(self._ask("release", lease_id=lease_id, keep=keep))

    def summary(self) -> list[dict[str, Json]]:
        return list(self._ask("summary"))

    def close(self) -> None:
        """Hang up; the broker then gives back what this process still holds."""
        with self._lock:
            opened, self._all, self._idle = self._all, [], []
        for connection in opened:
            connection.close()

    def _let_go(self) -> None:
        opened, self._all, self._idle = self._all, [], []
        self._lock = threading.Lock()  # it may be held at the fork
        self._owner = f"{self._owner}-{os.getpid()}"
        for connection in opened:
            connection.cut_off()

    def _ask(self, do: str, **arguments: Any) -> Any:
        try:
            answer = self._answer({"do": do, **arguments})
        except OSError as error:
            raise self._lost(error) from None
        if answer is None:
            raise self._lost("it closed the connection")
        if "error" in answer:
            raise errors.from_json(answer["error"])
        return answer["ok"]

    def _answer(self, question: Mapping[str, Json]) -> dict[str, Json] | None:
        connection = self._take()
        try:
            answer = connection.ask(question)
        except BaseException:  # Ctrl-C, say: the next to ask would get the answer to this
            self._drop(connection)
            raise
        with self._lock:
            if connection in self._all:  # not closed meanwhile
                self._idle.append(connection)
        return answer

    def _take(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if not self._all:
                self._all.append(self._anchor())
            self._all.append(Connection(self._path, self._owner))
            return self._all[-1]

    def _anchor(self) -> Connection:
        """Return a connection that the broker knows of: while it is open, what is held stays.

        Answered once, since a hello that is still to be read would not count when another
        connection of this process closes, as after Ctrl-C.
        """
        made = Connection(self._path, self._owner)
        try:
            made.ask({"do": "summary"})
        except BaseException:
            made.close()
            raise
        return made

    def _drop(self, connection: Connection) -> None:
        with self._lock:
            if connection in self._all:
                self._all.remove(connection)
        connection.close()

    def _lost(self, cause: str | BaseException) -> BrokerLost:
        return BrokerLost(
            "the process that owns the containers is gone",
            cause=cause,
            looked_at=self._path or "no socket: there was no place for one",
            fix="look for a crash of the main pytest process (xdist's controller)",
        )
