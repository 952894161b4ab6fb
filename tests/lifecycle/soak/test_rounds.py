"""Many runs at once, in one folder and in several, pass and know nothing of one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.lifecycle.runs import LIMIT, Launched
from tests.lifecycle.soak import ledger
from tests.lifecycle.soak.count import Count
from tests.lifecycle.soak.counters import crossed, footprint, hurt, leaked, patiently
from tests.lifecycle.soak.machine import Kind, Machine, await_end
from tests.lifecycle.soak.phases import FRESH, KEPT

ONE = "one-folder"
EIGHT = (
    Kind(FRESH, folder=ONE),
    Kind(FRESH, folder=ONE, workers=2),
    Kind(KEPT, folder=ONE),
    Kind(KEPT, folder=ONE, workers=2),
    Kind(FRESH),
    Kind(FRESH, workers=2),
    Kind(KEPT),
    Kind(KEPT, workers=2),
)
"""Four runs in one folder, four in folders of their own; half of them share kept servers."""
THREE = (Kind(KEPT, folder=ONE), Kind(KEPT, folder=ONE), Kind(FRESH))
ROUNDS = 20
TESTS = 12


def go_round(machine: Machine, api: Any, kinds: Sequence[Kind], count: Count) -> None:
    """Start all at once, wait for their ends, and count."""
    work = {"SOAK_TESTS": str(TESTS), "SOAK_SECONDS": "0.1"}
    runs = [machine.launch(kind, **work) for kind in kinds]
    await_end(runs)
    count.hurt += hurt(runs, passed=TESTS)
    count.crossed += crossed(runs)
    count.leaked += patiently(lambda: left_by(machine, api, runs), LIMIT)
    count.done += 1


def left_by(machine: Machine, api: Any, runs: Sequence[Launched]) -> list[str]:
    """Return what runs have left that have ended by themselves: no other run clears up."""
    ids = [run.run for run in runs]
    docker = [each for run in ids for each in footprint(api, run).left()]
    return docker + leaked(machine, ids, [""])


@pytest.mark.timeout(400)
def test_three_runs_at_once_pass_and_leave_nothing(machine: Machine, api: Any) -> None:
    count = Count()
    go_round(machine, api, THREE, count)

    assert count.findings == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_twenty_rounds_of_eight_runs_pass_and_leave_nothing(machine: Machine, api: Any) -> None:
    count = Count()
    with ledger.row("rounds of 8 runs at once", count):
        for _ in range(ROUNDS):
            go_round(machine, api, EIGHT, count)

    assert count.findings == []
    assert count.done == ROUNDS
