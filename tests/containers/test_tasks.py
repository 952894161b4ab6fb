"""What only a process of tests can do is done by one of them, and by another if that one dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from wflo_testkit.broker.tasks import Tasks
from wflo_testkit.errors import StartFailed
from wflo_testkit.model import Build, Server
from wflo_testkit.wait import WaitTimeout, wait_until

SERVER = Server(service="container", name="app", host="127.0.0.1", ports={}, key="abcd")
Ask = Callable[[str], "Future[Server | Build]"]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(8)
    yield pool
    pool.shutdown()


@pytest.fixture
def tasks(pool: ThreadPoolExecutor) -> Iterator[Tasks]:
    tasks = Tasks()
    yield tasks
    tasks.close()  # before the threads, which wait for something of it, are waited for


@pytest.fixture
def ready(pool: ThreadPoolExecutor) -> Iterator[Future[Server]]:
    ready: Future[Server] = Future()
    yield ready
    if not ready.done():
        ready.set_result(SERVER)  # so that nobody waits any more


@pytest.fixture
def ask(tasks: Tasks, pool: ThreadPoolExecutor, ready: Future[Server]) -> Ask:
    """Ask for the server in a thread, as a process of that name."""
    return lambda owner: pool.submit(tasks.result, ready, {"abcd"}, owner)


def begun(tasks: Tasks, pool: ThreadPoolExecutor) -> Future[object]:
    future = pool.submit(tasks.have_done, "fill", SERVER, told="more")
    wait_until(lambda: tasks._open, timeout=5)
    return future


def token(answer: Future[Server | Build]) -> str:
    found = answer.result(timeout=5)
    assert isinstance(found, Build)
    return found.token


def test_one_of_those_who_ask_does_it_and_the_others_wait(
    tasks: Tasks, pool: ThreadPoolExecutor, ready: Future[Server], ask: Ask
) -> None:
    start = begun(tasks, pool)
    first, second = ask("gw0"), ask("gw1")
    wait_until(lambda: first.done() or second.done(), timeout=5)
    doer, other = (first, second) if first.done() else (second, first)
    with pytest.raises(WaitTimeout):
        wait_until(other.done, timeout=0.2)
    assert tasks.finish(token(doer), None, {"id": "1"})

    assert start.result(timeout=5) == {"id": "1"}
    ready.set_result(SERVER)
    assert other.result(timeout=5) is SERVER


def test_what_it_is_told_goes_along(tasks: Tasks, pool: ThreadPoolExecutor, ask: Ask) -> None:
    begun(tasks, pool)
    answer = ask("gw0").result(timeout=5)

    assert isinstance(answer, Build)
    assert answer.data["what"] == "fill"
    assert answer.data["told"] == "more"
    assert answer.data["server"]["name"] == "app"
    tasks.finish(answer.token, None)


def taken_over(tasks: Tasks, ask: Ask) -> bool:
    """Let the process that does it die, and say whether another is given it."""
    first = ask("gw0")
    mine, second = token(first), ask("gw1")
    tasks.drop_owner("gw0")
    try:
        wait_until(second.done, timeout=0.5)
    except WaitTimeout:
        return False
    assert token(second) == mine
    return True


def test_another_does_it_when_the_one_who_does_it_dies(
    tasks: Tasks, pool: ThreadPoolExecutor, ask: Ask
) -> None:
    begun(tasks, pool)

    assert taken_over(tasks, ask)


def test_that_is_noticed_where_nobody_takes_it_over(
    tasks: Tasks, pool: ThreadPoolExecutor, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tasks, pool)
    monkeypatch.setattr(Tasks, "drop_owner", lambda _self, _owner: None)

    assert not taken_over(tasks, ask)


def test_the_death_of_somebody_else_changes_nothing(
    tasks: Tasks, pool: ThreadPoolExecutor, ask: Ask
) -> None:
    begun(tasks, pool)
    token(ask("gw0"))
    tasks.drop_owner("gw7")
    with pytest.raises(WaitTimeout):
        wait_until(ask("gw1").done, timeout=0.2)


def test_what_goes_wrong_is_told(tasks: Tasks, pool: ThreadPoolExecutor, ask: Ask) -> None:
    start = begun(tasks, pool)
    tasks.finish(token(ask("gw0")), "ValueError: no such table")
    with pytest.raises(StartFailed, match="app is not ready: its `fill` has failed") as caught:
        start.result(timeout=5)

    assert caught.value.cause == "ValueError: no such table"
    assert not tasks.finish("unknown", None)


def test_nobody_waits_for_it_once_the_run_ends(tasks: Tasks, pool: ThreadPoolExecutor) -> None:
    start = begun(tasks, pool)
    tasks.close()

    with pytest.raises(StartFailed, match="the run is ending"):
        start.result(timeout=5)
