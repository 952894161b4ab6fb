"""The kit's own way to a Temporal server: calls from any thread, over one connection."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from wflo_testkit.aio import new_loop
from wflo_testkit.wait import pause

if TYPE_CHECKING:
    import asyncio

    from temporalio.runtime import Runtime
    from temporalio.service import ServiceClient

T = TypeVar("T")

CALL = timedelta(seconds=5)
"""How long one call to the server may take."""


class TemporalConnection:
    """A connection that is made at first use and an event loop in a thread that drives it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: Future[ServiceClient] | None = None

    def start(self, work: Callable[[ServiceClient], Coroutine[Any, Any, T]]) -> Future[T]:
        """Begin `work` and return its future; `work` fails with what connecting raised."""
        import asyncio

        with self._lock:
            loop = self._running_loop()
            if self._client is None or (self._client.done() and self._client.exception()):
                self._client = asyncio.run_coroutine_threadsafe(connect(self.address), loop)
            client = self._client

        async def run() -> T:
            return await work(await asyncio.wrap_future(client))

        return asyncio.run_coroutine_threadsafe(run(), loop)

    def call(
        self, work: Callable[[ServiceClient], Coroutine[Any, Any, T]], *, timeout: float = 15.0
    ) -> T:
        """Run `work` and return its result. Raises what it raised, or TimeoutError."""
        future = self.start(work)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def close(self) -> None:
        """End the loop and the connection; a second call is harmless."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = self._client = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = new_loop()
            self._thread = threading.Thread(
                target=_drive, args=(self._loop,), name="wflo-temporal", daemon=True
            )
            self._thread.start()
        return self._loop


def _drive(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    # A Runner ends what is still under way, then closes the loop.
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop().run_forever()


async def done_unless(status: str, call: Awaitable[Any]) -> bool:
    """Await a call to the server; False if it fails with this status, such as "NOT_FOUND"."""
    from temporalio.service import RPCError, RPCStatusCode

    try:
        await call
    except RPCError as error:
        if error.status is not RPCStatusCode[status]:
            raise
        return False
    return True


async def connect(address: str) -> ServiceClient:
    """Connect to the server (which costs one GetSystemInfo), on the kit's own runtime."""
    from temporalio.service import ConnectConfig, ServiceClient

    config = ConnectConfig(target_host=address, identity="wflo-testkit", runtime=_runtime())
    return await ServiceClient.connect(config)


@cache
def _runtime() -> Runtime:
    # Not the default one: whoever tests Runtime.set_default must find it unset.
    from temporalio.runtime import Runtime, TelemetryConfig

    await_before_exit()
    return Runtime(telemetry=TelemetryConfig(logging=None), worker_heartbeat_interval=None)


@cache
def await_before_exit() -> None:
    """Keep this process from ending in the very moment in which a call has ended.

    A thread of the SDK's runtime that still holds Python objects while the interpreter goes
    down crashes it (temporalio/sdk-python#300): 4 of 10 exits without a pause, none with 1 ms.
    """
    atexit.register(pause, 0.02)
