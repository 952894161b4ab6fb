"""`temporal_client` and `temporal_worker` in suites as users write them, warnings as errors."""

from __future__ import annotations

import pytest

from tests.cases import quick
from tests.conftest import Run

pytestmark = pytest.mark.usefixtures("kept_servers")

LOOPS = ("-o", "asyncio_default_fixture_loop_scope=function")
AUTO = ("-o", "asyncio_mode=auto", *LOOPS)
STRICT = ("-o", "asyncio_mode=strict", *LOOPS)

WORKFLOW = """
import asyncio
from datetime import timedelta
import pytest
from sqlalchemy import text
from temporalio import activity, workflow

@activity.defn
def greet(name: str) -> str:
    return f"hello {name}"

@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(
            greet, name, start_to_close_timeout=timedelta(seconds=5)
        )

async def say(client, worker, namespace):
    async with worker(workflows=[Greeting], activities=[greet]):
        return await client.execute_workflow(
            Greeting.run, "you", id="greeting", task_queue=namespace.task_queue()
        )
"""
TESTS = """
async def test_one(temporal_client, temporal_worker, temporal_namespace):
    assert await say(temporal_client, temporal_worker, temporal_namespace) == "hello you"

async def test_two(temporal_client, temporal_worker, temporal_namespace):
    assert await say(temporal_client, temporal_worker, temporal_namespace) == "hello you"
"""
PLAIN = """
def test_one(temporal_client, temporal_worker, temporal_namespace):
    said = asyncio.run(say(temporal_client, temporal_worker, temporal_namespace))
    assert said == "hello you"
"""
ANYIO = """
pytestmark = pytest.mark.anyio
@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
CASES = {
    "auto": (WORKFLOW + TESTS, AUTO, 2),
    "strict": (WORKFLOW + "pytestmark = pytest.mark.asyncio\n" + TESTS, STRICT, 2),
    "session loop": (
        WORKFLOW + "pytestmark = pytest.mark.asyncio(loop_scope='session')\n" + TESTS,
        STRICT,
        2,
    ),
    "anyio": (WORKFLOW + ANYIO + TESTS, STRICT, 2),
    "plain": (WORKFLOW + PLAIN, STRICT, 1),
    "importlib": (WORKFLOW + TESTS, (*AUTO, "--import-mode=importlib"), 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", quick(CASES, ("auto",)))
def test_a_workflow_of_the_tests_own_module_runs_under(case: str, run_suite: Run) -> None:
    source, options, tests = CASES[case]

    result = run_suite(source, *options)

    result.assert_outcomes(passed=tests)
    assert "Traceback" not in result.stderr.str()


@pytest.mark.slow
def test_four_processes_share_a_server_and_no_namespace(run_suite: Run) -> None:
    test = """
@pytest.mark.parametrize("number", range(8))
async def test(number, temporal_client, temporal_worker, temporal_namespace):
    assert await say(temporal_client, temporal_worker, temporal_namespace) == "hello you"
"""

    run_suite(WORKFLOW + test, *AUTO, "-n", "4").assert_outcomes(passed=8)


LEAVING = """
async def test_leaves(temporal_client, temporal_namespace):
    queue = temporal_namespace.task_queue()
    await temporal_client.start_workflow(Greeting.run, "you", id="late", task_queue=queue)
"""


@pytest.mark.slow
def test_a_workflow_left_running_is_warned_about_with_the_tests_name(run_suite: Run) -> None:
    result = run_suite(WORKFLOW + LEAVING, *AUTO, "-W", "default")

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*test_it.py::test_leaves: the workflow 'late' of type 'Gree*"])


FORGETFUL = """
async def test_forgets(temporal_worker):
    worker = temporal_worker(workflows=[Greeting], activities=[greet])
    task = asyncio.create_task(worker.run())
    test_forgets.task = task
    while not worker.is_running:
        await asyncio.sleep(0.01)
"""
CANCELLING = """
async def test_cancels(temporal_worker):
    worker = temporal_worker(workflows=[Greeting], activities=[greet])
    task = asyncio.create_task(worker.run())
    while not worker.is_running:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
"""


@pytest.mark.slow
@pytest.mark.parametrize("scope", quick(("function", "session"), ("function",)))
def test_a_worker_left_running_is_shut_down_and_warned_about(scope: str, run_suite: Run) -> None:
    mark = f"pytestmark = pytest.mark.asyncio(loop_scope='{scope}')\n"

    result = run_suite(WORKFLOW + mark + FORGETFUL, *AUTO, "-W", "default")

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*test_forgets: the worker of task queue '*' was still running*"])


STUCK = """
from temporalio.plugin import SimplePlugin

class Stuck(SimplePlugin):
    async def run_worker(self, worker, next):
        try:
            await next(worker)
        except asyncio.CancelledError:
            await asyncio.Event().wait()

async def test_forgets(temporal_worker):
    worker = temporal_worker(workflows=[Greeting], plugins=[Stuck("stuck")])
    test_forgets.task = asyncio.create_task(worker.run())
    while not worker.is_running:
        await asyncio.sleep(0.01)
"""


@pytest.mark.slow
def test_a_worker_left_running_whose_shutdown_hangs_keeps_nobody_waiting(run_suite: Run) -> None:
    result = run_suite(WORKFLOW + STUCK, *AUTO, "-W", "default")

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*test_forgets: the worker of task queue '*' was still running*"])


@pytest.mark.slow
def test_a_worker_that_the_test_cancels_itself_is_no_leftover(run_suite: Run) -> None:
    run_suite(WORKFLOW + CANCELLING, *AUTO).assert_outcomes(passed=1)


OWN_SERVER = """
@pytest.mark.wflo(temporal="own_server")
async def test_alone(temporal_client, temporal_worker, temporal_namespace, temporal_server):
    assert temporal_namespace.namespace == "wflo-0"
    assert temporal_namespace.address != temporal_server.address
    assert await say(temporal_client, temporal_worker, temporal_namespace) == "hello you"
"""


@pytest.mark.slow
def test_a_test_may_have_a_server_of_its_own(run_suite: Run) -> None:
    run_suite(WORKFLOW + OWN_SERVER, *AUTO).assert_outcomes(passed=1)


FAILING = """
async def test_fails(temporal_client, temporal_namespace):
    queue = temporal_namespace.task_queue()
    await temporal_client.start_workflow(Greeting.run, "you", id="late", task_queue=queue)
    assert False
"""


@pytest.mark.slow
def test_a_failed_tests_report_says_how_to_look_at_its_workflows(run_suite: Run) -> None:
    result = run_suite(WORKFLOW + FAILING, *AUTO)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*temporal workflow list --address 127.0.0.1:* --namespace wflo-*"]
    )


USERS_RUNTIME = """
from temporalio.runtime import Runtime, TelemetryConfig

def test_sets_the_default_runtime(temporal_namespace):
    Runtime.set_default(Runtime(telemetry=TelemetryConfig()), error_if_already_set=True)
"""


@pytest.mark.slow
def test_the_sdks_default_runtime_is_left_to_the_user(run_suite: Run) -> None:
    run_suite(USERS_RUNTIME, *AUTO).assert_outcomes(passed=1)


EXITING = """
import os

async def test_calls(temporal_client):
    for _ in range(5):
        await temporal_client.count_workflows()

def test_forks(temporal_client):
    if (child := os.fork()) == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("workers", quick(("0", "2"), ("0",)))
def test_the_process_ends_without_a_crash(workers: str, run_suite: Run) -> None:
    result = run_suite(EXITING, *AUTO, "-n", workers)

    result.assert_outcomes(passed=2)
    assert result.ret == 0
    assert "node down" not in result.stdout.str()
    assert "panicked" not in result.stderr.str()
