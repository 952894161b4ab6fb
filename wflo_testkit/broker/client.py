"""The broker as a worker sees it: the same calls, over the socket."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import threading
from collections.abc import Mapping
from io import BufferedRWPair
from typing import Any, cast

from wflo_testkit import errors
from wflo_testkit.broker import wire
from wflo_testkit.broker.api import Ask
from wflo_testkit.errors import BrokerLost
from wflo_testkit.model import Build, Grant, Json, Server, Spec
from wflo_testkit.runtime import forks

ANSWER_TIMEOUT = 900.0
"""Seconds; longer than any start, pull included, that the broker itself would wait for."""


class Client:
    """A broker.api.Broker at the other end of a Unix socket.

    Each thread has a connection of its own, so that one that waits for a template does not hold
    up the one that makes it. A forked child lets go of them, so that its parent's death is
    noticed, and makes its own if it needs any.
    """

    def __init__(self, path: str, owner: str) -> None:
        self._path = path
        self._owner = owner
        self._local = threading.local()
        self._lock = threading.Lock()
        self._all: list[tuple[socket.socket, BufferedRWPair]] = []
        forks.in_child(self._let_go)

    def server(self, spec: Spec) -> Server:
        return Server.from_json(self._ask("server", spec=spec.to_json()))

    def prefetch(self, spec: Spec) -> None:
        self._ask("prefetch", spec=spec.to_json())

    def discard(self, key: str) -> None:
        self._ask("discard", key=key)

    def logs(self, key: str, since: float | None) -> str:
        return str(self._ask("logs", key=key, since=since))

    def lease(self, ask: Ask) -> Grant | Build:
        return wire.granted(self._ask("lease", ask=dataclasses.asdict(ask)))

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
            opened, self._all = self._all, []
        for connection, stream in opened:
            with contextlib.suppress(OSError):
                stream.close()
            connection.close()

    def _let_go(self) -> None:
        opened, self._all = self._all, []
        self._local, self._lock = threading.local(), threading.Lock()  # it may be held at the fork
        for connection, _stream in opened:
            # Not closed but cut off: closing the stream would send what the parent was writing.
            os.close(connection.detach())

    def _ask(self, do: str, **arguments: Any) -> Any:
        try:
            stream = self._stream()
            wire.send(stream, {"do": do, **arguments})
            answer = wire.receive(stream)
        except OSError as error:
            raise self._lost(error) from None
        if answer is None:
            raise self._lost("it closed the connection")
        if "error" in answer:
            raise errors.from_json(answer["error"])
        return answer["ok"]

    def _stream(self) -> BufferedRWPair:
        if (known := getattr(self._local, "stream", None)) is not None:
            return cast("BufferedRWPair", known)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER_TIMEOUT)
        connection.connect(self._path)
        stream = self._local.stream = connection.makefile("rwb")
        wire.send(stream, {"hello": self._owner})
        with self._lock:
            self._all.append((connection, stream))
        return stream

    def _lost(self, cause: str | BaseException) -> BrokerLost:
        return BrokerLost(
            "the process that owns the containers is gone",
            cause=cause,
            looked_at=self._path,
            fix="look for a crash of the main pytest process (xdist's controller)",
        )
