"""Give-out and give-back of each kind of lease, through the broker, in one process.

Between the two the test pauses for 1 ms, so that little can be made ahead; in the rows "used"
it commits a row into two tables over a connection of its own. Neither is counted, nor are the
first leases of a kind (schema, template, first connections).
Floor: two round trips, one out and one back, over a connection that is open already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import desk, roundtrips
from benchmarks.bench import Bench
from benchmarks.desk import Desk
from benchmarks.figures import Goal, Summary, at_most, duration
from benchmarks.suites.models import metadata, rows_of
from benchmarks.table import Row, row
from wflo_testkit.wait import pause

WARM_UP = 3
NONE = Goal()


def _nothing(_handle: Any) -> None:
    pass


def _pause(_handle: Any) -> None:
    pause(0.001)


def _write(handle: Any) -> None:
    import psycopg

    with psycopg.connect(handle.url, sslmode="disable") as connection:
        for statement in rows_of(1, tables=2):
            connection.execute(statement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of lease. often: times in a full run."""

    what: str
    service: str
    goal: Goal = NONE
    mode: str = ""
    often: int = 300
    tables: int = 0
    give: Callable[[Any], None] = _nothing
    use: Callable[[Any], None] = _pause


CASES = (
    Case(
        what="postgres database, 30 tables (P5)",
        service="postgres",
        goal=at_most(0.002, p99=0.010),
        tables=30,
    ),
    Case(
        what="the same, used",
        service="postgres",
        goal=at_most(0.002, p99=0.010),
        tables=30,
        use=_write,
    ),
    Case(
        what="postgres database, 300 tables (P5)",
        service="postgres",
        goal=at_most(0.008),
        tables=300,
        often=60,
    ),
    Case(
        what="postgres rollback, 30 tables (P5)",
        service="postgres",
        goal=at_most(0.0005),
        mode="rollback",
        tables=30,
    ),
    Case(what="postgres schema, 30 tables", service="postgres", mode="schema", tables=30, often=30),
    Case(what="postgres create, 30 tables", service="postgres", mode="create", tables=30, often=30),
    Case(what="redis database (P6)", service="redis", goal=at_most(0.0005)),
    Case(
        what="kafka, one plain topic (P6)",
        service="kafka",
        goal=at_most(0.001),
        give=lambda topics: topics.create("orders"),
    ),
    Case(what="temporal namespace (P6)", service="temporal", goal=at_most(0.001)),
)


def measure(bench: Bench) -> Iterator[Row]:
    with desk.broker() as core:
        asker = core.owner("bench")
        for name in dict.fromkeys(case.service for case in CASES):
            asker.prefetch(desk.spec(name))
        floors: dict[str, Summary] = {}
        for case in CASES:
            schema = metadata(case.tables) if case.tables else None
            stand = Desk.of(core, case.service, schema=schema, mode=case.mode)
            if case.service not in floors:
                floors[case.service] = roundtrips.floor(stand.server, bench.times(300, 50))
            yield _measured(bench, case, stand, floors[case.service])


def _measured(bench: Bench, case: Case, stand: Desk, floor: Summary) -> Row:
    first = time.perf_counter()
    stand.timed(case.give, case.use)
    first = time.perf_counter() - first
    for _ in range(WARM_UP):
        stand.timed(case.give, case.use)
    pairs = [stand.timed(case.give, case.use) for _ in range(bench.times(case.often, 12))]
    both = Summary.of(out + back for out, back in pairs)
    bench.say(f"{case.what}: {both}")
    note = (
        f"out {Summary.of(out for out, _ in pairs)}, back {Summary.of(back for _, back in pairs)}; "
        f"the very first, with all that happens once: {duration(first)}"
    )
    return row(f"handout: {case.what}", case.goal, both, floor, note)
