"""Connections that a test left open: found and described."""

from __future__ import annotations

import contextlib
from typing import Any

from wflo_testkit.services.redis.admin import Admin
from wflo_testkit.wait import WaitTimeout, wait_until

GRACE = 0.5
"""Seconds for connections whose client has just hung up; a busy machine passes that on late."""


def left_open(admin: Admin, user: str) -> list[str]:
    """Return a sentence for each connection of `user` that is still there after GRACE."""
    found: list[dict[str, Any]] = []
    mark = f" user={user} ".encode()

    def nobody() -> bool:
        # In two words the library leaves the answer as it is: to parse it takes as long as to ask.
        [text] = admin.run(("CLIENT", "LIST"))
        found[:] = [_fields(line) for line in text.splitlines() if mark in line]
        return not found

    with contextlib.suppress(WaitTimeout):
        wait_until(nobody, timeout=GRACE, poll=0.002, catch=())
    return [_sentence(client) for client in found]


def _fields(line: bytes) -> dict[str, str]:
    """Read a line of CLIENT LIST (redis.io, CLIENT LIST): words of the form key=value."""
    words = (word.partition("=") for word in line.decode(errors="replace").split(" "))
    return {key: value for key, _equals, value in words}


def _sentence(client: dict[str, Any]) -> str:
    name = f" {client['name']!r}" if client.get("name") else ""
    library = f" of {client['lib-name']}" if client.get("lib-name") else ""
    command = client.get("cmd")
    last = (
        f"; its last command: {command.replace('|', ' ')}" if command and command != "NULL" else ""
    )
    return f"a connection{name}{library} was left open{last}"
