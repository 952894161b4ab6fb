"""The kit's own event loops depend on nothing that a test can change."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator

import pytest
import time_machine
from freezegun import freeze_time

from wflo_testkit.aio import new_loop, run_apart, run_in_new_loop
from wflo_testkit.services.temporal.connection import TemporalConnection
from wflo_testkit.wait import Deadline

MOMENT = "2024-01-01"


class ForeignPolicy(asyncio.DefaultEventLoopPolicy):
    """Refuses loops, as trio_asyncio's policy does outside trio."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        raise RuntimeError("You're within a Trio environment")


@pytest.fixture
def foreign_policy() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # policies, from Python 3.14 on
        before = asyncio.get_event_loop_policy()
        asyncio.set_event_loop_policy(ForeignPolicy())
        yield
        asyncio.set_event_loop_policy(before)


async def a_moment() -> str:
    await asyncio.sleep(0.01)
    return "over"


@pytest.mark.usefixtures("foreign_policy")
def test_a_foreign_policy_does_not_matter() -> None:
    with pytest.raises(RuntimeError, match="Trio"):
        asyncio.new_event_loop()  # what the kit would meet

    assert run_apart(a_moment, timeout=5) == "over"


@pytest.mark.usefixtures("foreign_policy")
def test_a_link_to_temporal_has_a_loop_under_a_foreign_policy() -> None:
    link = TemporalConnection("127.0.0.1:1")

    with pytest.raises(RuntimeError, match="onnect"):
        link.call(lambda _client: a_moment(), timeout=5)
    link.close()


def test_timers_end_while_freezegun_has_stopped_the_clock() -> None:
    with freeze_time(MOMENT):
        assert run_apart(a_moment, timeout=5) == "over"


def test_timers_end_while_time_machine_has_stopped_the_clock() -> None:
    with time_machine.travel(MOMENT, tick=False):
        assert run_apart(a_moment, timeout=5) == "over"


def test_a_deadline_ends_the_work_while_the_clock_stands_still() -> None:
    deadline = Deadline(5)

    with freeze_time(MOMENT), pytest.raises(TimeoutError):
        run_apart(lambda: asyncio.sleep(60), timeout=0.05)
    assert not deadline.passed


def test_a_loop_of_asyncios_own_stands_still() -> None:
    """What the tests above would meet without the kit's clock."""
    loop, fired = asyncio.SelectorEventLoop(), []

    with freeze_time(MOMENT):
        loop.call_later(0.01, fired.append, "timer")
        loop.run_until_complete(_rounds())
    loop.close()
    assert fired == []


async def _rounds() -> None:
    ours = new_loop()  # on whose clock twenty times as much passes
    for _ in range(20):
        end = ours.time() + 0.01
        while ours.time() < end:
            await asyncio.sleep(0)
    ours.close()


def test_what_runs_in_a_new_loop_knows_it_as_the_running_one() -> None:
    async def running() -> type:
        return type(asyncio.get_running_loop())

    assert issubclass(run_in_new_loop(running()), asyncio.SelectorEventLoop)
