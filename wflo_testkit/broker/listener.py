"""The broker's Unix socket, by which xdist's workers and forked children reach it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections import Counter
from io import BufferedRWPair
from pathlib import Path
from typing import TYPE_CHECKING

from wflo_testkit.broker import wire
from wflo_testkit.errors import TestkitError
from wflo_testkit.runtime import folders, forks

if TYPE_CHECKING:
    from wflo_testkit.broker.core import Core

RETRY = 0.1
"""Seconds between two tries to let somebody in, where the system has no descriptor or thread."""


class Listener:
    """Serves a Core on a socket that only this user can open.

    A connection begins with {"hello": owner}. When the last connection of an owner closes, its
    process is done or dead, and what it still holds is given back.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self._connections: set[socket.socket] = set()
        self._closing = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._folder, self.path = self._listen()
        except BaseException:
            self._socket.close()
            raise
        forks.in_child(self._let_go)
        threading.Thread(target=self._accept, name="wflo-broker", daemon=True).start()

    def _listen(self) -> tuple[Path, Path]:
        """Return the folder and the path of the socket, which now listens. Raises TestkitError."""
        folder = folders.make()
        path = folder / "broker.sock"
        try:
            self._socket.bind(str(path))
            path.chmod(0o600)
            self._socket.listen(64)
        except OSError as error:
            folders.remove(folder)
            raise TestkitError(
                "the socket by which the workers reach the containers' owner could not be made",
                cause=error,
                looked_at=str(path),
                fix="set TMPDIR to a folder of a file system that knows Unix sockets",
            ) from None
        return folder, path

    def close(self) -> None:
        """Stop listening, hang up, remove the socket."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        folders.remove(self._folder)

    def _let_go(self) -> None:
        """Close what a forked child inherits, which would outlive the broker and never answer."""
        for each in (self._socket, *self._connections):
            with contextlib.suppress(OSError):
                os.close(each.detach())

    def _accept(self) -> None:
        """Serve whoever comes, until `close`: whatever else ends a try passes, such as EMFILE."""
        while not self._closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                self._closing.wait(RETRY)
            else:
                self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        """Serve `connection` in a thread of its own, once the system has one to give."""
        while not self._closing.is_set():
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="wflo-broker-client", daemon=True
            )
            try:
                thread.start()
                return
            except RuntimeError:
                self._closing.wait(RETRY)
        connection.close()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
        try:
            with connection, connection.makefile("rwb") as stream:
                hello = wire.receive(stream)
                if hello is not None:
                    self._converse(stream, hello["hello"])
        except (OSError, ValueError):
            pass  # the other side died in the middle of a line; _converse has cleaned up
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _converse(self, stream: BufferedRWPair, name: str) -> None:
        owner = self._core.owner(name)
        with self._lock:
            self._open[name] += 1
        try:
            while (request := wire.receive(stream)) is not None:
                wire.send(stream, wire.answer(owner, request))
        finally:
            with self._lock:
                self._open[name] -= 1
                gone = self._open[name] == 0
            if gone:
                owner.close()
