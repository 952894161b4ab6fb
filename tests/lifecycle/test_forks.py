"""Children that a test forks and that outlive it do not keep the containers alive."""

from __future__ import annotations

import os
import signal

import pytest

from tests.cases import quick
from tests.lifecycle.conftest import GUARDS, Launch
from tests.lifecycle.runs import Launched, lives

FORKING = """
import os
from conftest import put, ready, rest

def test_forks(redis_client, planted):
    if (child := os.fork()) == 0:
        rest(300)
        os._exit(0)
    put("child", child)
    ready()
    rest()
"""

BLIND = """
really = os.getppid()
os.getppid = lambda: really
"""
"""A suite whose broker does not see its owner go, but by the socket that a child holds open."""


def killed_beside_its_child(launch: Launch, guard: str, conftest: str = "") -> Launched:
    """Run a test that forks, and kill it but not the child."""
    run = launch(texts={"test_it.py": FORKING, "conftest.py": conftest}, guard=guard)
    run.await_ready()
    run.die(signal.SIGKILL)
    assert lives(child_of(run))
    return run


def child_of(run: Launched) -> int:
    return int((run.folder / "child").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("guard", quick(GUARDS, ("broker",)))
def test_nothing_is_left_beside_a_child_that_lives_on(launch: Launch, guard: str) -> None:
    run = killed_beside_its_child(launch, guard)

    run.seconds_until_gone()
    assert lives(child_of(run))


@pytest.mark.slow
def test_mutant_that_trusts_the_socket_alone_is_held_back_by_the_child(launch: Launch) -> None:
    run = killed_beside_its_child(launch, "broker", BLIND)
    assert not run.is_gone(9)

    os.kill(child_of(run), signal.SIGKILL)
    run.seconds_until_gone()
