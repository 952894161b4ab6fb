"""Functions that tests have loaded: libraries belong to the whole server (Redis 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wflo_testkit.services.redis.admin import Admin


def reset(admin: Admin, others: Sequence[str]) -> list[str]:
    """Delete all libraries, or say why not: `others` may have loaded them, for people to read."""
    [found] = admin.tried(("FUNCTION", "LIST"))
    if isinstance(found, Exception) or not found:  # Redis 6 has none
        return []
    names = [_name(each) for each in found]
    if not others:
        admin.run(*(("FUNCTION", "DELETE", name) for name in names))
        return []
    told = ", ".join(repr(name.decode(errors="replace")) for name in names)
    return [
        f"functions belong to the whole server; {told} may be of {' or '.join(others)}, and stay"
    ]


def _name(entry: Any) -> bytes:
    """Return the library's name of an entry: a map in RESP3, a flat list before."""
    pairs = entry if isinstance(entry, dict) else dict(zip(entry[::2], entry[1::2], strict=True))
    names = (b"library_name", "library_name")
    return bytes(next(value for key, value in pairs.items() if key in names))
