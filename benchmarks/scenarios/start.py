"""Four services, cold, side by side.

Measured: from the start of a pytest process to the first line of a test that uses all four,
imports and reaper included, less the same of a bare pytest process, in pairs.
Floor: docker-py create + start + raw probe of the same Specs side by side, imports done, no
reaper.
P3b: without warm images and in an empty cache folder.
The usual way: Testcontainers' generic containers on the same images, with stock settings.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import plots, profiling, starting, usual
from benchmarks.bench import Bench
from benchmarks.figures import Goal, Summary, at_most, over_floor
from benchmarks.table import Row, row

SERVICES = ("postgres", "redis", "kafka", "temporal")
COLD = "start: four services, cold (P3)"
FIRST = "start: the same, nothing warm (P3b)"
USUAL = "start: the usual way, Testcontainers"


def measure(bench: Bench) -> Iterator[Row]:
    found: dict[str, Summary] = {}
    yield bench.attempt(COLD, lambda: _cold(bench, found))
    yield bench.attempt(FIRST, lambda: _first_ever(bench, found))
    yield bench.attempt(USUAL, lambda: _usual(bench, found))
    if found:
        bars = [(name, summary.median) for name, summary in found.items()]
        title = "Seconds until four services are ready, less a bare pytest process"
        bench.draw("start", plots.bars(title, bars, caption=bench.caption))


def _cold(bench: Bench, found: dict[str, Summary]) -> Row:
    measured, floor = starting.compare(bench, SERVICES, bench.times(5, 2))
    found["floor: docker-py and probes"] = floor
    found["the kit, cold"] = measured
    goal = over_floor(0.5, factor=1.25, void_above=1.6)
    return row(COLD, goal, measured, floor, profiling.profile(SERVICES))


def _first_ever(bench: Bench, found: dict[str, Summary]) -> Row:
    seconds = [starting.first_ever(SERVICES) for _ in range(bench.times(2, 1))]
    measured = found["the kit, nothing warm"] = Summary.of(seconds)
    return row(FIRST, at_most(3.5), measured)


def _usual(bench: Bench, found: dict[str, Summary]) -> Row:
    seconds = [usual.seconds(SERVICES) for _ in range(bench.times(2, 1))]
    measured = found["the usual way: Testcontainers"] = Summary.of(seconds)
    return row(USUAL, Goal(), measured)
