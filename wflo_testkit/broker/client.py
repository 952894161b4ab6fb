"""The broker as every other process sees it: the same verbs, over the socket."""

from __future__ import annotations

import contextlib
import struct
import threading

# Python's `socket.socket` is what tests patch: pytest-socket, mocks of HTTP, `mock.patch`.
from _socket import AF_UNIX, SO_RCVTIMEO, SOL_SOCKET
from _socket import socket as Socket  # noqa: N812
from collections.abc import Callable
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from wflo_testkit import __version__, errors
from wflo_testkit.broker.api import UNANSWERED, VERBS
from wflo_testkit.broker.wire import Stream, frame, packed, unpacked
from wflo_testkit.errors import BrokerLost
from wflo_testkit.runtime import kernel, processes

if TYPE_CHECKING:
    from wflo_testkit.broker.api import Ask, BrokerApi
    from wflo_testkit.model import Build, Grant

ANSWER_TIMEOUT = 900
"""Seconds; longer than any start, pull included, that the broker itself would wait for."""
LOG = "broker.log"
"""The broker's output, in the folder of its socket."""
LAST_LINES = 12


def connect(path: str, name: str) -> BrokerApi:
    """Return the broker whose socket is at `path`; it is connected to when first asked.

    name: this process's own, for people.
    """
    asker: Any = BrokerClient(path, name)
    return asker  # type: ignore[no-any-return]


class BrokerClient:
    """A BrokerApi at the other end of a Unix socket. Pickles: the copy connects anew.

    Safe to use from several threads, and in a forked child, which is another owner.
    """

    def __init__(self, path: str, name: str) -> None:
        self._path = path
        self._name = name
        self._links = _Links()

    def __getattr__(self, verb: str) -> Any:
        if verb not in VERBS:
            raise AttributeError(verb)
        return partial(self._ask, verb)

    def __reduce__(self) -> tuple[Any, ...]:
        return BrokerClient, (self._path, self._name)

    def lease(self, ask: Ask) -> Grant | Build:
        """See BrokerApi; what was asked for ahead under this number is there, or on its way."""
        begun = self._of_this_process().ahead.pop(ask.number, None)
        question = b"" if begun else _question("lease", ask)
        return self._result(question, begun=begun)  # type: ignore[no-any-return]

    def release(self, lease_id: str, keep: bool, ahead: Ask | None = None) -> list[str]:
        """See BrokerApi. One message carries both questions.

        To wake the broker, and then this process, takes 0.1 to 0.2 ms of a test; the lease is made
        while pytest passes from one test to the next.
        """
        if ahead is None:
            return self._ask("release", lease_id, keep)  # type: ignore[no-any-return]
        questions = _question("release", lease_id, keep) + _question("lease", ahead)
        return self._result(questions, ahead=ahead.number)  # type: ignore[no-any-return]

    def withdraw(self, number: int) -> None:
        """See BrokerApi; nobody reads any more what was asked for ahead."""
        links = self._of_this_process()
        if (begun := links.ahead.pop(number, None)) is not None:
            links.drop(begun)
        self._ask("withdraw", number)

    def close(self) -> None:
        """Hang up; the broker then gives back what this process still holds."""
        links, self._links = self._links, _Links()
        if links.is_ours:
            with links.lock:
                opened, links.every, links.idle = links.every, [], []
            for stream in opened:
                stream.close()

    def _ask(self, verb: str, *given: Any) -> Any:
        return self._result(_question(verb, *given), is_answered=verb not in UNANSWERED)

    def _result(
        self,
        question: bytes,
        *,
        is_answered: bool = True,
        begun: Stream | None = None,
        ahead: int = 0,
    ) -> Any:
        """Return what is answered; raises it where that is an error, and BrokerLost.

        begun: where the answer comes, if it has been asked for already. ahead: the number of a
        second question, which somebody else is going to read the answer of.
        """
        try:
            answer = self._answer(question, is_answered, begun, ahead)
        except (OSError, ValueError, EOFError) as error:
            raise self._lost(error) from None
        if answer is None:
            raise self._lost("it closed the connection")
        said, value = answer
        if said == "error":
            raise errors.from_json(value)
        return unpacked(value)

    def _answer(self, question: bytes, is_answered: bool, begun: Stream | None, ahead: int) -> Any:
        links = self._of_this_process()
        stream = begun or links.take(self._open)
        try:
            if begun is None:
                stream.link.sendall(question)
            answer = stream.receive() if is_answered else ("ok", ("", None))
        except BaseException:  # Ctrl-C, say: the next to ask would get the answer to this
            links.drop(stream)
            raise
        if ahead:
            links.ahead[ahead] = stream
        else:
            links.put_back(stream)
        return answer

    def _of_this_process(self) -> _Links:
        if not self._links.is_ours:
            self._links = self._links.of_child()
        return self._links

    def _open(self, *, is_anchor: bool) -> Stream:
        """Return a new connection, which has said who asks. Raises OSError."""
        link = Socket(AF_UNIX)
        try:
            # By the kernel: a time-out of Python's costs a system call more for each message.
            link.setsockopt(SOL_SOCKET, SO_RCVTIMEO, struct.pack("ll", ANSWER_TIMEOUT, 0))
            link.connect(self._path)
            stream = Stream(link)
            stream.send((__version__, self._name, processes.own_pid(), is_anchor))
        except BaseException:
            link.close()
            raise
        return stream

    def _lost(self, cause: str | BaseException) -> BrokerLost:
        said = f"{type(cause).__name__}: {cause}" if isinstance(cause, BaseException) else cause
        lines = last_lines(str(PurePath(self._path).with_name(LOG)))
        return BrokerLost(
            "the broker, the process that owns the containers, is gone",
            cause=f"{said}; its last lines:\n{lines}" if lines else said,
            looked_at=self._path,
            fix="look for what ended it: a kill, the machine's memory, a crash above",
        )


class _Links:
    """The connections of one process.

    A question has a connection to itself, so that one that waits for a template does not hold up
    the one that makes it; then the next question may have it, from whichever thread. The first
    connection carries none: while it is open, what this process holds stays.
    ahead: the one that a lease is going to come by, by the number of its ask.
    """

    def __init__(self) -> None:
        self._process = processes.own_pid()
        self.lock = threading.Lock()
        self.every: list[Stream] = []
        self.idle: list[Stream] = []
        self.ahead: dict[int, Stream] = {}

    @property
    def is_ours(self) -> bool:
        """Whether they are of this process: a forked child inherits its parent's."""
        return self._process == processes.own_pid()

    def of_child(self) -> _Links:
        """Return those of a forked child, which lets go of what it inherited."""
        for stream in self.every:
            stream.close()
        return _Links()

    def take(self, open_one: Callable[..., Stream]) -> Stream:
        """Return an idle one, or a new one: the caller's until `put_back` or `drop`."""
        with self.lock:
            if self.idle:
                return self.idle.pop()
            if not self.every:
                self.every.append(open_one(is_anchor=True))
            self.every.append(open_one(is_anchor=False))
            return self.every[-1]

    def put_back(self, stream: Stream) -> None:
        with self.lock:
            if stream in self.every:  # not closed meanwhile
                self.idle.append(stream)

    def drop(self, stream: Stream) -> None:
        with self.lock:
            if stream in self.every:
                self.every.remove(stream)
        stream.close()


def _question(verb: str, *given: Any) -> bytes:
    return frame((verb, *map(packed, given)))


def last_lines(path: str) -> str:
    """Return the end of what a broker has written, "" if there is nothing."""
    with contextlib.suppress(OSError):
        return "\n".join(kernel.read(path).rstrip().splitlines()[-LAST_LINES:])
    return ""
