"""A Temporal server is ready when matching answers; an open port or a greeting is not enough."""

from __future__ import annotations

import pytest

from tests.services.answering import answering
from wflo_testkit.model import MAIN
from wflo_testkit.probing import NotReady
from wflo_testkit.services.temporal.probe import probe
from wflo_testkit.services.temporal.server import TemporalServer

END_STREAM = 1


def frame(kind: int, flags: int = 0, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2 on stream 1 (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags, 0, 0, 0, 1]) + payload


SETTINGS = frame(4)
REFUSED = frame(1, END_STREAM, b"trailers")
ANSWER = frame(1, 0, b"headers") + frame(0, 0, b"\0\0\0\0\0")


def server_at(port: int) -> TemporalServer:
    return TemporalServer(service="temporal", name="temporal", host="127.0.0.1", ports={MAIN: port})


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
    with answering(answer) as port, pytest.raises(NotReady, match=words):
        probe(server_at(port))
    with answering(SETTINGS + ANSWER) as port:
        probe(server_at(port))


def test_a_real_server_answers_by_hand(temporal_server: TemporalServer) -> None:
    probe(temporal_server)
