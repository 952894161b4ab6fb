"""Closing what was opened inside an event loop, inside that loop, from sync fixtures."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from wflo_testkit.errors import IsolationFailed, TestkitError
from wflo_testkit.wait import clock

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

LOOP_TIMEOUT = 5.0
"""Seconds that a loop in another thread gets to close what is open in it."""


class LoopBound:
    """Runs `close` in every event loop in which `enter` was awaited, before that loop ends.

    For an async client that a sync fixture gives out: whoever opens a connection of it awaits
    `enter` first, and the fixture calls `finish` when it is torn down. Whichever comes first, the
    end of the loop or the end of the fixture, closes.

    How: the first `enter` in a loop starts an async generator there, whose `finally` awaits
    `close`. asyncio.run, asyncio.Runner, pytest-asyncio and anyio all await
    `loop.shutdown_asyncgens()` before they close a loop (Python manual, asyncio event loop).

    close: called inside the loop that it has to clean, at most once for each loop entered since
        the last call there. An Exception that it raises is raised by `finish`.
    """

    def __init__(self, close: Callable[[], Awaitable[None]]) -> None:
        self._close = close
        self._open: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = {}
        self._failure: Exception | None = None
        self._scheduled: set[asyncio.Task[None]] = set()

    async def enter(self) -> None:
        """Note that something is about to be opened in the running loop.

        Raises TestkitError when the loop is not asyncio's (trio).
        """
        loop = _running_loop()
        if loop is None:
            raise TestkitError(
                "this async client works in an asyncio event loop only",
                cause="no asyncio loop is running here (anyio's trio back-end?)",
                fix="let the fixture `anyio_backend` return 'asyncio'",
            )
        if loop not in self._open:
            self._open[loop] = guard = self._until_the_end_of(loop)
            await anext(guard)

    def finish(self) -> None:
        """Close what is still open, in its own loop; wait until that is done.

        One case cannot be waited for: a loop that runs in this very thread. There a task is
        scheduled that closes as soon as the caller lets the loop go on.
        Raises the first exception of `close`, and IsolationFailed when a loop in another thread
        does not answer within LOOP_TIMEOUT seconds.
        """
        if (here := _running_loop()) in self._open:
            self._close_later(here)
        self.close_elsewhere()

    def close_elsewhere(self) -> None:
        """Close what is open in loops that do not run in this thread. Raises the same."""
        for loop in list(self._open):
            if loop.is_closed():  # closed by hand, without shutdown_asyncgens: too late for it
                self._open.pop(loop, None)
            elif loop is _running_loop():
                continue
            elif loop.is_running():
                self._close_from_outside(loop)
            else:
                self._close_idle(loop)
        self._raise_failure()

    async def _until_the_end_of(
        self, loop: asyncio.AbstractEventLoop
    ) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._open.pop(loop, None)  # first: an `enter` during the close starts a new guard
            await self._close_noting_failure()

    async def _close_noting_failure(self) -> None:
        # shutdown_asyncgens only logs exceptions; `finish` is where a test can see them.
        try:
            await self._close()
        except Exception as error:  # noqa: BLE001 - raised by `finish`
            self._failure = self._failure or error

    async def _shut(self, loop: asyncio.AbstractEventLoop) -> None:
        # Runs inside `loop`, like shutdown_asyncgens: whoever takes the guard out closes it.
        if guard := self._open.pop(loop, None):
            await guard.aclose()

    def _close_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        if _running_loop() is None:
            loop.run_until_complete(self._shut(loop))
            return
        # pytest itself was called inside a loop, and a thread runs one loop at a time.
        thread = threading.Thread(
            target=lambda: loop.run_until_complete(self._shut(loop)), name="wflo-close", daemon=True
        )
        thread.start()
        thread.join(LOOP_TIMEOUT)
        if thread.is_alive():
            raise _no_answer(loop)

    def _close_from_outside(self, loop: asyncio.AbstractEventLoop) -> None:
        import asyncio
        import concurrent.futures

        work = self._shut(loop)
        try:
            asyncio.run_coroutine_threadsafe(work, loop).result(LOOP_TIMEOUT)
        except concurrent.futures.CancelledError:
            pass  # that loop is ending by itself, and its end closes
        except TimeoutError:
            if not loop.is_closed():
                raise _no_answer(loop) from None
        except RuntimeError:
            work.close()  # closed between the question and the call
            if not loop.is_closed():
                raise

    def _close_later(self, loop: asyncio.AbstractEventLoop) -> None:
        async def close() -> None:
            await self._shut(loop)
            self._raise_failure()

        task = loop.create_task(close())  # which a loop holds weakly
        self._scheduled.add(task)
        task.add_done_callback(self._scheduled.discard)

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop for the kit's own work, whatever a test has done to asyncio or time.

    Made without the loop policy, which may be somebody else's: trio_asyncio's, which is set by its
    import, refuses loops outside trio. Its timers go by the kit's clock: in one that a test has
    frozen none would ever end (Python manual, `loop.time()`: each loop has a clock of its own).
    """
    return _loop_class()()


@cache
def _loop_class() -> Callable[[], asyncio.AbstractEventLoop]:
    import asyncio

    class Loop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return clock.monotonic()

    return Loop


def run_in_new_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end in a loop that `new_loop` makes; for a thread without a loop."""
    import asyncio

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


def run_apart(work: Callable[[], Coroutine[Any, Any, T]], *, timeout: float) -> T:
    """Run `work()` to its end in a thread and a loop of its own, and return its result.

    For sync code that needs one answer of an async library, whether or not a loop runs here.
    timeout: seconds, then the work is cancelled. Raises what the work raised, or TimeoutError.
    """
    import asyncio
    from concurrent.futures import Future

    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(run_in_new_loop(asyncio.wait_for(work(), timeout)))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            answer.set_exception(error)

    thread = threading.Thread(target=run, name="wflo-apart", daemon=True)
    thread.start()
    thread.join(timeout + LOOP_TIMEOUT)
    if not answer.done():
        raise TimeoutError(f"no end after {timeout + LOOP_TIMEOUT:g} s")
    return answer.result()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _no_answer(loop: asyncio.AbstractEventLoop) -> IsolationFailed:
    return IsolationFailed(
        "an async client of the test could not be closed",
        cause=f"its event loop did not answer for {LOOP_TIMEOUT:g} s: {loop!r}",
        fix="stop the loop, or await the client's close in it, before the test ends",
    )
