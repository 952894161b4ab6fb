"""The broker's process: answers whoever connects, and watches who asked and who owns it."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import select
import socket
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wflo_testkit import __version__, errors
from wflo_testkit.broker.api import UNANSWERED, VERBS, BrokerApi
from wflo_testkit.broker.wire import Stream, packed, unpacked
from wflo_testkit.errors import BrokerLost, TestkitError
from wflo_testkit.runtime import kernel, processes
from wflo_testkit.wait import pause

if TYPE_CHECKING:
    from wflo_testkit.broker.broker import Broker

POLL = 0.5
"""Seconds between two looks at the processes, for when a forked child holds a socket open."""
RETRY = 0.1
"""Seconds between two tries to let somebody in, where the system has no descriptor or thread."""
STEP_BACK = 1e-5
"""Seconds, as few as a thread can sleep; without, a processor's only core stays with this one."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Peer:
    """A process that asks: an owner of leases, until its last connection has closed.

    key: its process id, and what it calls itself. began: see processes.started.
    is_known: whether the connection that stands for it has said so.
    """

    name: str
    key: tuple[int, str]
    began: str
    is_known: bool = False
    connections: set[socket.socket] = field(default_factory=set)

    @property
    def is_dead(self) -> bool:
        return processes.is_gone(self.key[0], self.began) or processes.is_missing(self.key[0])

    def hang_up(self) -> None:
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Connections:
    """Accepts callers from the first moment; answers them once there is a broker.

    A connection begins with the caller's version, name, process id and whether it is the first of
    that process. When the last one closes, the process is done or dead, and what it still holds
    is given back. Those of a process that is proven dead are closed, whoever has inherited them.
    """

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening
        self._lock = threading.Lock()
        self._peers: dict[tuple[int, str], Peer] = {}
        self._leaving: set[str] = set()
        self._closing = threading.Event()
        self._broker: Future[Broker] = Future()
        threading.Thread(target=self._accept, name="wflo-broker", daemon=True).start()

    @property
    def path(self) -> str:
        """Where callers come in."""
        return str(self._socket.getsockname())

    def serve(self, broker: Broker) -> None:
        """Answer from now on."""
        self._broker.set_result(broker)

    def hang_up_on_the_dead(self) -> None:
        """Close the connections of processes that are proven dead."""
        for peer in self._all_peers():
            if peer.is_dead:
                peer.hang_up()

    def close(self) -> None:
        """Stop listening, hang up."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for peer in self._all_peers():
            peer.hang_up()

    def _all_peers(self) -> list[Peer]:
        with self._lock:
            return list(self._peers.values())

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
        # The other side may die in the middle of a frame, or be a stranger.
        with connection, contextlib.suppress(OSError, ValueError, EOFError, TypeError):
            connection.setblocking(True)
            stream = Stream(connection)
            if (hello := stream.receive()) is not None:
                version, name, pid, is_anchor = hello
                peer = self._joined(connection, name, pid, is_anchor)
                try:
                    self._converse(stream, peer, version)
                finally:
                    self._left(connection, peer)

    def _joined(self, connection: socket.socket, name: str, pid: int, is_anchor: bool) -> Peer:
        """Return the process behind a connection: the kernel's word counts, where it gives it."""
        key = (kernel.peer(connection) or pid, name)
        with self._lock:
            if (peer := self._peers.get(key)) is None:
                peer = Peer(self._free_name(name, key[0]), key, processes.started(key[0]))
                self._peers[key] = peer
            peer.is_known |= is_anchor
            peer.connections.add(connection)
        return peer

    def _free_name(self, name: str, number: int) -> str:
        """Return a name that no owner of leases has; the lock is held.

        A copy in another process, forked or spawned, has the name of the first; and a process that
        comes again must not lose what is just being taken from who had its name before.
        """
        taken = {each.name for each in self._peers.values()} | self._leaving
        names = itertools.chain([name], (f"{name}-{each}" for each in itertools.count(number)))
        return next(each for each in names if each not in taken)

    def _left(self, connection: socket.socket, peer: Peer) -> None:
        with self._lock:
            peer.connections.discard(connection)
            # Else its first connection waits to be read still, as after Ctrl-C in a question.
            is_gone = peer.is_known and not peer.connections
            if is_gone:
                del self._peers[peer.key]
                self._leaving.add(peer.name)
        if is_gone:
            if self._broker.done():
                log.debug("%s is gone", peer.name)
                self._broker.result().owner(peer.name).close()
            with self._lock:
                self._leaving.discard(peer.name)

    def _converse(self, stream: Stream, peer: Peer, version: str) -> None:
        owner: BrokerApi | None = None
        while (question := stream.receive()) is not None:
            verb, *given = question
            log.debug("%s asks: %s", peer.name, verb)
            try:
                owner = owner or self._owner(peer, version)
                answer = ("ok", packed(_carried_out(owner, verb, given)))
            except Exception as error:  # noqa: BLE001 - sent to the asker, who raises it
                answer = _refusal(error)
            if verb not in UNANSWERED:
                _send(stream, answer)
                if stream.has_more:  # asked ahead: the asker, now awake, has the first right
                    pause(STEP_BACK)

    def _owner(self, peer: Peer, version: str) -> BrokerApi:
        broker = self._broker.result()
        if version != __version__:
            raise BrokerLost(
                f"the broker is of wflo-testkit {__version__}, this process has {version}",
                fix="let all processes of a run use one installation",
            )
        return broker.owner(peer.name)


def _carried_out(owner: BrokerApi, verb: str, given: list[Any]) -> Any:
    if verb not in VERBS:
        raise TestkitError(f"the broker knows no {verb!r}")
    return getattr(owner, verb)(*map(unpacked, given))


def _refusal(error: Exception) -> tuple[str, Any]:
    if not isinstance(error, TestkitError):
        log.error("unexpected", exc_info=error)
    return "error", errors.to_json(error)


def _send(stream: Stream, answer: tuple[str, Any]) -> None:
    try:
        stream.send(answer)
    except TypeError as error:  # a service's answer is no plain data
        stream.send(_refusal(error))


def until_its_end(control: Stream, owner: int, connections: Connections) -> Any:
    """Block until the owner speaks or is gone; return what it said, None if it is gone.

    owner: its process id; a forked child of it may hold the other end of `control` open.
    """
    while True:
        if control.has_more or select.select([control.link], [], [], POLL)[0]:
            with contextlib.suppress(OSError):
                return control.receive()
            return None
        if os.getppid() != owner:
            return None
        connections.hang_up_on_the_dead()
