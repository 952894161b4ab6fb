"""Readiness by the leanest means: each protocol by hand, no client library.

Apart from the kit's own probes on purpose: a floor must not move when those change.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a server that is starting will answer."""

    host: str
    port: int
    user: str
    password: str


def postgres(reach: Reach) -> None:
    """Start a session (PostgreSQL manual, Message Formats); any question for a password will do."""
    words = b"user\0" + reach.user.encode() + b"\0database\0postgres\0\0"
    body = struct.pack("!ii", 8 + len(words), 196608) + words
    if _exchange(reach, body, 1)[:1] != b"R":
        raise ConnectionError("not up yet")


def redis(reach: Reach) -> None:
    """AUTH and PING as inline commands (Redis serialization protocol)."""
    answer = _exchange(reach, f"AUTH {reach.user} {reach.password}\r\nPING\r\n".encode(), 12)
    if answer != b"+OK\r\n+PONG\r\n":
        raise ConnectionError("not up yet")


def kafka(reach: Reach) -> None:
    """Metadata version 4 without topics (Kafka protocol guide) names at least one broker."""
    request = struct.pack(">hhih", 3, 4, 1, -1) + struct.pack(">ib", 0, 0)
    # size, correlation id, throttle_time_ms, number of brokers
    answer = _exchange(reach, struct.pack(">i", len(request)) + request, 16)
    if len(answer) < 16 or struct.unpack_from(">i", answer, 12)[0] < 1:
        raise ConnectionError("not up yet")


def temporal(reach: Reach) -> None:
    """DescribeTaskQueue, which matching answers, as gRPC written by hand.

    HTTP/2 (RFC 9113) with header fields that are neither indexed nor compressed (RFC 7541,
    6.2.2). A refusal has no DATA frame.
    """
    queue = _field(1, b"default") + _field(2, _field(1, b"bench")) + b"\x18\x01"
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/temporal.api.workflowservice.v1.WorkflowService/DescribeTaskQueue",
        ":authority": "bench",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    headers = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
    message = b"\0" + struct.pack(">I", len(queue)) + queue
    request = (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + _frame(4, 0, 0, b"")
        + _frame(1, 4, 1, headers)
        + _frame(0, 1, 1, message)
    )
    with socket.create_connection((reach.host, reach.port), timeout=SECONDS) as link:
        link.sendall(request)
        while True:
            head = _exactly(link, 9)
            kind, flags = head[3], head[4]
            _exactly(link, int.from_bytes(head[:3], "big"))
            if kind == 0:  # DATA
                return
            if kind in (3, 7) or (kind == 1 and flags & 1):  # RST_STREAM, GOAWAY, or only trailers
                raise ConnectionError("not up yet")


PROBES: dict[str, Callable[[Reach], None]] = {
    "postgres": postgres,
    "redis": redis,
    "kafka": kafka,
    "temporal": temporal,
}


def _exchange(reach: Reach, request: bytes, size: int) -> bytes:
    """Send `request` and return the first `size` bytes of the answer."""
    with socket.create_connection((reach.host, reach.port), timeout=SECONDS) as link:
        link.sendall(request)
        return _exactly(link, size)


def _exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:  # Docker's proxy accepts before anybody listens behind it
            raise ConnectionError("closed before an answer")
        data += part
    return data


def _field(number: int, value: bytes) -> bytes:
    """Return a length-delimited protobuf field of fewer than 128 bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def _text(value: str) -> bytes:
    """Return an uncompressed HPACK string of fewer than 127 bytes."""
    return bytes([len(value)]) + value.encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload
