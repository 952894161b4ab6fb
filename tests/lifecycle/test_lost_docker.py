"""A connection to Docker that is lost costs no container its end."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.lifecycle.conftest import GUARDS, Launch
from tests.lifecycle.proxy import Proxy
from tests.lifecycle.runs import left_by

IMPATIENT = """
from wflo_testkit.broker.broker import Broker

Broker.close.__defaults__ = (2.0,)
"""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.cut()


@pytest.mark.slow
def test_the_broker_waits_until_docker_answers_again(launch: Launch, proxy: Proxy) -> None:
    run = launch(guard="broker", DOCKER_HOST=proxy.address)
    run.await_ready()

    proxy.cut()
    run.die(signal.SIGKILL)
    assert not run.is_gone(3)
    proxy.mend()

    run.seconds_until_gone()


@pytest.mark.slow
def test_ryuk_has_a_way_of_its_own(launch: Launch, proxy: Proxy) -> None:
    run = launch(guard="Ryuk", DOCKER_HOST=proxy.address)
    run.await_ready()

    proxy.cut()
    run.die(signal.SIGKILL)

    run.seconds_until_gone()


@pytest.mark.slow
@pytest.mark.parametrize("guard", GUARDS)
def test_what_the_end_cannot_remove_is_said_and_left_to_the_guard(
    launch: Launch, proxy: Proxy, guard: str
) -> None:
    run = launch(guard=guard, texts={"conftest.py": IMPATIENT}, DOCKER_HOST=proxy.address)
    run.await_ready()

    proxy.cut()
    run.die(signal.SIGINT)

    assert left_by(run.run)
    assert f"the containers of run {run.run} could not be removed" in run.output
    assert f"wflo-testkit clean --run {run.run}" in run.output
    proxy.mend()
    run.seconds_until_gone()


LATER = """
import pytest
from conftest import HERE, ready
from wflo_testkit.wait import wait_until

def test_first(redis_client):
    ready()
    wait_until((HERE / "cut").exists, timeout=60)

@pytest.mark.wflo(redis="own_server")
def test_later(redis_client): pass
"""


@pytest.mark.slow
def test_a_daemon_that_answered_and_is_lost_is_a_failure_and_never_a_skip(
    launch: Launch, proxy: Proxy
) -> None:
    texts = {"test_it.py": LATER, "conftest.py": IMPATIENT}
    run = launch("--wflo-without-docker=skip", texts=texts, DOCKER_HOST=proxy.address)
    run.await_ready()

    proxy.cut()
    (run.folder / "cut").touch()
    run.process.wait(100)

    assert "1 passed, 1 error" in run.output, run.output
    assert "skipped" not in run.output
    proxy.mend()
    run.seconds_until_gone()
