"""What is stopped for a while, as by Ctrl-Z or a debugger, goes on where it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.lifecycle.conftest import Launch
from tests.lifecycle.runs import Launched, made_by
from wflo_testkit.wait import pause

WAITS = """
import pytest
from conftest import HERE, ready
from wflo_testkit.wait import wait_until

@pytest.mark.parametrize("n", range(2))
def test_goes_on(redis_client, planted, redis_server, n):
    redis_client.set("mine", n)
    ready()
    wait_until((HERE / "over").exists, timeout=60, poll=0.05)
    assert redis_client.keys() == [b"mine"]
    assert redis_server.logs()

def test_next(redis_client):
    assert redis_client.keys() == []
"""
STOPPED: dict[str, Callable[[Launched], list[int]]] = {
    "pytest": lambda run: [run.process.pid],
    "a worker": lambda run: [min(run.pids())],
    "the broker": lambda run: [run.broker()],
    "all": lambda run: [run.process.pid, *run.pids(), run.broker()],
}
SECONDS = 4.0
"""Longer than the broker takes to see that its owner or a worker is gone."""


@pytest.mark.slow
@pytest.mark.parametrize("who", STOPPED)
def test_nothing_is_lost_and_nothing_removed(launch: Launch, who: str) -> None:
    run = launch("-n", "2", texts={"test_it.py": WAITS})
    run.await_ready(2)
    stopped = STOPPED[who](run)
    for each in stopped:
        os.kill(each, signal.SIGSTOP)
    pause(SECONDS)
    there = made_by(run.run)
    for each in reversed(stopped):
        os.kill(each, signal.SIGCONT)
    (run.folder / "over").touch()

    run.process.wait(60)

    assert there == run.made
    assert "3 passed" in run.output, run.output
    assert run.is_gone(0)
