"""A Docker daemon of the tests' own, which may be stopped: in a network namespace, as root."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lifecycle import processes
from wflo_testkit import catalog
from wflo_testkit.runtime import daemon, images
from wflo_testkit.wait import wait_until

NAMESPACE = ("unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat")
"""Holds a network namespace with a loopback device until its input ends, as it does with ours."""

ENTER = """
import ctypes, os

# 0x40000000 is CLONE_NEWNET (setns(2)); os.setns came with Python 3.12.
assert ctypes.CDLL(None, use_errno=True).setns(os.open("/proc/{pid}/ns/net", 0), 0x40000000) == 0
"""


class Daemon:
    """A dockerd with data, socket, network and containerd apart from those of the machine's own.

    Only the network namespace is entered: a new mount namespace would lose the cgroups.
    """

    def __init__(self) -> None:
        if os.getuid() != 0:
            raise PermissionError("a second Docker daemon needs root: run these tests as root")
        # Its name becomes containerd's namespace, which may not end with the "_" of a mkdtemp.
        self._folder = Path(f"/tmp/dockerd-{secrets.token_hex(4)}")
        self._folder.mkdir(mode=0o700)
        self._process: subprocess.Popen[bytes] | None = None
        self._namespace = subprocess.Popen(
            NAMESPACE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._namespace.stdout is not None
        assert self._namespace.stdout.readline() == b"up\n"

    @property
    def address(self) -> str:
        """What DOCKER_HOST has to be; its published ports are reached after `enter` only."""
        return f"unix://{self._folder}/docker.sock"

    @property
    def enter(self) -> str:
        """Return Python code by which a suite's conftest.py enters the network namespace."""
        return ENTER.format(pid=self._namespace.pid)

    def start(self) -> None:
        """Start, and return once it answers."""
        name = self._folder.name
        # Where nobody reaps containerd, dead after a crash, dockerd would take it for alive.
        (self._folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)
        # setpriv: it ends with us, however we end.
        words = ["setpriv", "--pdeathsig", "TERM"]
        words += ["nsenter", f"--net=/proc/{self._namespace.pid}/ns/net", "dockerd"]
        words += ["-H", self.address, "--pidfile", f"{self._folder}/pid"]
        words += ["--data-root", f"{self._folder}/data", "--exec-root", f"{self._folder}/exec"]
        # Where the machine's own containerd serves both, each has containers of its own.
        words += ["--containerd-namespace", name, "--containerd-plugins-namespace", f"{name}-p"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(
            self._answers, timeout=90, poll=0.1, describe="dockerd answers", give_up=self._check
        )

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal and return once it has ended; after SIGTERM every container has, too."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None
            wait_until(  # after a crash it dies a moment later
                lambda: not processes.that_name(f"{self._folder}/exec/containerd/containerd.toml"),
                timeout=30,
                describe="containerd ends",
            )

    @contextlib.contextmanager
    def down(self, number: int) -> Iterator[None]:
        """Stop it for as long as the block takes."""
        self.stop(number)
        try:
            yield
        finally:
            self.start()

    def load(self, *names: str) -> None:
        """Copy the images that serve `names` here from the machine's own daemon."""
        client = daemon.connect().client
        try:
            policy = os.environ.get("WFLO_TEST_IMAGES", "auto")
            found = [images.resolve(client, catalog.official(n), policy=policy) for n in names]
        finally:
            client.close()
        references = [each.reference for each in found]
        with subprocess.Popen(["docker", "save", *references], stdout=subprocess.PIPE) as saved:
            self._docker("load", stdin=saved.stdout)
        assert saved.returncode == 0

    def close(self) -> None:
        """Remove all containers, end the daemon, and leave nothing on the disk."""
        try:
            if left := self._docker("ps", "-aq").split():
                self._docker("rm", "-fv", *left)
        finally:
            self.stop()
            self._namespace.communicate()
            for pid in processes.that_name(str(self._folder)):  # what a crash has left
                os.kill(pid, signal.SIGKILL)
            for mount in self._mounts():
                subprocess.run(["umount", "-l", mount], check=False)
            shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        return bool(self._docker("version", "-f", "{{.Server.Version}}"))

    def _check(self) -> None:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError((self._folder / "log").read_text()[-3000:])

    def _docker(self, *words: str, stdin: object = None) -> str:
        done = subprocess.run(
            ["docker", "-H", self.address, *words],
            stdin=stdin,  # type: ignore[call-overload]
            capture_output=True,
            text=True,
            check=True,
        )
        return str(done.stdout)

    def _mounts(self) -> list[str]:
        """Return what is still mounted below, the innermost first."""
        places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        return [place for place in reversed(places) if place.startswith(str(self._folder))]
