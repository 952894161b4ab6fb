"""Give-out and give-back of each kind of lease: the set-up and tear-down of the kit's fixtures.

The tests follow one another at once, and each takes a millisecond or writes, so that little can
be made ahead: `sparse` commits a row into 2 tables over a connection of its own, `heavy` 100 rows
into each of 10. What tests do is not counted, nor are the first of them (schema, template, first
connections). Tables are empty, or hold 1,000 rows in the template.
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
AT_30 = at_most(0.002, p99=0.010)
AT_300 = at_most(0.008)
_SUITE = """
import pytest

from benchmarks import roundtrips, stopwatch
from benchmarks.suites import uses

def test_floor({service}_server):
    stopwatch.note("floor", *roundtrips.seconds({service}_server, {times}))

@pytest.mark.parametrize("number", range({times}))
def test_use({fixture}, number):
    uses.{use}({fixture})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of lease and of test.

    use: a function of benchmarks.suites.uses. often: tests in a full run. mode: isolation, ""
    for the default. rows: in the template. parts: that a test is given; the row says what one
    of them costs.
    """

    what: str
    fixture: str
    use: str = "short"
    goal: Goal = NONE
    mode: str = ""
    often: int = 300
    tables: int = 0
    rows: int = 0
    parts: int = 1

    @property
    def service(self) -> str:
        return self.fixture.partition("_")[0]


def _postgres(what: str, goal: Goal = AT_30, tables: int = 30, **more: object) -> Case:
    what = f"postgres {what}"
    fixture = "postgres_database"
    return Case(what=what, **{"fixture": fixture, "goal": goal, "tables": tables} | more)  # type: ignore[arg-type]


CASES = (
    _postgres("30 tables, untouched (P5)"),
    _postgres("30 tables, sparse writers (P5)", use="sparse"),
    _postgres("30 tables, heavy writers (P5)", use="heavy"),
    _postgres("30 tables with rows, sparse writers (P5)", rows=1000, use="sparse"),
    _postgres("300 tables, untouched (P5)", AT_300, 300, often=150),
    _postgres("300 tables, sparse writers (P5)", AT_300, 300, often=150, use="sparse"),
    _postgres("300 tables, heavy writers (P5)", AT_300, 300, often=100, use="heavy"),
    _postgres("300 tables with rows, sparse (P5)", AT_300, 300, often=150, rows=1000, use="sparse"),
    _postgres("rollback, 30 tables (P5)", at_most(0.0005), mode="rollback"),
    _postgres(
        "rollback by postgres_session, writing",
        NONE,
        mode="rollback",
        fixture="postgres_session",
        use="session",
    ),
    _postgres("schema, 30 tables", NONE, mode="schema", often=40, use="sparse"),
    _postgres("create, 30 tables", NONE, mode="create", often=40, use="sparse"),
    Case(what="redis database (P6)", fixture="redis_database", goal=at_most(0.0005), often=400),
    Case(
        what="kafka, one plain topic (P6)",
        fixture="kafka_topics",
        goal=at_most(0.001),
        use="topic",
        often=400,
    ),
    Case(
        what="kafka, each of three topics, back to back (P6)",
        fixture="kafka_topics",
        goal=at_most(0.001),
        use="three_topics",
        often=505,
        parts=3,
    ),
    Case(
        what="temporal namespace (P6)",
        fixture="temporal_namespace",
        goal=at_most(0.001),
        often=400,
    ),
)
SPARSE_300 = next(case for case in CASES if case.tables == 300 and case.use == "sparse")


def measure(bench: Bench) -> Iterator[Row]:
    for case in CASES:
        yield bench.attempt(f"handout: {case.what}", partial(_row, bench, case))


def of(case: Case, times: int) -> tuple[measured.Measured, Summary]:
    """Run the tests of a case once; return what was measured, and per part."""
    files = {
        "test_handout.py": _SUITE.format(
            service=case.service, times=times, fixture=case.fixture, use=case.use
        )
    }
    if case.tables:
        files["conftest.py"] = measured.source("schema")
    if case.rows:
        files["rows.sql"] = seed(case.rows)
    variables = {"BENCH_TABLES": str(case.tables)}
    if case.mode:
        variables[f"WFLO_TESTKIT_{case.service.upper()}_ISOLATION"] = case.mode
    found = measured.run(files, variables=variables)
    return found, Summary.of(test.both / case.parts for test in found.warm)


def _row(bench: Bench, case: Case) -> Row:
    found, both = of(case, bench.times(case.often, 20))
    out, back = Summary.of(t.out for t in found.warm), Summary.of(t.back for t in found.warm)
    note = (
        f"out {out}, back {back}; the very first, with all that happens once: "
        f"{duration(found.tests[0].both)}; {found.finished.closing}"
    )
    floor = Summary.of(found.notes["floor"])
    return row(f"handout: {case.what}", case.goal, both, floor, note)
