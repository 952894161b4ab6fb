"""Several runs are killed at once: pytest alone, the broker alone, both; nothing stays of any."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lifecycle.conftest import Launch
from tests.lifecycle.runs import Launched, left_by
from tests.lifecycle.test_deaths import DEATHS
from tests.lifecycle.test_sweep import QUICK

AT_ONCE = 5
WAYS = ("kill -9", "kill -9 of the broker", "kill -9 of both")

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.parametrize(
        "batches",
        [pytest.param(1, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.soak)],
        ids=["five", "fifty"],
    ),
]


def five_killed(launch: Launch, death: str, guard: str = "Ryuk") -> list[Launched]:
    """Kill five runs at once while their tests rest."""
    runs = [launch(guard=guard) for _ in range(AT_ONCE)]
    for run in runs:
        run.await_ready()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(DEATHS[death][1], runs))
    return runs


@pytest.mark.parametrize("death", WAYS)
def test_nothing_stays_of_any(launch: Launch, death: str, batches: int) -> None:
    for _ in range(batches):
        for run in five_killed(launch, death):
            run.seconds_until_gone()


def test_with_ryuk_off_what_stays_of_both_goes_with_the_next_run(
    launch: Launch, batches: int
) -> None:
    for _ in range(batches):
        runs = five_killed(launch, "kill -9 of both", guard="broker")
        assert all(left_by(run.run) for run in runs), "or the next run has nothing to show"

        following = launch(texts=QUICK, guard="broker")
        following.process.wait(60)

        assert "1 passed" in following.output, following.output
        for run in runs:
            assert run.is_gone(0)
