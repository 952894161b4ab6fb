"""1,000 tests that each take a millisecond or write, and the end of the session, as a whole.

Measured: from the first test, which has its database, to the end of the process, less the same
tests on a fixture that does nothing, divided by their number. Sparse writers commit a row into
2 tables of 30 over a connection of their own; without the kit all of them write into one
database of a server that runs beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from benchmarks import desk, measured, processes, tables
from benchmarks.bench import Bench
from benchmarks.figures import Summary, at_most, differences, duration
from benchmarks.table import Row, row

_SUITE = """
import os
import time
from types import SimpleNamespace

import pytest

from benchmarks.suites import uses

@pytest.fixture
def nothing():
    return SimpleNamespace(url=os.environ["BENCH_URL"])

def test_first({fixture}):
    with open(os.environ["BENCH_STAMP"], "w") as file:
        file.write(repr(time.monotonic()))

@pytest.mark.parametrize("number", range({times}))
def test_short({fixture}, number):
    if {writing}:
        uses.write({fixture}.url, number, tables=2)
    else:
        uses.short({fixture})
"""


def measure(bench: Bench) -> Iterator[Row]:
    for what, writing in (("tests of 1 ms", False), ("sparse writers", True)):
        name = f"back_to_back: 1,000 {what}, 30 tables, each (P5)"
        yield bench.attempt(name, partial(_compared, bench, name, writing))


def _compared(bench: Bench, name: str, writing: bool) -> Row:
    times = bench.times(1000, 50)
    with desk.servers("postgres") as [server]:
        url = tables.create(server)

        def without() -> float:
            tables.empty(url)
            return rest("nothing", kit=False, url=url)

        rest = _runner(times, writing)
        candidates: Mapping[str, Callable[[], float]] = {
            "without": without,
            "with": lambda: rest("postgres_database", kit=True),
        }
        found = processes.in_turns(bench, bench.times(3, 1), candidates)
    each = [seconds / times for seconds in differences(found["with"], found["without"])]
    floor = Summary.of(seconds / times for seconds in found["without"])
    note = f"all {times} with the kit: {duration(Summary.of(found['with']).median)}"
    return row(name, at_most(0.003), Summary.of(each), floor, note)


def _runner(times: int, writing: bool) -> Callable[..., float]:
    def rest(fixture: str, *, kit: bool, url: str = "") -> float:
        suite = _SUITE.format(fixture=fixture, times=times, writing=writing)
        files = {"test_short.py": suite, "conftest.py": measured.source("schema")}
        variables = {
            "BENCH_TABLES": "30",
            "BENCH_URL": url,
            "PYTHONPATH": str(processes.ROOT),
            "CI": "1",  # no warm images are made behind the next measurement
        }
        with processes.folder(files) as where:
            return processes.pytest(where, kit=kit, variables=variables).rest

    return rest
