"""Where Ryuk is switched off or cannot run, the broker alone guards the run, which says so."""

from __future__ import annotations

import signal

import pytest

from tests.lifecycle.conftest import Launch

QUICK = {"test_it.py": "def test(redis_client):\n    pass\n"}
NO_IMAGE = """
from types import SimpleNamespace
from wflo_testkit.runtime import reaper

reaper.catalog = SimpleNamespace(official=lambda name: "wflo-testkit/no-such-ryuk:1")
"""
NO_SOCKET = {"TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE": "/no/such/docker.sock"}
OTHER_SOCKET = {"TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE": "/etc/hostname"}
NOTE = "only the broker clears up if this run is killed"


@pytest.mark.parametrize(
    ("variables", "conftest", "says"),
    [
        ({"WFLO_TESTKIT_RYUK": "0"}, "", "Ryuk is switched off"),
        pytest.param(
            {"TESTCONTAINERS_RYUK_DISABLED": "true"},
            "",
            "Ryuk is switched off",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {}, NO_IMAGE, "image wflo-testkit/no-such-ryuk:1 is not", marks=pytest.mark.slow
        ),
        pytest.param(NO_SOCKET, "", "the reaper could not be started", marks=pytest.mark.slow),
        pytest.param(OTHER_SOCKET, "", "the reaper exited at its start", marks=pytest.mark.slow),
    ],
    ids=["setting", "testcontainers' variable", "no image", "no socket", "not the socket"],
)
def test_the_run_passes_and_its_summary_has_one_line_about_it(
    launch: Launch, variables: dict[str, str], conftest: str, says: str
) -> None:
    run = launch(texts=QUICK | {"conftest.py": conftest}, **variables)
    run.process.wait(60)

    [line] = [line for line in run.output.splitlines() if NOTE in line]
    assert "1 passed" in run.output
    assert says in line
    assert run.is_gone(0)


@pytest.mark.slow
def test_a_run_that_ryuk_guards_says_nothing(launch: Launch) -> None:
    run = launch(texts=QUICK)
    run.process.wait(60)

    assert "1 passed" in run.output
    assert "Ryuk" not in run.output


@pytest.mark.slow
def test_nothing_is_left_of_a_killed_run_whose_ryuk_could_not_start(launch: Launch) -> None:
    run = launch(**NO_SOCKET)
    run.await_ready()
    run.die(signal.SIGKILL, everybody=True)

    run.seconds_until_gone()
