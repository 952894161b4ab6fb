"""What the server has refused a test's account, for the report of a failed test."""

from __future__ import annotations

from typing import Any

from wflo_testkit.services.redis.admin import Admin


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
