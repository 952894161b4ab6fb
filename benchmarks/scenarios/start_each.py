"""Each service alone, cold; measured and compared as in `start`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks import starting
from benchmarks.bench import Bench
from benchmarks.figures import over_floor
from benchmarks.scenarios.start import SERVICES
from benchmarks.table import Row, row


def measure(bench: Bench) -> Iterator[Row]:
    for name in SERVICES:
        what = f"start_each: {name}, cold (P4)"
        yield bench.attempt(what, partial(_started, bench, name, what))


def _started(bench: Bench, name: str, what: str) -> Row:
    measured, floor = starting.compare(bench, (name,), bench.times(5, 2))
    return row(what, over_floor(0.5), measured, floor)
