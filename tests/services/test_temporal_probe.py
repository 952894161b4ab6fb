"""A Temporal server is ready when matching answers; an open port or a greeting is not enough."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from wflo_testkit.model import MAIN
from wflo_testkit.services.temporal.by_hand import NotReady
from wflo_testkit.services.temporal.probe import probe
from wflo_testkit.services.temporal.server import TemporalServer

END_STREAM = 1


def frame(kind: int, flags: int = 0, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2 on stream 1 (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags, 0, 0, 0, 1]) + payload


SETTINGS = frame(4)
REFUSED = frame(1, END_STREAM, b"trailers")
ANSWER = frame(1, 0, b"headers") + frame(0, 0, b"\0\0\0\0\0")


@contextmanager
def answering(answer: bytes) -> Iterator[TemporalServer]:
    """A server that says `answer`, whatever it is asked, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            link, _address = listener.accept()
            with link:
                link.recv(1000)
                link.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        yield TemporalServer(
            service="temporal", name="temporal", host="127.0.0.1", ports={MAIN: port}
        )
        thread.join()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed before an answer"),
        (SETTINGS, "closed before an answer"),
        (SETTINGS + REFUSED, "was refused"),
        (SETTINGS + frame(7), "was refused"),
    ],
    ids=["nothing", "a greeting only", "a refusal", "a farewell"],
)
def test_a_fake_server_that_is_not_ready_is_told_from_one_that_is(
    answer: bytes, words: str
) -> None:
    with answering(answer) as server, pytest.raises(NotReady, match=words):
        probe(server)
    with answering(SETTINGS + ANSWER) as server:
        probe(server)


def test_a_real_server_answers_by_hand(temporal_server: TemporalServer) -> None:
    probe(temporal_server)
