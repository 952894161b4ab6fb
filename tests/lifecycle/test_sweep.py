"""A run removes what dead ones left, and nothing that a living one may need."""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lifecycle.conftest import Launch
from tests.lifecycle.events import Events, listening
from tests.lifecycle.planted import NOBODY, Planted, folder
from tests.lifecycle.runs import HOST, Launched
from tests.lifecycle.test_deaths import kill_both
from wflo_testkit.runtime import daemon, folders, labels
from wflo_testkit.wait import wait_until

QUICK = {"test_it.py": "def test(redis_client):\n    pass\n"}

NOBODY_IS_DEAD = "labels.owner_is_dead = lambda text: False\n"

WE_ARE_DEAD = """
def owner_is_dead(text):
    host, pid = text.split(" ")[:2]
    return host == "{host}" and int(pid) in {pids}

labels.owner_is_dead = owner_is_dead
"""

DEAD = {"stopped", "running", "network", "volume", "idle reaper"}
ALIVE = {"a living run's server", "a living run's network", "kept", "elsewhere's", "busy reaper"}


@pytest.fixture
def planted() -> Iterator[Planted]:
    """What a dead run, a living one, a run that kept its server and another machine have made."""
    client = daemon.connect().client
    planted = Planted(client.api)
    try:
        plant(planted, secrets.token_hex(4))
        yield planted
    finally:
        planted.remove()
        left = planted.still_there()
        client.close()
    assert not left


def plant(planted: Planted, run: str) -> None:
    dead = planted.marks("server", dead=True, run=run)
    alive = planted.marks("server", dead=False, run=f"{run}1")
    planted.container("stopped", dead, running=False)
    planted.container("running", dead, running=True)
    planted.network("network", dead)
    planted.volume("volume", dead)
    planted.container("idle reaper", planted.marks("reaper", dead=True), running=False)
    planted.container("busy reaper", planted.marks("reaper", dead=True), running=True)
    planted.container("a living run's server", alive, running=True)
    planted.network("a living run's network", alive)
    planted.container("kept", planted.marks("server", dead=True), running=True)
    elsewhere = planted.marks("server", dead=True, run=run, host=f"elsewhere-{planted.host}")
    planted.container("elsewhere's", elsewhere, running=True)


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    with listening(tmp_path) as events:
        yield events


@pytest.fixture
def temp() -> Iterator[Path]:
    """A system's temp folder for one suite."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as path:
        yield Path(path)


def swept(launch: Launch, planted: Planted, mutation: str = "", **variables: str) -> Launched:
    """Run a suite of one quick test on the made-up host, to its end."""
    run = launch(texts=QUICK | {"conftest.py": mutation}, host=planted.host, **variables)
    run.process.wait(60)
    assert "1 passed" in run.output, run.output
    return run


@pytest.mark.slow
def test_what_the_dead_left_goes_and_what_others_need_stays(
    launch: Launch, planted: Planted, events: Events
) -> None:
    assert planted.still_there() == DEAD | ALIVE

    run = swept(launch, planted)

    assert planted.still_there() == ALIVE
    # As after a restart of the daemon: what is stopped goes before anything is started.
    [started] = [event.at for event in events.until_destroyed(run.run) if event.action == "start"]
    assert events.when("destroy", planted.things["stopped"][1]) < started
    assert events.when("destroy", planted.things["running"][1]) > started


@pytest.mark.slow
def test_a_sweep_that_takes_nobody_for_dead_is_seen_to_leave_things(
    launch: Launch, planted: Planted
) -> None:
    swept(launch, planted, NOBODY_IS_DEAD)

    assert planted.still_there() == DEAD | ALIVE


@pytest.mark.slow
def test_a_hurt_bystander_is_seen(launch: Launch, planted: Planted) -> None:
    # Restricted to what is planted here: other people's containers are bystanders, too.
    swept(launch, planted, WE_ARE_DEAD.format(host=planted.host, pids={NOBODY, os.getpid()}))

    hurt = {"a living run's server", "a living run's network"}
    assert planted.still_there() == ALIVE - hurt


@pytest.mark.slow
def test_folders_of_dead_runs_go_and_those_of_others_stay(
    launch: Launch, planted: Planted, temp: Path
) -> None:
    dead = folder(temp, "dead", planted.owner(dead=True))
    others = [
        folder(temp, "alive", planted.owner(dead=False)),
        folder(temp, "elsewhere", "elsewhere 1 1 1"),
        folder(temp, "unsigned", ""),
    ]

    swept(launch, planted, TMPDIR=str(temp))

    assert not dead.exists()
    assert all((each / "broker.sock").exists() for each in others)


@pytest.mark.slow
def test_a_killed_run_names_the_owner_of_its_folders(
    launch: Launch, temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "_host", lambda: HOST)
    run = launch("-n", "1", guard="broker", TMPDIR=str(temp))
    run.await_ready()
    mine = list(temp.glob("wflo-*"))
    assert len(mine) == 2  # the broker's, and that of the servers' sockets
    assert not any(labels.owner_is_dead((each / "owner").read_text()) for each in mine)

    kill_both(run)

    wait_until(  # nobody waits for the broker, which dies when it gets to
        lambda: all(labels.owner_is_dead((each / "owner").read_text()) for each in mine),
        timeout=10,
        poll=0.01,
    )
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    folders.sweep()
    assert not any(each.exists() for each in mine)


@pytest.mark.slow
def test_the_broker_of_a_killed_run_takes_the_folders_with_it(launch: Launch, temp: Path) -> None:
    run = launch(guard="broker", TMPDIR=str(temp))
    run.await_ready()
    assert len(list(temp.glob("wflo-*"))) == 2

    run.die(signal.SIGKILL)

    wait_until(lambda: not list(temp.glob("wflo-*")), timeout=15, describe="the folders go")
