"""Killed as a whole, four times in a row, at random moments: nothing stays, and nobody is hurt."""

from __future__ import annotations

import random
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lifecycle.conftest import Launch
from tests.lifecycle.events import Events, listening
from tests.lifecycle.runs import made_by
from wflo_testkit.wait import clock, pause

LIMIT = 20.0
"""Seconds after a kill by which all that the run made has to be gone."""
BYSTANDER = """
import pytest
from conftest import HERE, ready
from wflo_testkit.wait import wait_until

@pytest.mark.parametrize("n", range(12))
def test_nobody_interferes(redis_client, n):
    def undisturbed_to_the_end():
        assert redis_client.incr("rounds") == next(rounds)
        return (HERE / "over").exists()

    rounds = iter(range(1, 100000))
    ready()
    wait_until(undisturbed_to_the_end, timeout=300, poll=0.05, catch=())
"""
"""Two of its tests are under way while the other run is killed, and then the rest of them."""


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    with listening(tmp_path) as events:
        yield events


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_is_left_20_s_later_and_a_run_beside_is_green(
    launch: Launch, events: Events
) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    bystander = launch("-n", "2", texts={"test_it.py": BYSTANDER})
    bystander.await_ready(2)
    seconds_to_rest = clock.monotonic() - bystander.began

    for _ in range(4):
        run = launch("-n", "2", tests=2)
        moment = moments.uniform(0.2, 1.2 * seconds_to_rest)
        pause(moment)
        run.made = made_by(run.run) if run.run else set()
        run.die(signal.SIGKILL, everybody=True)
        seconds = run.seconds_until_gone(LIMIT)
        print(
            f"killed after {moment:.1f} s with {len(run.made)} things: gone after {seconds:.1f} s"
        )

    assert {event.action for event in events.of(bystander.run)} == {"create", "start"}
    (bystander.folder / "over").touch()
    bystander.process.wait(120)
    assert "12 passed" in bystander.output, bystander.output
    assert bystander.is_gone(0)
