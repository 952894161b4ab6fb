"""One connection to the broker's socket, as the asking process holds it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from wflo_testkit.broker import wire
from wflo_testkit.model import Json

ANSWER_TIMEOUT = 900.0
"""Seconds; longer than any start, pull included, that the broker itself would wait for."""


class Connection:
    """Says who asks, then carries one question at a time. Every method may raise OSError."""

    def __init__(self, path: str, owner: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(ANSWER_TIMEOUT)
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._stream = self._socket.makefile("rwb")
        wire.send(self._stream, {"hello": owner})

    def ask(self, question: Mapping[str, Json]) -> dict[str, Json] | None:
        """Return the answer, or None when the broker has hung up."""
        wire.send(self._stream, question)
        return wire.receive(self._stream)

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._stream.close()
        self._socket.close()

    def cut_off(self) -> None:
        """Let go of it in a forked child: `close` would send what the parent was writing."""
        os.close(self._socket.detach())
