"""One gRPC call without a gRPC library, for probes that run while the server still starts.

Loading the SDK takes 0.15 to 0.3 s of CPU (measured), which four servers that start on two cores do
not have to spare. Temporal's HTTP port answers as soon, and to the standard library, but is another
one than clients use, and a second published port takes Docker 20 ms and more (measured).
"""

from __future__ import annotations

import socket
import struct

from wflo_testkit.probing import NotReady, exactly

SECONDS = 1.0

# HTTP/2 (RFC 9113): 3.4 connection preface; 4.1 frame header: length, type, flags, stream;
# 6 types; END_STREAM and END_HEADERS are flags of HEADERS and DATA.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS = 1, 4
_STREAM = 1


def call(host: str, port: int, method: str, message: bytes) -> bytes:
    """Call `method` ("/package.Service/Method") with a protobuf `message`; return the answer's.

    Raises NotReady when the server refuses, hangs up or answers without a message, and OSError.
    """
    with socket.create_connection((host, port), timeout=SECONDS) as link:
        link.sendall(_PREFACE + _frame(_SETTINGS, 0, 0) + _request(host, method, message))
        while True:
            kind, payload = _next_frame(link)
            if kind == _DATA:
                return payload[5:]  # after gRPC's own prefix
            if kind in (_RST_STREAM, _GOAWAY):
                raise NotReady(f"{method} was refused: the server is not up yet")


def field(number: int, value: bytes | int) -> bytes:
    """Return a protobuf field: a text or message under 128 bytes, or a number under 128."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def _request(host: str, method: str, message: bytes) -> bytes:
    """HEADERS in HPACK's plainest form (RFC 7541, 6.2.2), then gRPC's length-prefixed message."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": host,
        "content-type": "application/grpc",
        "te": "trailers",
    }
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
    body = struct.pack(">BI", 0, len(message)) + message
    return _frame(_HEADERS, _END_HEADERS, _STREAM, block) + _frame(
        _DATA, _END_STREAM, _STREAM, body
    )


def _text(value: str) -> bytes:
    """Return an HPACK string literal of fewer than 127 bytes."""
    return bytes([len(value)]) + value.encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def _next_frame(link: socket.socket) -> tuple[int, bytes]:
    """Read one frame: its type and content; a HEADERS frame that ends the stream is a refusal."""
    head = exactly(link, 9)
    kind, flags = head[3], head[4]
    payload = exactly(link, int.from_bytes(head[:3], "big"))
    return _RST_STREAM if kind == _HEADERS and flags & _END_STREAM else kind, payload
