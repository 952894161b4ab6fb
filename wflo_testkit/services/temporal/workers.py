"""The factory behind `temporal_worker`, and what becomes of workers that a test forgets."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from wflo_testkit.aio import LOOP_TIMEOUT, LoopBound

if TYPE_CHECKING:
    import asyncio

    from temporalio.client import Client
    from temporalio.worker import Worker

    from wflo_testkit.services.temporal.handle import TemporalNamespace

# The sandbox loads a workflow's module, and what that imports, anew for each workflow that runs:
# 0.4 s for a module that imports pytest and this kit (measured).
_NOT_RELOADED = ("pytest", "_pytest", "pluggy", "wflo_testkit")


class Workers:
    """Makes workers for one test: `async with temporal_worker(workflows=[W], ...) as worker:`."""

    __test__ = False

    def __init__(self, namespace: TemporalNamespace, client: Client, nodeid: str) -> None:
        self._namespace = namespace
        self._client = client
        self._nodeid = nodeid
        self._running: list[Worker] = []
        self._executors: list[ThreadPoolExecutor] = []
        self._left: list[str] = []
        self._bound = LoopBound(self._shut_down)

    def __call__(
        self, *, task_queue: str = "", client: Client | None = None, **options: Any
    ) -> Worker:
        """Return a worker to be entered with `async with`, or to be `run()`.

        task_queue: by default the namespace's `task_queue("default")`.
        client: by default one of the kit's own, with the default data converter.
        options: those of temporalio.worker.Worker. Activities that are plain functions get an
            executor, and the sandbox does not load pytest, the kit, the test's own module and
            conftest.py again, unless you say otherwise (`workflow_runner=...`).
        """
        if "workflow_runner" not in options:
            options["workflow_runner"] = _runner(self._of_tests(options.get("workflows", ())))
        if options.get("activities") and "activity_executor" not in options:
            options["activity_executor"] = self._executor(options)
        if not {"build_id", "deployment_config", "use_worker_versioning"} & set(options):
            # By default the SDK hashes the code of every loaded module: up to a second of CPU.
            options["build_id"] = "wflo-testkit"
        queue = task_queue or self._namespace.task_queue()
        return _watched(self, client or self._client, task_queue=queue, **options)

    async def started(self, worker: Worker) -> None:
        """Note that `worker` is about to run in the running loop."""
        self._running.append(worker)
        await self._bound.enter()

    def ended(self, worker: Worker) -> None:
        self._running.remove(worker)

    def left(self, worker: Worker) -> None:
        """Note that `worker` ran on after its test."""
        self._left.append(
            f"the worker of task queue {worker.task_queue!r} was still running; "
            "the kit shut it down (use `async with temporal_worker(...)`)"
        )

    def finish(self) -> list[str]:
        """Shut down what still runs; return a sentence for each."""
        self._bound.finish()
        for executor in self._executors:
            executor.shutdown(wait=False, cancel_futures=True)
        return self._left

    async def _shut_down(self) -> None:
        for worker in [each for each in self._running if each.is_running]:
            self.left(worker)
            await worker.shutdown()

    def _of_tests(self, workflows: Sequence[type]) -> set[str]:
        """Return the modules among those of `workflows` that pytest has loaded as tests.

        They import what tests import, and may be out of the import system's reach.
        """
        file = PurePath(self._nodeid.partition("::")[0])
        names = {workflow.__module__ for workflow in workflows}
        paths = {name: PurePath(getattr(sys.modules.get(name), "__file__", "")) for name in names}
        return {n for n, p in paths.items() if p.name == "conftest.py" or p.match(str(file))}

    def _executor(self, options: dict[str, Any]) -> ThreadPoolExecutor:
        # Threads are made when they are needed; a worker warns about fewer than its slots.
        size = int(options.get("max_concurrent_activities") or 100)
        executor = ThreadPoolExecutor(size, thread_name_prefix="wflo-activity")
        self._executors.append(executor)
        return executor


def _watched(owner: Workers, client: Client, **options: Any) -> Worker:
    import asyncio

    from temporalio.worker import Worker

    class Watched(Worker):
        async def run(self) -> None:
            await owner.started(self)
            # A loop that ends cancels every task at once: this one, too, which tells it from a
            # test that cancels its worker.
            watch = asyncio.create_task(asyncio.Event().wait(), name="wflo-worker-watch")
            running = asyncio.create_task(super().run(), name="wflo-worker")
            try:
                await asyncio.shield(running)
            except asyncio.CancelledError:
                if watch.done() or watch.cancelling():
                    owner.left(self)
                    await _end(running)
                else:
                    running.cancel()
                    await asyncio.wait([running])
                raise
            finally:
                watch.cancel()
                owner.ended(self)

    return Watched(client, **options)


async def _end(running: asyncio.Task[None]) -> None:
    """Wait for a worker that the end of its loop has cancelled, with a deadline.

    With it the loop has cancelled its polls, and then the SDK's own shutdown may wait for ever
    (one in thirty, measured). Cancelled a second time, it gives up.
    """
    import asyncio

    for _ in range(2):
        await asyncio.wait([running], timeout=LOOP_TIMEOUT)
        running.cancel()


def _runner(more: Iterable[str]) -> Any:
    from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

    restrictions = SandboxRestrictions.default.with_passthrough_modules(*_NOT_RELOADED, *more)
    return SandboxedWorkflowRunner(restrictions=restrictions)
