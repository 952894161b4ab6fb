"""One cheap attempt to use a Kafka broker: two requests written by hand."""

from __future__ import annotations

import socket
import struct

from wflo_testkit.model import Server
from wflo_testkit.probing import NotReady, exactly
from wflo_testkit.services.kafka.server import KafkaServer
from wflo_testkit.services.kafka.spec import addresses

SECONDS = 1.0

# Apache Kafka, protocol guide. A request: size int32, key int16, version int16, correlation
# int32, client id as int16 length and text; then the body. An answer: size int32, correlation
# int32; then the body.
_CLIENT = b"\x00\x04wflo"
_API_VERSIONS = struct.pack(">hhi", 18, 0, 1) + _CLIENT
# Version 4, the oldest that Kafka 4 takes. Body: an empty list of topics, no auto-creation.
_METADATA = struct.pack(">hhi", 3, 4, 2) + _CLIENT + struct.pack(">ib", 0, 0)


def probe(server: Server) -> None:
    """Ask for versions and metadata; raises NotReady or OSError while there is no broker.

    A connection that opens proves nothing (Docker's proxy), nor does a list without brokers.
    """
    assert isinstance(server, KafkaServer)
    error: OSError | None = None
    for host, port in addresses(server.bootstrap_servers):
        try:
            return _ask(host, port)
        except OSError as failure:
            error = failure
    assert error is not None
    raise error


def _ask(host: str, port: int) -> None:
    with socket.create_connection((host, port), timeout=SECONDS) as link:
        link.sendall(_framed(_API_VERSIONS) + _framed(_METADATA))
        [code] = struct.unpack_from(">h", _answer(link))
        if code:
            raise NotReady(f"ApiVersions was answered by error {code}")
        # throttle_time_ms int32, then the number of brokers int32
        [brokers] = struct.unpack_from(">i", _answer(link), 4)
        if brokers < 1:
            raise NotReady("no broker has joined the cluster yet")


def _framed(request: bytes) -> bytes:
    return struct.pack(">i", len(request)) + request


def _answer(link: socket.socket) -> bytes:
    """Return the next answer's body, without its correlation id."""
    [size] = struct.unpack(">i", exactly(link, 4))
    if not 8 <= size <= 1 << 20:
        raise NotReady(f"an answer of {size} bytes: not a Kafka broker?")
    return exactly(link, size)[4:]
