"""2,000 tests on 300 tables, in one process and on 2, 4 and 8 workers; each commits two rows.

A run ends early after SECONDS; then its row says how far it came, and is void.
Per test: give-out and give-back; floor: the same of the first 150 such tests of a run (P5).
Flat: the slowest fifth of all tests from the 100th on against all of them, by their medians.
Connections and databases: the most that were seen, every 50 ms, those of the tests included.
Memory: growth of the process with the broker from the 100th test on, less that of pytest alone
in as many tests.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from benchmarks import measured, plots, watching
from benchmarks.bench import Bench, BenchmarkFailed
from benchmarks.figures import MET, MISSED, VOID, Goal, Summary, duration
from benchmarks.measured import Measured, Timing
from benchmarks.scenarios import handout
from benchmarks.table import NOT_MEASURED, Row, row

WORKERS = (1, 2, 4, 8)
SECONDS = 40
SETTLED = 100
"""Tests after which nothing is new any more."""
FIFTHS = 5
POINTS = 40
MB = 1e6
_SUITE = """
import pytest

from benchmarks import watching
from benchmarks.suites import uses

@pytest.fixture(scope="session", autouse=True)
def watched(postgres_server):
    watching.tell(postgres_server)

@pytest.mark.parametrize("number", range({times}))
def test_use(postgres_database, number):
    uses.sparse(postgres_database)
"""
_ALONE = """
import pytest

@pytest.mark.parametrize("number", range({times}))
def test_nothing(number):
    pass
"""


@dataclass(frozen=True, slots=True)
class Of:
    """One run. asked: how many tests it has. growth: of the memory, in bytes."""

    workers: int
    asked: int
    tests: Sequence[Timing]
    seen: watching.Seen
    growth: int
    closing: str

    @property
    def label(self) -> str:
        return "serial" if self.workers == 1 else f"-n {self.workers}"

    @property
    def is_whole(self) -> bool:
        """Whether all tests ran; a run that ended early proves nothing about those after."""
        return len(self.tests) == self.asked

    @property
    def settled(self) -> Sequence[Timing]:
        """The tests from SETTLED on; on a machine too slow to get there, all but the first."""
        return self.tests[SETTLED:] or self.tests[measured.WARM_UP :]

    @property
    def unevenness(self) -> float:
        """The median of the slowest fifth of what is settled, in medians of all."""
        fifths = _parts([test.both for test in self.settled], FIFTHS)
        return max(fifths) / statistics.median(test.both for test in self.settled)


def measure(bench: Bench) -> Iterator[Row]:
    runs: list[Of] = []
    floors: list[Summary] = []

    def per_test(workers: int, name: str) -> Row:
        if not floors:
            floors.append(handout.of(handout.SPARSE_300, bench.times(150, 20))[1])
        run = _run(workers, bench.times(2000, 130))
        made = row(name, _GOAL, Summary.of(t.both for t in run.settled), floors[0], run.closing)
        runs.append(run)
        return made if run.is_whole else dataclasses.replace(made, ok=VOID)

    for workers in WORKERS:
        label = "serial" if workers == 1 else f"-n {workers}"
        name = f"scale: 2,000 tests x 300 tables, {label}, per test (P8)"
        yield bench.attempt(name, partial(per_test, workers, name))
    yield from _of_all(bench, runs)
    if runs:
        bench.draw("scale", _drawing(runs, _GOAL.limit_of(floors[0]), bench.caption))


_GOAL = Goal(text="≤ 1.5 x P5", limit=lambda floor: 1.5 * floor)


def _of_all(bench: Bench, runs: Sequence[Of]) -> Iterator[Row]:
    """Yield a row for each thing that is a number per run."""
    yield _judged("flat from the 100th test on", "≤ 1.2 x", runs, lambda run: run.unevenness, 1.2)
    yield _judged(
        "connections",
        "≤ 10 + 5 per worker",
        runs,
        lambda run: run.seen.connections,
        lambda run: 10 + 5 * run.workers,
    )
    yield _judged("databases alive", "≤ 40", runs, lambda run: run.seen.databases, 40)
    what = "memory growth, MB"
    yield bench.attempt(f"scale: {what} (P8)", lambda: _memory(bench, what, runs))


def _memory(bench: Bench, what: str, runs: Sequence[Of]) -> Row:
    alone = _growth(measured.run(_files(_ALONE, bench.times(2000, 130)), kit=False)) / MB
    made = _judged(what, "≤ 20 MB", runs, lambda run: run.growth / MB - alone, 20)
    servers = ", ".join(f"{run.label} {run.seen.server_growth / MB:.0f}" for run in runs)
    note = f"pytest alone: {alone:.1f} MB; the server's container, in MB: {servers}"
    return Row(made.scenario, made.goal, made.measured, ok=made.ok, note=note)


def _judged(
    what: str,
    goal: str,
    runs: Sequence[Of],
    value: Callable[[Of], float],
    limit: float | Callable[[Of], float],
) -> Row:
    """Return a row with the value of every run; the goal is met if all of them meet it.

    Void where that cannot be said, because a run is missing or ended early.
    """
    found = {run.label: value(run) for run in runs}
    fits = [value(run) <= (limit(run) if callable(limit) else limit) for run in runs]
    text = ", ".join(f"{label} {each:.3g}" for label, each in found.items())
    whole = [run.workers for run in runs if run.is_whole] == list(WORKERS)
    verdict = (MET if whole else VOID) if all(fits) else MISSED
    return Row(f"scale: {what} (P8)", goal, text or NOT_MEASURED, ok=verdict)


def _run(workers: int, times: int) -> Of:
    options = ["-n", str(workers)] if workers > 1 else []
    with watching.watch() as watch:
        found = measured.run(
            _files(_SUITE, times) | {"conftest.py": measured.source("schema")},
            *options,
            plugins=["xdist"] if workers > 1 else [],
            variables={"BENCH_TABLES": "300", "BENCH_SECONDS": str(SECONDS)} | watch.variables,
        )
    if not (watch.seen.looks and found.memory):
        raise BenchmarkFailed("nobody has looked at connections, databases and memory")
    return Of(workers, times, found.tests, watch.seen, _growth(found), found.finished.closing)


def _files(suite: str, times: int) -> dict[str, str]:
    return {"test_scale.py": suite.format(times=times)}


def _growth(found: Measured) -> int:
    """Return the bytes by which memory grew since SETTLED tests, or since the first look."""
    settled = [size for count, size in found.memory if count >= SETTLED]
    sizes = settled or [size for _, size in found.memory]
    return max(sizes) - sizes[0]


def _drawing(runs: Sequence[Of], limit: float, caption: str) -> str:
    series: Mapping[str, plots.Points] = {
        run.label: [
            ((number + 0.5) * len(run.tests) / POINTS, seconds)
            for number, seconds in enumerate(_parts([t.both for t in run.tests], POINTS))
        ]
        for run in runs
    }
    title = "Give-out and give-back of a database with 300 tables, per test"
    return plots.lines(
        title, series, limit=limit, limit_text=f"goal {duration(limit)}", caption=caption
    )


def _parts(values: Sequence[float], count: int) -> list[float]:
    """Return the medians of `count` equal parts of `values`, in their order."""
    count = min(count, len(values))
    bounds = [number * len(values) // count for number in range(count + 1)]
    return [statistics.median(values[begin:end]) for begin, end in pairwise(bounds)]
