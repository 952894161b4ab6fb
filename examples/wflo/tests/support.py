"""What several test files need."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


async def eventually(check: Callable[[], Awaitable[T]], what: str, seconds: float = 15) -> T:
    """Await `check()` again and again until it returns something true, and return that.

    Fails the test with `what` after `seconds`.
    """
    deadline = monotonic() + seconds
    while not (value := await check()):
        assert monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.02)
    return value
