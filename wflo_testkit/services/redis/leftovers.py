"""What a test has left on the server: open connections, and what its account was refused."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from wflo_testkit.errors import TestkitError
from wflo_testkit.isolation import ToldOnce
from wflo_testkit.probing import NotReady
from wflo_testkit.services.redis.admin import NAME, Admin
from wflo_testkit.services.redis.probe import probe
from wflo_testkit.services.redis.server import RedisServer
from wflo_testkit.wait import pause

PASSES = 6
"""New connections after which one that is still there was not closed; see `_let_ends_pass`."""
MORE_TIME = 0.004
"""Seconds more between two of them each time; 0.06 in all for what is really left open."""

_BUSY = frozenset("bxPO")
"""Flags of a client that is blocked, in MULTI, subscribed, or in MONITOR (Redis, CLIENT LIST)."""
_IDLE = {"flags": "N", "multi": "-1", "sub": "0", "psub": "0", "ssub": "0", "watch": "0"}
"""What CLIENT LIST says of a connection without any state."""
_KITS = f" name={NAME} ".encode()


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the server at a test's end has shown.

    connections: a sentence for each that the test left open.
    keys: how many there are in the database where a client lands that names none.
    runs: how many runs are connected.
    """

    connections: list[str]
    keys: int
    runs: int


def look(server: RedisServer, admin: Admin, user: str, told: ToldOnce | None = None) -> Look:
    """Look what `user` has left: one round trip where it has closed its connections.

    told: which idle ones are known.
    """
    clients, text, keys = _clients(server, admin, user)
    for turn in range(PASSES):
        if not clients:
            break
        pause(turn * MORE_TIME)  # first none: the end has come by then, but on a busy machine
        _let_ends_pass(server)
        clients, text, keys = _clients(server, admin, user)
    return Look([_told(told, client) for client in clients], keys, text.count(_KITS))


@dataclass(frozen=True, slots=True)
class Busy:
    """Which connections of an account hold state.

    any: whether one may; named: a sentence for each that does, as far as the server tells.
    keys: see Look.
    """

    any: bool
    named: list[str]
    keys: int


def busy(server: RedisServer, admin: Admin, user: str) -> Busy:
    """Look for connections of `user` that are more than logged in and idle."""
    size = () if server.is_external else (("DBSIZE",),)
    clients, *keys = admin.run(("CLIENT LIST",), *size)
    mine = [client for client in clients if client.get("user") == user]
    holding = [client for client in mine if any(client.get(k, v) != v for k, v in _IDLE.items())]
    # Redis up to 7.2 does not tell what is watched.
    unknown = any(key not in client for client in mine for key in _IDLE)
    return Busy(bool(holding) or unknown, [_sentence(client) for client in holding], sum(keys))


def runs(admin: Admin) -> int:
    """Return how many runs are connected, as far as their administrators show."""
    [text] = admin.run(("CLIENT", "LIST"))
    return int(text.count(_KITS))


def _clients(
    server: RedisServer, admin: Admin, user: str
) -> tuple[list[dict[str, Any]], bytes, int]:
    """Return the connections of `user`, the whole list as text, and the keys."""
    # In two words the library leaves the answer as it is, which takes 0.21 instead of 0.25 ms
    # (measured, five clients); it reads it for us when there is something to tell.
    size = () if server.is_external else (("DBSIZE",),)
    text, *keys = admin.run(("CLIENT", "LIST"), *size)
    if f" user={user} ".encode() not in text:
        return [], text, sum(keys)
    [clients] = admin.run(("CLIENT LIST",))
    return [client for client in clients if client.get("user") == user], text, sum(keys)


def _let_ends_pass(server: RedisServer) -> None:
    """Go the way of the test's connections once, up to an answer of the server.

    A connection that a client has closed is on the server's list until its end has come through
    Docker's proxy. What sets out later on the same way takes as long, on a busy machine, too.
    """
    import redis

    with contextlib.suppress(OSError, NotReady, TestkitError, redis.RedisError):
        probe(server)


def _told(told: ToldOnce | None, client: dict[str, Any]) -> str:
    """Return the sentence about a connection; idle is one that neither waits nor listens."""
    whose, sentence = f"{client.get('name')} {client.get('lib-name')}", _sentence(client)
    is_idle = _BUSY.isdisjoint(client.get("flags", ""))
    return told.mark(whose, sentence) if told is not None and is_idle else sentence


def _sentence(client: dict[str, Any]) -> str:
    name = f" {client['name']!r}" if client.get("name") else ""
    library = f" of {client['lib-name']}" if client.get("lib-name") else ""
    command = client.get("cmd")
    last = (
        f"; its last command: {command.replace('|', ' ')}" if command and command != "NULL" else ""
    )
    return f"a connection{name}{library} was left open{last}"


def refused(admin: Admin, user: str) -> list[str]:
    """Return a line per kind of refusal, the last one first: "key 'orders' (3 times)".

    Redis keeps the last 128 of all accounts (acllog-max-len), equal ones as one entry.
    Raises IsolationFailed, at once if a script keeps the server busy, and ServiceUnavailable.
    """
    [entries] = admin.run(("ACL LOG",), patience=0)
    return [_line(entry) for entry in entries if _text(entry["username"]) == user]


def _line(entry: dict[str, Any]) -> str:
    where = _text(entry["context"])
    inside = "" if where == "toplevel" else f" inside {where}"
    count = int(entry["count"])
    times = f" ({count} times)" if count > 1 else ""
    return f"{_text(entry['reason'])} {_text(entry['object'])!r}{inside}{times}"


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
