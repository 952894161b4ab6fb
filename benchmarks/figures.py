"""Arithmetic of measurements: medians, percentiles, ratios, and whether a goal is met."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

MET, MISSED, VOID, NO_GOAL = "✔", "✘", "void", "-"
ENOUGH_FOR_P99 = 100
"""Values below which the 99th percentile would be the largest value by another name."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Of seconds measured: the middle, the 99th percentile (nearest rank), the largest."""

    median: float
    p99: float
    largest: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Summary:
        """Summarise at least one value. Raises ValueError for none."""
        ordered = sorted(values)
        if not ordered:
            raise ValueError("nothing was measured")
        rank = math.ceil(0.99 * len(ordered))
        return cls(statistics.median(ordered), ordered[rank - 1], ordered[-1], len(ordered))

    def __str__(self) -> str:
        far = f"p99 {duration(self.p99)}"
        if self.count < ENOUGH_FOR_P99:
            far = f"max {duration(self.largest)}"
        return f"{duration(self.median)} ({far}, n {self.count})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure must reach.

    text: as the table shows it. limit: from the floor's median to the most that the median may
    be, both in seconds; None: no goal, measured for information.
    p99: the most that the 99th percentile may be, if that has a goal.
    void_above: a floor above this (seconds) says that the machine was too busy to judge by.
    """

    text: str = NO_GOAL
    limit: Callable[[float], float] | None = None
    p99: float | None = None
    void_above: float | None = None

    def limit_of(self, floor: Summary) -> float:
        """Return the most that the median may be, in seconds. Raises ValueError without a goal."""
        if self.limit is None:
            raise ValueError("there is no goal")
        return self.limit(floor.median)

    def verdict(self, measured: Summary, floor: Summary | None) -> str:
        """Return MET, MISSED, VOID or NO_GOAL."""
        if self.limit is None:
            return NO_GOAL
        base = floor.median if floor is not None else 0.0
        if self.void_above is not None and base > self.void_above:
            return VOID
        fits = measured.median <= self.limit(base)
        if self.p99 is not None:
            fits = fits and measured.p99 <= self.p99
        return MET if fits else MISSED


def at_most(seconds: float, *, p99: float | None = None) -> Goal:
    """Return the goal of a median, and perhaps a 99th percentile, of so many seconds."""
    text = f"≤ {duration(seconds)}"
    if p99 is not None:
        text += f", p99 ≤ {duration(p99)}"
    return Goal(text=text, limit=lambda _floor: seconds, p99=p99)


def over_floor(extra: float, *, factor: float = 1.0, void_above: float | None = None) -> Goal:
    """Return the goal of `factor` floors and `extra` seconds."""
    times = "" if factor == 1.0 else f"{factor:g} x "
    text = f"≤ {times}floor + {duration(extra)}"
    if void_above is not None:
        text += f" (void if the floor is over {duration(void_above)})"
    return Goal(text=text, limit=lambda floor: factor * floor + extra, void_above=void_above)


def differences(more: Sequence[float], less: Sequence[float]) -> list[float]:
    """Return more[i] - less[i]: what was measured in pairs is compared in pairs."""
    return [a - b for a, b in zip(more, less, strict=True)]


def doubt(values: Sequence[float]) -> float:
    """Return two standard errors of the median: how far it may well be off.

    1.25 times that of the mean, from the quartiles, which a few long values do not move.
    """
    low, _middle, high = statistics.quantiles(values, n=4)
    return 2 * 1.25 * (high - low) / 1.35 / math.sqrt(len(values))


def ratio(measured: Summary, floor: Summary | None) -> str:
    """Return how many floors the median is, such as "1.34 x"; NO_GOAL where that says nothing."""
    if floor is None or floor.median <= 0:
        return NO_GOAL
    return f"{measured.median / floor.median:.2f} x"


def duration(seconds: float) -> str:
    """Write seconds with three digits, in s, ms or µs."""
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if abs(seconds) >= unit:
            return f"{_three_digits(seconds / unit)} {name}"
    return f"{_three_digits(seconds / 1e-6)} µs" if seconds else "0 s"


def _three_digits(value: float) -> str:
    whole = len(str(int(abs(value))))
    text = f"{value:.{max(0, 3 - whole)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
