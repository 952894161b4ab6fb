"""Deadlines and polling. Every wait of the kit goes through this file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class clock:  # noqa: N801 - reads as `clock.monotonic()`
    """Clocks that freezing libraries do not reach.

    freezegun replaces module attributes that are the real functions, so they are held here as
    class attributes; wall time is derived from the monotonic clock for the same reason.
    """

    monotonic = staticmethod(time.monotonic)
    loaded = time.time()
    """When this process loaded the kit, before any conftest; seconds since the epoch."""
    _offset = loaded - time.monotonic()

    @classmethod
    def wall(cls) -> float:
        """Seconds since the epoch, real time even while a test has frozen the clock."""
        return cls.monotonic() + cls._offset


class Deadline:
    """A moment `seconds` from now."""

    __slots__ = ("_end", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = clock.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - clock.monotonic())

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.left == 0.0


class WaitTimeout(TimeoutError):
    """`wait_until` gave up; the last error of the check is its `__cause__`."""


def wait_until(
    check: Callable[[], T],
    *,
    timeout: float,
    poll: float = 0.03,
    describe: str = "condition",
    give_up: Callable[[], None] | None = None,
    catch: type[BaseException] | tuple[type[BaseException], ...] = Exception,
) -> T:
    """Call `check` until it returns something true, and return that.

    timeout: seconds; poll: seconds between two calls.
    give_up: called after each failed attempt; raises to end the wait early (a dead container).
    catch: exceptions of `check` that mean "not yet".
    Raises WaitTimeout naming `describe`, caused by the last exception of `check`.
    """
    deadline = Deadline(timeout)
    last: BaseException | None = None
    while True:
        try:
            if value := check():
                return value
            last = None
        except catch as error:
            last = error
        if give_up is not None:
            give_up()
        if deadline.passed:
            raise WaitTimeout(f"{describe}: not so after {timeout:g} s") from last
        pause(min(poll, deadline.left))


def pause(seconds: float) -> None:
    """Let other threads run for `seconds`; unlike time.sleep it cannot be frozen or patched."""
    threading.Event().wait(seconds)
