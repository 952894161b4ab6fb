"""What to do about an error of Redis, as far as it tells what has happened."""

from __future__ import annotations

from wflo_testkit.services.redis.server import RedisServer

_SAID = (
    (
        "OOM ",
        "its memory is used up: let tests write less, or raise --maxmemory in redis_arguments",
    ),
    (
        "max number of clients",
        "close connections: the log of each test tells of those it left open",
    ),
    ("MISCONF", "its disk is full, or cannot be written to: see the server's log"),
    ("READONLY", "it has become a replica: give the test that does so a server of its own"),
)


def remedy(error: Exception, server: RedisServer) -> str:
    """Return what to do about an error that the kit's own commands have met."""
    from redis import exceptions

    if isinstance(error, exceptions.AuthenticationError) or "WRONGPASS" in str(error):
        return _of_account(server)
    if said := next((fix for word, fix in _SAID if word in str(error)), ""):
        return said
    if isinstance(error, exceptions.TimeoutError):
        return "look what keeps it from answering: CLIENT PAUSE, a slow command, a busy machine"
    if isinstance(error, exceptions.ConnectionError):
        return "look whether it still runs: a test may have stopped it, or its memory ran out"
    return "see the server's log"


def _of_account(server: RedisServer) -> str:
    if server.is_external:
        return "correct the account and the password in redis_url"
    return (
        f"leave the account {server.username!r} as it is: it is the kit's, and somebody has "
        "removed it or changed its password"
    )
