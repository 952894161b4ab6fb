"""Whatever ends a run, its containers and networks go."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.docker_state import docker_state
from tests.lifecycle.runs import made_by
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import StartFailed
from wflo_testkit.model import Spec
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.wait import wait_until

RUN = """
import os, sys
from tests.services.third_party import notes_service
from wflo_testkit.broker.broker import Broker
from wflo_testkit.runtime.docker_session import DockerSession

broker = Broker({"notes": notes_service.SERVICE}, DockerSession(sys.argv[1]))
broker.servers.get(notes_service.spec("notes", {"image": "", "memory": "16mb"}))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run() -> str:
    """The id of a run: a new one, since the guards of a dead run take away all that has its id."""
    return f"dead{secrets.token_hex(4)}"


@pytest.fixture
def process(root: object, run: str) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own that has started one server, in `run`."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, run],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=str(root),
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):  # it could not even start
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_closing_removes_all_that_the_run_made(
    session: DockerSession, broker: Broker, spec: Spec
) -> None:
    broker.servers.get(spec)
    made = made_by(session.run)
    assert len(made) == 4, "a server, its volume, the network and the reaper"

    broker.close()

    assert not made & set(docker_state())


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_after_fifteen_seconds(
    process: subprocess.Popen[str], run: str
) -> None:
    label = f"{labels.RUN}={run}"
    assert list(docker_state(label))

    os.kill(process.pid, signal.SIGKILL)

    wait_until(
        lambda: not list(docker_state(label)), timeout=15, poll=0.2, describe="the run is removed"
    )


@pytest.mark.slow
def test_closing_twice_is_harmless(session: DockerSession, broker: Broker, spec: Spec) -> None:
    broker.servers.get(spec)
    broker.close()
    broker.close()


def end_during_a_creation(session: DockerSession, broker: Broker, spec: Spec) -> None:
    """End the run while the daemon takes its time to create a container for it."""
    client = session.client
    create, asked, answer = client.create, threading.Event(), threading.Event()

    def slowly(*words: object, **config: object) -> object:
        asked.set()
        assert answer.wait(20)
        return create(*words, **config)

    client.create = slowly
    started = broker.servers.begin(spec)
    assert asked.wait(20)
    end = threading.Thread(target=session.close)
    end.start()
    end.join(2)
    answer.set()
    assert isinstance(started.ready.exception(20), StartFailed)
    end.join(20)


def test_what_is_being_created_while_the_run_ends_goes_too(
    session: DockerSession, broker: Broker, spec: Spec
) -> None:
    end_during_a_creation(session, broker, spec)

    assert list(docker_state(f"{labels.RUN}={session.run}")) == []


def test_an_end_that_does_not_wait_for_it_is_seen_to_leak(
    session: DockerSession, broker: Broker, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DockerSession, "_making", lambda _self: contextlib.nullcontext())
    end_during_a_creation(session, broker, spec)

    [left] = docker_state(f"{labels.RUN}={session.run}")
    session.client.client.api.remove_container(left, force=True, v=True)


def test_after_the_end_nothing_is_started_any_more(
    session: DockerSession, broker: Broker, spec: Spec
) -> None:
    broker.servers.get(spec)
    broker.close()

    with pytest.raises(StartFailed, match="the run is ending"):
        broker.servers.get(dataclasses.replace(spec, name="late"))
    assert list(docker_state(f"{labels.RUN}={session.run}")) == []


def test_an_owner_is_dead_only_when_proven() -> None:
    mine = labels.owner()
    finished = subprocess.Popen([sys.executable, "-c", ""])
    theirs = labels.owner(finished.pid)
    finished.wait()

    assert not labels.owner_is_dead(mine)
    assert labels.owner_is_dead(theirs)
    assert not labels.owner_is_dead("another-host 1 1 1")
    assert not labels.owner_is_dead("nonsense")


def test_a_process_of_another_boot_is_dead_and_a_zombie_too() -> None:
    host, pid, started, boot = labels.owner().split(" ")
    another = boot.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))
    zombie = subprocess.Popen([sys.executable, "-c", ""])
    theirs = labels.owner(zombie.pid)
    wait_until(lambda: labels.owner_is_dead(theirs), timeout=10, describe="it ends")
    zombie.wait()

    assert labels.owner_is_dead(f"{host} {pid} {started} {another}")
    assert labels.owner_is_dead(f"{host} {pid} 1 {boot}")


def test_a_process_of_another_pid_namespace_is_never_proven_dead() -> None:
    host = labels.owner().split(" ")[0]
    neighbour = host.rpartition("/")[0] + "/4026539999"

    assert not labels.owner_is_dead(f"{neighbour} 4194305 1 1")
