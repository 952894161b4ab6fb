"""Deadlines and polling: what is returned, what is raised, what a frozen clock cannot touch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from wflo_testkit.wait import Deadline, WaitTimeout, clock, pause, wait_until


def after(attempts: int, value: Any = True) -> Callable[[], Any]:
    """Return a check that is false `attempts` times and then returns `value`."""
    answers = iter([None] * attempts)
    return lambda: next(answers, value)


def test_the_value_of_the_check_is_returned() -> None:
    assert wait_until(after(3, "ready"), timeout=5, poll=0.001) == "ready"


def test_a_check_that_holds_at_once_is_called_once_even_without_any_time() -> None:
    calls: list[int] = []

    wait_until(lambda: calls.append(1) or True, timeout=0)

    assert calls == [1]


def test_an_exception_of_the_check_means_not_yet() -> None:
    answers = iter([OSError("refused"), OSError("reset")])

    def check() -> str:
        if (error := next(answers, None)) is not None:
            raise error
        return "ready"

    assert wait_until(check, timeout=5, poll=0.001) == "ready"


def test_giving_up_names_the_condition_the_time_and_the_last_error() -> None:
    def check() -> bool:
        raise OSError("refused")

    with pytest.raises(WaitTimeout, match=r"^the store: not so after 0\.02 s$") as caught:
        wait_until(check, timeout=0.02, poll=0.001, describe="the store")

    assert str(caught.value.__cause__) == "refused"


def test_an_error_that_was_followed_by_a_plain_no_is_not_shown_as_the_last_one() -> None:
    answers = iter([OSError("refused")])

    def check() -> bool:
        if (error := next(answers, None)) is not None:
            raise error
        return False

    with pytest.raises(WaitTimeout) as caught:
        wait_until(check, timeout=0.02, poll=0.001)

    assert caught.value.__cause__ is None


def test_what_is_not_caught_ends_the_wait_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0, timeout=60, catch=OSError)


def test_an_interrupt_ends_the_wait_at_once() -> None:
    def check() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wait_until(check, timeout=60)


def test_give_up_ends_the_wait_with_its_own_error_long_before_the_deadline() -> None:
    began = clock.monotonic()

    def dead() -> None:
        raise RuntimeError("exited with code 1")

    with pytest.raises(RuntimeError, match="exited with code 1"):
        wait_until(lambda: False, timeout=60, give_up=dead)

    assert clock.monotonic() - began < 5


def test_give_up_is_not_asked_once_the_check_holds() -> None:
    def dead() -> None:
        raise RuntimeError("exited")

    assert wait_until(lambda: True, timeout=1, give_up=dead) is True


def test_the_deadline_is_kept_although_the_poll_is_longer() -> None:
    began = clock.monotonic()

    with pytest.raises(WaitTimeout):
        wait_until(lambda: False, timeout=0.05, poll=60)

    assert 0.05 <= clock.monotonic() - began < 5


def test_a_deadline_counts_down_and_is_never_negative() -> None:
    far, near = Deadline(60), Deadline(0.01)
    left = far.left
    pause(0.02)

    assert 0 < far.left < left <= 60
    assert not far.passed
    assert near.left == 0.0
    assert near.passed


def test_neither_a_frozen_clock_nor_a_patched_sleep_reaches_the_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = time.time()
    with monkeypatch.context() as frozen:
        for name in ("time", "monotonic", "perf_counter"):
            frozen.setattr(time, name, lambda: 0.0)
        frozen.setattr(time, "sleep", lambda _seconds: None)
        began = clock.monotonic()

        with pytest.raises(WaitTimeout):
            wait_until(lambda: False, timeout=0.02, poll=0.005)

        waited, wall = clock.monotonic() - began, clock.wall()

    assert waited >= 0.02
    assert before - 1 < wall < before + 60


def test_wall_time_is_the_systems() -> None:
    assert clock.wall() == pytest.approx(time.time(), abs=1.0)
