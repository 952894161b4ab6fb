"""What a scenario gets: how often to repeat, where to report progress."""

from __future__ import annotations

import sys
from dataclasses import dataclass


class BenchmarkFailed(RuntimeError):
    """Something that was to be measured did not work; the message has its output."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the benchmarks. quick: a trial, too few values to judge by."""

    quick: bool = False

    def times(self, full: int, quick: int) -> int:
        """Return how often to repeat."""
        return quick if self.quick else full

    def say(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)
