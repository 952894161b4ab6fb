"""Runs of pytest that are killed: started in a process group of their own, watched by files."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from tests.docker_state import containers_named, docker_state
from tests.lifecycle import processes
from wflo_testkit.runtime import labels
from wflo_testkit.wait import WaitTimeout, clock, wait_until

LIMIT = 15.0
"""Seconds after the death of the broker's process by which all that a run made has to be gone."""

# What no run here uses costs each process a quarter of a second.
UNUSED = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:cov", "-p", "no:fakefs")
HOST = f"launched-{secrets.token_hex(4)}"
"""The machine that suites believe to be on: a sweep by another run, which would hide the failure
of a guard, cannot prove that they are dead."""

CONFTEST = '''
import contextlib, os, threading, time
from pathlib import Path

import pytest

HERE = Path(os.environ["LAUNCHED_NOTES"])

from wflo_testkit.runtime import labels
from wflo_testkit.wait import WaitTimeout, wait_until

labels._host = lambda: "{host}"

# What stands here holds in the broker's process, too.
from wflo_testkit.run import launch

entry = "from wflo_testkit.run.entry"
launch.BEGIN = launch.BEGIN.replace(entry, "import conftest\\n" + entry)

def put(name, text=""):
    draft = HERE / f".{{name}}-{{os.getpid()}}-{{threading.get_ident()}}"
    draft.write_text(str(text))
    draft.rename(HERE / name)

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    from wflo_testkit.plugin.process import PROCESS
    if not hasattr(config, "workerinput"):
        put("run", config.stash[PROCESS].run)

@pytest.fixture(scope="session")
def planted(redis_server):
    """A network and a volume beside the server, with the marks of what this run made; and the
    run's own network, which is made when somebody asks for it."""
    assert redis_server.network
    import docker
    client = docker.from_env()
    run = client.containers.get(redis_server.container_id).labels[labels.RUN]
    name = f"wflo-{{run}}-{{os.getpid()}}"
    client.networks.create(name, labels=labels.of_run(run, "network"))
    client.volumes.create(name, labels=labels.of_run(run, "volume"))
    client.close()

def ready():
    put(f"ready-{{os.getpid()}}")

def rest(seconds=100):
    """Wait; leave the whole process at once if told so meanwhile."""
    with contextlib.suppress(WaitTimeout):
        wait_until((HERE / "exit").exists, timeout=seconds, poll=0.05)
        os._exit(3)
'''

RESTING = """
import pytest
from conftest import ready, rest

@pytest.mark.parametrize("n", range({tests}))
def test_rests(redis_client, planted, n):
    ready()
    rest()
"""


class Launched:
    """A suite that runs in `folder`; texts: file name -> content.

    CONFTEST comes before what is given for conftest.py. notes: where its files of news go, for
    runs that share a folder.
    """

    def __init__(
        self,
        folder: Path,
        texts: dict[str, str],
        *options: str,
        variables: dict[str, str],
        host: str = HOST,
        notes: Path | None = None,
    ) -> None:
        conftest = CONFTEST.format(host=host) + dedent(texts.get("conftest.py", ""))
        _write(folder, texts | {"conftest.py": conftest})
        self.folder = folder
        self.notes = notes or folder
        self.notes.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pytest", *UNUSED, *options]
        with (self.notes / "output.txt").open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LAUNCHED_NOTES": str(self.notes), **variables},
                start_new_session=True,
                preexec_fn=heed_signals,
            )
        self.began = clock.monotonic()
        self.made: set[str] = set()

    @property
    def output(self) -> str:
        return (self.notes / "output.txt").read_text()

    @property
    def run(self) -> str:
        """The run's id; "" if it was killed before it had one."""
        path = self.notes / "run"
        return path.read_text() if path.exists() else ""

    def pids(self) -> set[int]:
        """Return the processes in which a test has come to rest."""
        return {int(path.name.partition("-")[2]) for path in self.notes.glob("ready-*")}

    def await_ready(self, tests: int = 1) -> None:
        """Return once so many processes rest; notes what the run has made by then."""
        self.await_file("ready-*", tests)
        self.made = made_by(self.run)
        assert self.made

    def await_file(self, pattern: str, count: int = 1, *, timeout: float = 60) -> None:
        def is_there() -> bool:
            return len(list(self.notes.glob(pattern))) >= count

        wait_until(
            is_there, timeout=timeout, poll=0.05, describe=pattern, give_up=self._raise_if_over
        )

    def broker(self) -> int:
        """Return the process id of the run's broker."""
        [found] = processes.that_name(f"broker of run {self.run}")
        return found

    def signal(self, number: int, *, everybody: bool = False) -> None:
        """Send a signal to the main process, or to its whole group as a terminal does."""
        if everybody:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def die(self, number: int, *, everybody: bool = False) -> None:
        """Send a signal and wait for the end of the main process."""
        self.signal(number, everybody=everybody)
        self.process.wait(60)

    def seconds_until_gone(self, limit: float = LIMIT) -> float:
        """Return how long after now the last thing of the run went. Raises WaitTimeout."""
        began = clock.monotonic()
        try:
            wait_until(lambda: not left_by(self.run), timeout=limit, poll=0.1, describe="all gone")
        except WaitTimeout:
            raise WaitTimeout(f"after {limit:g} s there is still\n{self._what_is_left()}") from None
        assert not self.made & set(docker_state()), "found by id"
        return clock.monotonic() - began

    def is_gone(self, limit: float = LIMIT) -> bool:
        """The same check as a yes or no, for runs that are meant to leave something."""
        try:
            self.seconds_until_gone(limit)
        except WaitTimeout:
            return False
        return True

    def end(self) -> None:
        """Kill what is left of the process group, and remove what is left of the run."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        remove(self.run)

    def _what_is_left(self) -> str:
        """Describe it for whoever reads the failure, with what the reaper has to say."""
        name = f"name=wflo-.*{self.run}"
        containers = _docker("ps", "-a", "--filter", name)
        networks = _docker("network", "ls", "--filter", name)
        reaper = subprocess.run(
            ["docker", "logs", "--timestamps", f"wflo-reaper-{self.run}"],
            capture_output=True,
            text=True,
        )
        return f"{containers}{networks}{reaper.stdout}{reaper.stderr}{self.output}"

    def _raise_if_over(self) -> None:
        if self.process.poll() is not None:
            raise AssertionError(f"the run ended early:\n{self.output}")


def _write(folder: Path, texts: dict[str, str]) -> None:
    """Write a suite; what another run of the same folder may be reading stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path, wanted = folder / name, dedent(text)
        if not path.exists() or path.read_text() != wanted:
            path.write_text(wanted)


def heed_signals() -> None:
    """Undo what a shell does to the jobs that it starts in the background, and nohup to all."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def lives(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    return not labels.owner_is_dead(labels.owner(pid)) if Path(f"/proc/{pid}").exists() else False


def left_by(run: str) -> set[str]:
    """Return the ids of what carries the run's label, and of its reaper."""
    if not re.fullmatch("[0-9a-f]+", run):
        return set()
    return {*docker_state(f"{labels.RUN}={run}"), *containers_named(f"wflo-reaper-{run}")}


def made_by(run: str) -> set[str]:
    """Return what `left_by` does, and the containers' volumes, which carry no label."""
    ids = left_by(run)
    containers = [each for each in ids if re.fullmatch("[0-9a-f]{64}", each)]
    if not containers:
        return ids
    done = subprocess.run(["docker", "inspect", *containers], capture_output=True, text=True)
    mounts = (mount for each in json.loads(done.stdout) for mount in each.get("Mounts", ()))
    return ids | {mount["Name"] for mount in mounts if mount.get("Name")}


def remove(run: str) -> None:
    """Remove what a run has left that was killed without a guard."""
    from wflo_testkit.runtime import daemon, leftovers, reaper

    if not left_by(run):
        return
    client = daemon.connect().client
    try:
        reaper.remove(client.api, run)
        wait_until(lambda: leftovers.remove_run(client.api, run), timeout=30)
    finally:
        client.close()


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout
