"""One cheap attempt to use a Postgres server."""

from __future__ import annotations

import socket
import struct
from importlib.util import find_spec

from wflo_testkit.model import Server
from wflo_testkit.probing import NotReady
from wflo_testkit.services.postgres.server import PostgresServer

_SECONDS = 1.0
_PROTOCOL = 196608  # 3.0 (PostgreSQL manual, Message Formats: StartupMessage)


def probe(server: Server) -> None:
    """Start a session by hand; an external server is asked SELECT 1 by the driver as well.

    By hand it costs 0.1 ms and no import, and tells "starting up" (57P03) from "up"; Docker's
    proxy accepts connections from the first moment on and closes them. The temporary server of
    the image's first start listens on a Unix socket only. Raises NotReady, OSError, psycopg.Error.
    """
    assert isinstance(server, PostgresServer)
    if not server.is_external:
        _shake_hands(server)
    elif find_spec("psycopg") is not None:
        _select_one(server)


def _shake_hands(server: PostgresServer) -> None:
    """Send a StartupMessage; any answer but an error says that the server serves."""
    with socket.create_connection((server.host, server.port), timeout=_SECONDS) as link:
        link.sendall(_startup_message(server.user, server.database))
        answer = link.recv(1024)
    if not answer:
        raise NotReady("the connection was closed before an answer: the server is not up yet")
    if answer[:1] == b"E":
        raise NotReady(_message(answer))


def _select_one(server: PostgresServer) -> None:
    import psycopg

    keywords = {**server.address.keywords(), "connect_timeout": 2}
    with psycopg.connect(**keywords, autocommit=True) as connection:  # type: ignore[arg-type]
        connection.execute("SELECT 1")


def _startup_message(user: str, database: str) -> bytes:
    pairs = ("user", user, "database", database)
    words = b"".join(word.encode() + b"\0" for word in pairs) + b"\0"
    return struct.pack("!ii", 8 + len(words), _PROTOCOL) + words


def _message(answer: bytes) -> str:
    """Return code and text of an ErrorResponse: fields C and M after five bytes."""
    fields = {part[:1]: part[1:].decode(errors="replace") for part in answer[5:].split(b"\0")}
    return f"{fields.get(b'C', '?')}: {fields.get(b'M', 'no message')}"
