"""Walks over the keys of a server without stopping it for long."""

from __future__ import annotations

from collections.abc import Iterator

from wflo_testkit.services.redis.admin import Admin

PAGE = 1000
"""Keys looked at in one step of a SCAN: a shared server must not be stopped for long."""


def pages(admin: Admin, pattern: str) -> Iterator[list[bytes]]:
    """Yield the keys that match, in portions; those that are written meanwhile may be missing."""
    cursor: int = 0
    while True:
        [(cursor, keys)] = admin.run(("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE))
        if keys:
            yield keys
        if int(cursor) == 0:
            return
