"""One cheap attempt to use a Redis server."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from io import BufferedReader

from wflo_testkit.model import Server
from wflo_testkit.probing import NotReady
from wflo_testkit.services.redis.server import RedisServer

SECONDS = 1.0


def probe(server: Server) -> None:
    """Send AUTH and PING. Raises NotReady, OSError, or a redis.RedisError.

    Docker's proxy accepts connections from the first moment on and closes them, and a server
    that reads its data answers LOADING: both raise, so that the caller tries again.
    """
    assert isinstance(server, RedisServer)
    if server.is_external:
        _ping_with_the_client(server)
    else:
        _ping_by_hand(server)


def _ping_by_hand(server: RedisServer) -> None:
    """Speak RESP (Redis serialization protocol): no import, 0.1 ms."""
    account = tuple(word for word in (server.username, server.password) if word)
    words = [("AUTH", *account)] if account else []
    commands = [*words, ("PING",)]
    with (
        socket.create_connection((server.host, server.port), timeout=SECONDS) as link,
        link.makefile("rb") as answers,
    ):
        link.sendall(b"".join(_encoded(command) for command in commands))
        for _command in commands:
            _expect_simple_string(answers)


def _encoded(words: tuple[str, ...]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def _expect_simple_string(answers: BufferedReader) -> None:
    line = answers.readline()
    if not line.startswith(b"+"):
        text = line.decode(errors="replace").strip()
        raise NotReady(text or "the connection was closed before an answer: not up yet")


def _ping_with_the_client(server: RedisServer) -> None:
    """An external server may want TLS; without the client library its first use will tell."""
    if find_spec("redis") is None:
        return
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    with redis.Redis.from_url(
        server.url,
        socket_connect_timeout=SECONDS,
        socket_timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
    ) as client:
        client.ping()
