"""Four services, cold, side by side.

Measured: from the start of a pytest process to the first line of a test that uses all four,
imports and reaper included, less the same of a bare pytest process, in pairs.
Floor: docker-py create + start + raw probe of the same Specs side by side, imports done, no
reaper.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import profiling, starting
from benchmarks.bench import Bench
from benchmarks.figures import at_most, over_floor
from benchmarks.table import Row, row

SERVICES = ("postgres", "redis", "kafka", "temporal")


def measure(bench: Bench) -> Iterator[Row]:
    measured, floor = starting.compare(bench, SERVICES, bench.times(7, 2))
    profile = profiling.profile(SERVICES)
    yield row(
        "start: four services, cold (P3)",
        over_floor(0.5, factor=1.25, void_above=1.6),
        measured,
        floor,
        profile,
    )
    yield row(
        "start: the same, nothing warm (P3b)",
        at_most(3.5),
        measured,
        floor,
        "the same figures: the kit has no warm images yet",
    )
