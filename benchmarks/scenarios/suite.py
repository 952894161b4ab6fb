"""100 tests on 30 tables, whole processes.

Each test commits a row into 2 (P1b: 10) tables over a connection of its own and reads them back.
Cold starts the containers, from a warm image with the schema inside; reused attaches to those of
an earlier run.
Floor: the same statements over one pooled connection to a running server, no isolation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from benchmarks import desk, kept, measured, processes, tables, warmth
from benchmarks.bench import Bench
from benchmarks.figures import Goal, Summary, over_floor
from benchmarks.processes import Finished
from benchmarks.table import Row, row

COLD, REUSED = over_floor(1.2), over_floor(0.4)


def measure(bench: Bench) -> Iterator[Row]:
    with desk.servers("postgres") as [server]:
        url = tables.create(server)
        for written, name in ((2, "P1"), (10, "P1b")):
            what = f"suite: 100 tests x 30 tables, writing {written}, cold ({name})"
            cold = partial(kit, written)
            yield bench.attempt(what, partial(_compared, bench, what, COLD, cold, written, url))
        with kept.home() as variables:
            what = "suite: the same, writing 2, containers reused (P2)"
            reused = partial(kit, 2, "--wflo-reuse", variables=variables)
            yield bench.attempt(what, partial(_compared, bench, what, REUSED, reused, 2, url))


@contextmanager
def kit(
    written: int, *options: str, variables: Mapping[str, str] | None = None
) -> Iterator[Callable[[], Finished]]:
    """Yield what runs the suite on the kit once: one project, which finds what it left ready."""
    with _suite("kit", written, *options, variables=variables or {}) as run:
        yield run


def _compared(
    bench: Bench,
    what: str,
    goal: Goal,
    suite: Callable[[], AbstractContextManager[Callable[[], Finished]]],
    written: int,
    url: str,
) -> Row:
    """Run the suite and its floor in turns."""
    with suite() as run, _suite("floor", written, variables={"BENCH_URL": url}) as plain:

        def floor() -> float:
            tables.empty(url)
            return plain().wall

        warmth.settle(bench, run, filled=goal is COLD)
        floor()
        last = run()
        found = processes.in_turns(
            bench, bench.times(5, 1), {"floor": floor, "kit": lambda: run().wall}
        )
    return row(what, goal, Summary.of(found["kit"]), Summary.of(found["floor"]), last.closing)


@contextmanager
def _suite(
    conftest: str, written: int, *options: str, variables: Mapping[str, str]
) -> Iterator[Callable[[], Finished]]:
    files = {
        "conftest.py": measured.source(conftest),
        "test_rows.py": measured.source("rows"),
    }
    given = {"BENCH_TABLES": str(written), "PYTHONPATH": str(processes.ROOT)} | dict(variables)
    with processes.folder(files) as where:
        yield lambda: processes.pytest(where, *options, kit=conftest == "kit", variables=given)
