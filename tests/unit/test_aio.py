"""What a sync fixture gives out is closed inside the loop that opened it, whoever ends first."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import wflo_testkit
from wflo_testkit import aio
from wflo_testkit.aio import LoopBound, run_apart
from wflo_testkit.errors import IsolationFailed, TestkitError

Run = Callable[[str, str], pytest.RunResult]

CONFTEST = """
import asyncio, contextlib, socket, threading
import pytest
from wflo_testkit.aio import LoopBound, run_apart

EVENTS = []

async def _serve(reader, writer):
    with contextlib.suppress(ConnectionError, asyncio.CancelledError):
        while data := await reader.read(100):
            writer.write(data)
    writer.close()

def _echo_forever(loop, started):
    asyncio.set_event_loop(loop)
    server = loop.run_until_complete(asyncio.start_server(_serve, "127.0.0.1", 0))
    started.append(server.sockets[0].getsockname()[1])
    started_event.set()
    loop.run_forever()
    server.close()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()

started_event = threading.Event()

@pytest.fixture(scope="session")
def port():
    loop, started = asyncio.new_event_loop(), []
    thread = threading.Thread(target=_echo_forever, args=(loop, started))
    thread.start()
    started_event.wait(5)
    yield started[0]
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)

class Client:
    "Opens connections lazily, as an engine does; a connection works in its own loop only."
    def __init__(self, port):
        self.port, self.open, self.closed = port, [], 0
        self.bound = LoopBound(self.close)

    async def ask(self, text):
        await self.bound.enter()
        if not self.open:
            self.open.append(await asyncio.open_connection("127.0.0.1", self.port))
        reader, writer = self.open[0]
        writer.write(text)
        return await reader.readexactly(len(text))

    async def close(self):
        while self.open:
            _, writer = self.open.pop()
            writer.close()
            await writer.wait_closed()
        self.closed += 1

@pytest.fixture
def client(port):
    client = Client(port)
    yield client
    client.bound.finish()
    assert not client.open
    EVENTS.append(client.closed)

def pytest_unconfigure(config):
    print("closed:", EVENTS)
"""

PLAIN = """
async def test_one(client):
    assert await client.ask(b"x") == b"x"

async def test_two(client):
    assert await client.ask(b"y") == b"y"
"""
MARKED = "import pytest\npytestmark = pytest.mark.asyncio\n" + PLAIN
SESSION_LOOP = "import pytest\npytestmark = pytest.mark.asyncio(loop_scope='session')\n" + PLAIN
ANYIO = (
    """
import pytest
pytestmark = pytest.mark.anyio
@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
    + PLAIN
)
ANYIO_MODULE_LOOP = ANYIO.replace("@pytest.fixture", "@pytest.fixture(scope='module')")
SYNC = """
import asyncio
def test_one(client):
    assert asyncio.run(client.ask(b"x")) == b"x"

def test_two(client):
    async def two():
        return await client.ask(b"x") + await client.ask(b"y")
    assert asyncio.run(two()) == b"xy"
"""
FAILING = """
async def test_one(client):
    assert await client.ask(b"x") == b"y"

async def test_two(client):
    await client.ask(b"x")
    raise RuntimeError("boom")
"""
FIXTURE_FIRST = """
import pytest_asyncio
@pytest_asyncio.fixture
async def user(client):
    await client.ask(b"before")
    yield client
    assert await client.ask(b"after") == b"after"

async def test_one(user):
    assert await user.ask(b"x") == b"x"

async def test_two(client, user):
    assert await user.ask(b"x") == b"x"
"""
LOOP_FIRST = """
import pytest
@pytest.fixture
def early(client):
    return client

@pytest.fixture(autouse=True)
async def loop_before_all():
    yield

async def test_one(loop_before_all, early):
    assert await early.ask(b"x") == b"x"
"""
CASES = {
    "auto": (PLAIN, "auto", 2),
    "strict": (MARKED, "strict", 2),
    "session loop": (SESSION_LOOP, "strict", 2),
    "session loop, auto": (SESSION_LOOP, "auto", 2),
    "anyio": (ANYIO, "strict", 2),
    "anyio, a loop per module": (ANYIO_MODULE_LOOP, "strict", 2),
    "asyncio.run": (SYNC, "strict", 2),
    "user's async fixture": (FIXTURE_FIRST, "auto", 2),
    "loop made first": (LOOP_FIRST, "auto", 1),
}
QUICK = ("auto", "strict", "anyio", "loop made first")
"""What `make test` runs of them."""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    pytester.makeconftest(CONFTEST)
    monkeypatch.setenv("PYTHONPATH", str(Path(wflo_testkit.__file__).parents[1]))

    def run(source: str, mode: str) -> pytest.RunResult:
        pytester.makepyfile(source)
        plugins = ("-p", "no:randomly", "-p", "no:cacheprovider")
        loops = ("-o", f"asyncio_mode={mode}", "-o", "asyncio_default_fixture_loop_scope=function")
        options = ("-s", "-W", "error", *loops, *plugins)
        return pytester.runpytest_subprocess(*options, timeout=30)

    return run


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=() if c in QUICK else pytest.mark.slow) for c in CASES]
)
def test_a_client_is_closed_once_in_its_loop_under(case: str, run: Run) -> None:
    source, mode, tests = CASES[case]

    result = run(source, mode)

    result.assert_outcomes(passed=tests)
    result.stdout.fnmatch_lines([f"closed: {[1] * tests}"])
    result.stderr.no_fnmatch_line("*loop is closed*")
    result.stderr.no_fnmatch_line("*never awaited*")
    result.stderr.no_fnmatch_line("*ResourceWarning*")


def test_a_failing_test_leaves_nothing_open(run: Run) -> None:
    result = run(FAILING, "auto")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["closed: [[]1, 1]"])


def test_without_the_guard_the_same_run_is_red(pytester: pytest.Pytester, run: Run) -> None:
    """The proof can fail: an `enter` that does nothing leaves the connection to the collector."""
    pytester.makeconftest(CONFTEST.replace("await self.bound.enter()", "pass"))

    result = run(PLAIN, "auto")

    assert result.ret != 0


class Closer:
    """Counts its calls and notes the loop of each."""

    def __init__(self) -> None:
        self.loops: list[asyncio.AbstractEventLoop] = []
        self.bound = LoopBound(self.close)

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.loops.append(asyncio.get_running_loop())


@pytest.fixture
def closer() -> Closer:
    return Closer()


@pytest.fixture
def idle_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def test_finish_closes_in_a_loop_that_stands_still(
    closer: Closer, idle_loop: asyncio.AbstractEventLoop
) -> None:
    idle_loop.run_until_complete(closer.bound.enter())
    idle_loop.run_until_complete(closer.bound.enter())

    closer.bound.finish()
    closer.bound.finish()

    assert closer.loops == [idle_loop]


def test_every_asyncio_run_closes_its_own(closer: Closer) -> None:
    asyncio.run(closer.bound.enter())
    asyncio.run(closer.bound.enter())

    assert len(closer.loops) == 2
    closer.bound.finish()
    assert len(closer.loops) == 2


def test_entering_again_after_a_close_closes_again(
    closer: Closer, idle_loop: asyncio.AbstractEventLoop
) -> None:
    for _ in range(2):
        idle_loop.run_until_complete(closer.bound.enter())
        closer.bound.finish()

    assert closer.loops == [idle_loop, idle_loop]


def test_many_entering_at_once_are_closed_once(closer: Closer) -> None:
    async def crowd() -> None:
        await asyncio.gather(*(closer.bound.enter() for _ in range(20)))

    asyncio.run(crowd())

    assert len(closer.loops) == 1


def test_finish_reaches_a_loop_that_runs_in_another_thread(closer: Closer) -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(closer.bound.enter(), loop).result(5)

    closer.bound.finish()

    assert closer.loops == [loop]
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def test_a_blocked_loop_in_another_thread_is_named(
    closer: Closer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "LOOP_TIMEOUT", 0.1)
    loop, free = asyncio.new_event_loop(), threading.Event()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(closer.bound.enter(), loop).result(5)
    loop.call_soon_threadsafe(free.wait, 5)

    with pytest.raises(IsolationFailed, match="could not be closed"):
        closer.bound.finish()

    free.set()
    loop.call_soon_threadsafe(lambda: loop.call_soon(loop.stop))
    thread.join(5)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


async def test_in_the_running_loop_finish_closes_as_soon_as_the_loop_goes_on(
    closer: Closer,
) -> None:
    await closer.bound.enter()

    closer.bound.finish()

    assert closer.loops == []
    await asyncio.sleep(0.01)
    assert closer.loops == [asyncio.get_running_loop()]


async def test_an_idle_loop_is_reached_while_another_runs_here(closer: Closer) -> None:
    other = asyncio.new_event_loop()
    await asyncio.to_thread(other.run_until_complete, closer.bound.enter())

    closer.bound.finish()

    assert closer.loops == [other]
    other.close()


def test_a_loop_closed_by_hand_makes_no_noise(closer: Closer) -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(closer.bound.enter())
    loop.close()

    closer.bound.finish()
    gc.collect()

    assert closer.loops == []


def test_a_failing_close_is_raised_by_finish() -> None:
    async def close() -> None:
        raise ValueError("server gone")

    bound = LoopBound(close)
    asyncio.run(bound.enter())

    with pytest.raises(ValueError, match="server gone"):
        bound.finish()
    bound.finish()


def test_a_loop_that_is_not_asyncios_is_refused_by_name(closer: Closer) -> None:
    with pytest.raises(TestkitError, match="asyncio event loop only"):
        closer.bound.enter().send(None)


def test_loading_the_module_does_not_load_asyncio() -> None:
    code = "import sys, wflo_testkit.aio; sys.exit('asyncio' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_run_apart_answers_while_a_loop_runs_here() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert run_apart(loop, timeout=5) is not asyncio.get_running_loop()


def test_run_apart_raises_what_the_work_raised() -> None:
    async def fail() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run_apart(fail, timeout=5)


def test_run_apart_cancels_at_its_deadline() -> None:
    with pytest.raises(TimeoutError):
        run_apart(lambda: asyncio.sleep(60), timeout=0.05)
