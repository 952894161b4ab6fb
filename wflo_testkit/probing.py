"""What probes have in common that speak a protocol by hand."""

from __future__ import annotations

import socket


class NotReady(ConnectionError):
    """The port is open, but nothing behind it serves yet."""


def exactly(link: socket.socket, size: int) -> bytes:
    """Read `size` bytes. Raises NotReady when the other side hangs up before, and OSError."""
    data = b""
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            raise NotReady("the connection was closed before an answer: not up yet")
        data += part
    return data
