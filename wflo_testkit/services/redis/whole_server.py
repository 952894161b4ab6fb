"""A server that one test has to itself: as it was when that test came."""

from __future__ import annotations

from typing import Any

from wflo_testkit.services.redis.admin import Admin


class WholeServer:
    """Knows the settings at first."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._settings: dict[Any, Any] = {}

    def note(self) -> None:
        """Note the settings, at the first call. Raises IsolationFailed."""
        self._settings = self._settings or self._now()

    def reset(self) -> list[str]:
        """Empty all databases, delete all functions, set back all settings.

        Returns a sentence per setting. Raises IsolationFailed.
        """
        self._admin.tried(("FUNCTION", "FLUSH"))  # Redis 6 has none
        self._admin.run(("FLUSHALL",), ("SCRIPT", "FLUSH"))
        now = self._now()
        changed = {key: old for key, old in self._settings.items() if now.get(key) != old}
        if changed:
            self._admin.run(*(("CONFIG", "SET", key, value) for key, value in changed.items()))
        return [f"the setting {_text(key)!r} was changed" for key in changed]

    def _now(self) -> dict[Any, Any]:
        [found] = self._admin.run(("CONFIG", "GET", "*"))
        if isinstance(found, dict):
            return found
        return dict(zip(found[::2], found[1::2], strict=True))


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
