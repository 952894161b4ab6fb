"""What the tests of reuse share: processes that run, a look at what is kept, its removal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.docker_state import docker_state
from wflo_testkit.broker.broker import Broker
from wflo_testkit.model import Server
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse.user_folder import UserFolder

RUN = """
import os, sys, time
from tests.services.third_party import notes_service
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.reuse import Reuse
from wflo_testkit.runtime.reuse.kept_servers import KeptServers
from wflo_testkit.runtime.docker_session import DockerSession

run, moment = sys.argv[1:]

def halt(*_args, **_kwargs):
    print("halted", flush=True)
    sys.stdin.read()

if moment == "created":
    from docker.models.containers import Container
    Container.start = halt
elif moment == "started":
    KeptServers.write_down = halt

reuse = Reuse(KeptServers(run, "here", 3600.0))
broker = Broker({"notes": notes_service.SERVICE}, DockerSession(run), reuse)
server = broker.servers.get(notes_service.spec("notes", {"image": "", "memory": "16mb"}))
print(server.container_id, "docker" in sys.modules, flush=True)
if moment == "fork" and os.fork() == 0:
    sys.stdin.read()  # a child that outlives its parent
    os._exit(0)
sys.stdin.read()
broker.close()
print("closed", flush=True)
"""
"""Gets the notes server; stays until its input ends; halts for good at `moment` before that."""


class Processes:
    """Processes that each are one run."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._all: list[subprocess.Popen[str]] = []

    def begin(self, run: str, moment: str = "") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, run, moment],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self._root,
            start_new_session=True,
        )
        self._all.append(process)
        return process

    def close(self) -> None:
        for process in self._all:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def write(home: UserFolder, name: str, text: str) -> None:
    """Write as a run does, with the lock: drafts without are taken for those of dead ones."""
    with home.lock():
        home.write(name, text)


def kept_by(home: UserFolder) -> list[str]:
    """Return the ids of containers that are kept in `home`, stopped ones too."""
    return sorted(docker_state(f"{labels.HOME}={home.label}").containers)


def remove_all_of(home: UserFolder) -> None:
    """Remove what is kept in `home`, whoever uses it."""
    left = docker_state(f"{labels.HOME}={home.label}")
    for kind, ids in (("rm -fv", left.containers), ("network rm", left.networks)):
        if ids:
            docker(*kind.split(), *ids)


def docker(*words: str) -> str:
    """Run the docker command line and return what it prints."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def row_of(broker: Broker) -> dict[str, object]:
    [row] = broker.servers.summary()
    return row


def is_up(server: Server) -> bool:
    return docker("inspect", "-f", "{{.State.Running}}", server.container_id) == "true"
