"""Several runs are killed at once: pytest alone, the broker alone, both; nothing stays of any."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lifecycle.conftest import Launch
from tests.lifecycle.test_deaths import DEATHS

AT_ONCE = 5
WAYS = ("kill -9", "kill -9 of the broker", "kill -9 of both")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "batches",
    [pytest.param(1, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.soak)],
    ids=["five", "fifty"],
)
@pytest.mark.parametrize("death", WAYS)
def test_nothing_stays_of_any(launch: Launch, death: str, batches: int) -> None:
    _conftest, die = DEATHS[death]
    for _ in range(batches):
        runs = [launch() for _ in range(AT_ONCE)]
        for run in runs:
            run.await_ready()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(die, runs))
        for run in runs:
            run.seconds_until_gone()
