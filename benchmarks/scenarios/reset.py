"""`reset()` of a handle in the middle of a test: as an application that is built once meets it.

Postgres has 30 tables, and 10,000 rows in one of them, by a seed that is part of the schema. Each
time something is left, over a connection of its own, and the call is timed; what follows (the next
connection, above all) is not, nor are the first calls.
Floor: two round trips, one out and one back, over a connection that is open already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks import measured
from benchmarks.bench import Bench
from benchmarks.figures import Goal, Summary, at_most, duration
from benchmarks.suites.models import seed
from benchmarks.table import Row, row

NONE = Goal()
FEW, ALL = at_most(0.005), at_most(0.060)
ROWS = 10_000
_SUITE = """
import time

from benchmarks import roundtrips, stopwatch
from benchmarks.suites import uses

def test_floor({service}_server):
    stopwatch.note("floor", *roundtrips.seconds({service}_server, {times}))

def test_reset({fixture}):
    for _ in range({times}):
        uses.{use}({fixture})
        began = time.perf_counter()
        {fixture}.reset()
        stopwatch.note("reset", time.perf_counter() - began)
"""


@dataclass(frozen=True, slots=True)
class Case:
    """What is left before each reset. use: a function of benchmarks.suites.uses."""

    what: str
    fixture: str
    use: str
    goal: Goal = NONE
    often: int = 40

    @property
    def service(self) -> str:
        return self.fixture.partition("_")[0]


CASES = (
    Case("postgres, few rows", "postgres_database", "sparse", FEW),
    Case("postgres, a seeded row changed", "postgres_database", "changed"),
    Case("postgres, all 10,000 rows rewritten", "postgres_database", "rewritten", ALL),
    Case("redis database, a hundred keys", "redis_database", "keys"),
    Case("kafka, a record in a topic", "kafka_topics", "record", often=15),
    Case("temporal, a workflow that runs", "temporal_namespace", "workflow", often=15),
)


def measure(bench: Bench) -> Iterator[Row]:
    for case in CASES:
        yield bench.attempt(f"reset: {case.what}", partial(_row, bench, case))


def _row(bench: Bench, case: Case) -> Row:
    files = {
        "test_reset.py": _SUITE.format(
            service=case.service,
            times=bench.times(case.often, 15),
            fixture=case.fixture,
            use=case.use,
        )
    }
    if case.service == "postgres":
        files |= {"conftest.py": measured.source("schema"), "rows.sql": seed(ROWS, tables=1)}
    found = measured.run(files, "-W", "ignore", variables={"BENCH_TABLES": "30"})
    first = duration(found.notes["reset"][0])
    note = f"the very first: {first}; {found.finished.closing}"
    floor = Summary.of(found.notes["floor"])
    return row(f"reset: {case.what}", case.goal, Summary.of(found.noted("reset")), floor, note)
