"""Many runs at once, in one folder and in several, pass and know nothing of one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.lifecycle.runs import LIMIT, Launched
from tests.lifecycle.soak import ledger
from tests.lifecycle.soak.count import Count
from tests.lifecycle.soak.counters import crossed, hurt, leaked, patiently
from tests.lifecycle.soak.footprint import footprint
from tests.lifecycle.soak.kills import SWEPT
from tests.lifecycle.soak.machine import Kind, Machine, await_end, await_work, finish
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
    count.leaked += patiently(lambda: in_docker(api, runs), LIMIT)
    count.leaked += on_kept_servers(machine, runs)
    count.done += 1


def in_docker(api: Any, runs: Sequence[Launched]) -> list[str]:
    return [each for run in runs for each in footprint(api, run.run).left()]


def on_kept_servers(machine: Machine, runs: Sequence[Launched]) -> list[str]:
    """Return what is left there, and in the temp folder.

    On a busy machine a run may leave to the next what it could not drop in time: then one comes.
    """

    def look() -> list[str]:
        return leaked(machine, [run.run for run in runs], [""])

    if not look():
        return []
    heir = machine.endless(KEPT)
    await_work(heir)
    patiently(look, SWEPT)
    finish([heir])
    return look()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_three_runs_at_once_pass_and_leave_nothing(machine: Machine, api: Any) -> None:
    count = Count()
    go_round(machine, api, THREE, count)

    assert not count.findings, "\n".join(count.findings)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_twenty_rounds_of_eight_runs_pass_and_leave_nothing(machine: Machine, api: Any) -> None:
    count = Count()
    with ledger.row("rounds of 8 runs at once", count):
        for _ in range(ROUNDS):
            go_round(machine, api, EIGHT, count)

    assert not count.findings, "\n".join(count.findings)
    assert count.done == ROUNDS
