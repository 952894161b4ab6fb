"""Lengths of time as people write them: 90, "90s", "15m", "24h", "7d"."""

from __future__ import annotations

from typing import Self

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


class Duration(float):
    """Seconds, shown in the largest unit that needs no fraction."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a number of seconds, or one with a unit. Raises ValueError."""
        word = text.strip().lower()
        unit = _UNITS.get(word[-1:], 0)
        try:
            return cls(float(word[:-1]) * unit if unit else float(word))
        except ValueError:
            raise ValueError("it is no number of seconds, nor one with s, m, h or d") from None

    def __str__(self) -> str:
        for unit, size in _UNITS.items():
            if self and self % size == 0:
                return f"{self / size:g}{unit}"
        return f"{float(self):g}s"
