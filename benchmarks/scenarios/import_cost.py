"""What an installed plugin costs a suite that does not use it: whole processes, in pairs.

Floor: the same with `-p no:wflo_testkit`. Measured: the difference of each pair.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import processes
from benchmarks.bench import Bench
from benchmarks.figures import Goal, Summary, at_most, differences, duration
from benchmarks.table import Row, row

_MANY = """
import pytest

@pytest.mark.parametrize("number", range(1000))
def test_nothing(number):
    pass
"""
_ONE_PERCENT = Goal(text="≤ 1 % of without", limit=lambda floor: 0.01 * floor)


def measure(bench: Bench) -> Iterator[Row]:
    none = {"test_nothing.py": "\n"}
    yield _compared(bench, "no test (P7)", none, at_most(0.005), bench.times(25, 3))
    many = {"test_nothing.py": _MANY}
    yield _compared(bench, "1,000 trivial tests (P7)", many, _ONE_PERCENT, bench.times(11, 2))


def _compared(bench: Bench, what: str, files: dict[str, str], goal: Goal, rounds: int) -> Row:
    expected = processes.NO_TESTS if "def" not in files["test_nothing.py"] else 0
    with processes.folder(files) as where:

        def seconds(kit: bool) -> float:
            return processes.pytest(where, kit=kit, expected=expected).wall

        seconds(True), seconds(False)
        found = processes.in_turns(
            bench, rounds, {"without": lambda: seconds(False), "with": lambda: seconds(True)}
        )
    cost, without = differences(found["with"], found["without"]), Summary.of(found["without"])
    low, high = min(cost), max(cost)
    note = (
        f"differences from {duration(low)} to {duration(high)}, with: {Summary.of(found['with'])}"
    )
    return row(f"import_cost: {what}", goal, Summary.of(cost), without, note)
