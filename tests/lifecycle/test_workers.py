"""A worker that dies takes nothing with it, and leaves nothing."""

from __future__ import annotations

import os
import signal

import pytest

from tests.lifecycle.conftest import Launch

ONE_IS_KILLED = """
import pytest
from conftest import put, ready, rest

@pytest.mark.parametrize("n", range(12))
def test_works(redis_client, redis_server, n):
    assert redis_client.dbsize() == 0
    redis_client.set("left", "behind")
    put(f"container-{n}", redis_server.container_id)

def test_is_killed(redis_client):
    redis_client.set("left", "behind")
    ready()
    rest()
"""


@pytest.mark.slow
def test_the_run_goes_on_with_the_same_container_and_ends_clean(launch: Launch) -> None:
    run = launch("-n", "2", texts={"test_it.py": ONE_IS_KILLED})
    run.await_ready()
    [worker] = run.pids()

    os.kill(worker, signal.SIGKILL)
    run.process.wait(60)

    containers = {path.read_text() for path in run.folder.glob("container-*")}
    assert "1 failed, 12 passed" in run.output, run.output
    assert len(containers) == 1
    assert run.is_gone(0)
