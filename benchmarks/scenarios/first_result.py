"""From asking for a session of SQLAlchemy to the first result: its test's database included.

Floor: one bare connection of the same driver to the same kind of database, and one SELECT, in
tests that take turns with the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks import measured
from benchmarks.bench import Bench
from benchmarks.figures import Summary, over_floor
from benchmarks.table import Row, row

CASES = (
    ("postgres_session", "first_result_sync", ""),
    ("postgres_async_session, a loop per test", "first_result_async", "function"),
    ("postgres_async_session, one loop", "first_result_async", "session"),
)


def measure(bench: Bench) -> Iterator[Row]:
    for what, suite, loop in CASES:
        name = f"first_result: {what} (P5b)"
        yield bench.attempt(name, partial(_first, bench, name, suite, loop))


def _first(bench: Bench, name: str, suite: str, loop: str) -> Row:
    files = {"conftest.py": measured.source("schema"), "test_first.py": measured.source(suite)}
    options = (
        "-o",
        "asyncio_mode=auto",
        "-o",
        f"asyncio_default_test_loop_scope={loop}",
        "-o",
        f"asyncio_default_fixture_loop_scope={loop}",
    )
    found = measured.run(
        files,
        *(options if loop else ()),
        plugins=["asyncio"] if loop else [],
        variables={"BENCH_TABLES": "30", "BENCH_TIMES": str(bench.times(150, 15))},
    )
    note = f"the fixture given out after {Summary.of(found.noted('given'))}"
    first, bare = Summary.of(found.noted("first")), Summary.of(found.noted("bare"))
    return row(name, over_floor(0.003), first, bare, note)
