"""What an installed plugin costs a suite that does not use it.

Measured: the differences of pairs of runs, with and without `-p no:wflo_testkit`, forked from a
process that has pytest loaded (benchmarks/forked.py). Floor: whole processes without.
Void where the goal lies within two standard errors of the median.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial

from benchmarks import processes
from benchmarks.bench import Bench
from benchmarks.figures import VOID, Goal, Summary, at_most, differences, doubt, duration
from benchmarks.table import Row, row

_MANY = """
import pytest

@pytest.mark.parametrize("number", range(1000))
def test_nothing(number):
    pass
"""
_ONE_PERCENT = Goal(text="≤ 1 % of without", limit=lambda floor: 0.01 * floor)
FLOORS = 5


def measure(bench: Bench) -> Iterator[Row]:
    for what, test, goal, pairs in (
        ("no test (P7)", "\n", at_most(0.005), bench.times(150, 10)),
        ("1,000 trivial tests (P7)", _MANY, _ONE_PERCENT, bench.times(40, 4)),
    ):
        name = f"import_cost: {what}"
        yield bench.attempt(name, partial(_compared, name, test, goal, pairs))


def _compared(name: str, test: str, goal: Goal, pairs: int) -> Row:
    expected = 0 if "def" in test else processes.NO_TESTS
    with processes.folder({"test_nothing.py": test}) as where:
        whole = [processes.pytest(where, kit=False, expected=expected).wall for _ in range(FLOORS)]
        found = processes.forked(where, pairs, expected=expected)
    without, with_kit = zip(*found, strict=True)
    cost, floor = differences(with_kit, without), Summary.of(whole)
    measured, far = Summary.of(cost), doubt(cost)
    made = row(name, goal, measured, floor, f"± {duration(far)}; forked: {Summary.of(without)}")
    is_open = abs(measured.median - goal.limit_of(floor)) < far
    return dataclasses.replace(made, ok=VOID) if is_open else made
