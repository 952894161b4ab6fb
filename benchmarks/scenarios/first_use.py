"""From asking for fixtures to the first thing that they are for.

A record is acknowledged: topic and producer included. A consumer has its first record: from
making it to the record, which is there already. A workflow with an activity is complete: client
and worker included.
Floor: the same by the bare client libraries, on a topic or namespace that is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks import measured
from benchmarks.bench import Bench
from benchmarks.figures import Goal, Summary, at_most
from benchmarks.measured import Measured
from benchmarks.table import Row, row

ROWS = (
    ("kafka", "acknowledged", "first acknowledged record (P6)", at_most(0.030)),
    ("kafka", "received", "subscribe to first record (P6)", at_most(0.150)),
    ("temporal", "completed", "first workflow completed (P6)", at_most(0.100)),
)


def measure(bench: Bench) -> Iterator[Row]:
    found: dict[str, Measured] = {}
    for service, note, what, goal in ROWS:
        name = f"first_use: {service}, {what}"
        yield bench.attempt(name, partial(_row, bench, name, service, note, goal, found))


def _row(
    bench: Bench, name: str, service: str, note: str, goal: Goal, found: dict[str, Measured]
) -> Row:
    if service not in found:
        found[service] = _run(bench, service)
    values = found[service]
    bare = Summary.of(values.noted(f"{note}, bare"))
    return row(name, goal, Summary.of(values.noted(note)), bare)


def _run(bench: Bench, service: str) -> Measured:
    files = {
        "test_first.py": measured.source(f"first_use_{service}"),
        "greeting.py": measured.source("greeting"),
    }
    return measured.run(
        files,
        "-o",
        "asyncio_mode=auto",
        plugins=["asyncio"],
        variables={"BENCH_TIMES": str(bench.times(40, 8))},
    )
