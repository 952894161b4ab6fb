"""What a failing test costs: its report, with logs and a dump of its data.

Every sixth test of a suite fails. All write a row into 2 of 30 tables; a test counts as a whole,
from its set-up to its end, together with the next one, beside which its data are dumped.
Floor: two tests that pass.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import measured
from benchmarks.bench import Bench
from benchmarks.figures import Summary, over_floor
from benchmarks.table import Row, row

EVERY = 6
_CONFTEST = """
import time
from benchmarks import stopwatch

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol():
    began = time.perf_counter()
    try:
        return (yield)
    finally:
        stopwatch.note("test", time.perf_counter() - began)

def pytest_sessionfinish(session):
    session.exitstatus = 0
"""
_SUITE = """
import pytest
from benchmarks.suites import uses

@pytest.mark.parametrize("number", range({tests}))
def test(postgres_database, number):
    uses.sparse(postgres_database)
    assert number % {every}
"""


def measure(bench: Bench) -> Iterator[Row]:
    files = {
        "conftest.py": measured.source("schema") + _CONFTEST,
        "test_failing.py": _SUITE.format(tests=EVERY * bench.times(30, 6), every=EVERY),
    }
    found = measured.run(files, "--maxfail=1000", variables={"BENCH_TABLES": "30"})
    tests = found.notes["test"][EVERY:]
    failing, passing = (
        Summary.of(tests[at] + tests[at + 1] for at in range(first, len(tests), EVERY))
        for first in (0, 3)
    )
    what = "failing: a test with its report and its dump, and the next"
    yield row(what, over_floor(0.050), failing, passing, found.finished.closing)
