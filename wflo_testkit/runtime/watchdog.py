"""A process that removes what a run made when the run's process dies: Ryuk's understudy.

It guards until Ryuk has acknowledged, while Ryuk goes at the end, and all along where Ryuk is
switched off or cannot run.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from wflo_testkit.errors import StartFailed
from wflo_testkit.runtime import forks, processes
from wflo_testkit.runtime.address import Endpoint

SCRIPT = Path(__file__).with_name("watchdog_process.py")


class Watchdog:
    """A detached process, and the socket by which it learns how this process ended.

    endpoint: the daemon of the run, which the process would not find by itself once a test has
    changed the environment.
    """

    def __init__(self, run: str, endpoint: Endpoint) -> None:
        self._run = run
        self._endpoint = endpoint
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._confirmed = False

    def start(self) -> None:
        """Start the process; returns at once. Raises StartFailed."""
        if os.name == "nt":
            raise _failed("it needs fork and Unix sockets")
        ours, its = socket.socketpair()
        parent = str(processes.own_pid())  # another one would look as if it had died already
        # -I -S: a quick start, whatever the tests have done to the environment.
        command = [sys.executable, "-I", "-S", str(SCRIPT), self._run, parent]
        try:
            # A session of its own: a signal to the tests' process group does not reach it.
            self._process = subprocess.Popen(
                command,
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            ours.close()
            raise _failed(error) from None
        finally:
            its.close()
        self._socket = ours
        forks.in_child(self._let_go)
        # One that has died already is noticed, and told, by `confirm`.
        with contextlib.suppress(OSError):
            ours.sendall(self._order().encode() + b"\n")

    def confirm(self) -> None:
        """Return once the process watches. Raises StartFailed."""
        with self._lock:
            if not self._confirmed:
                self._await_confirmation()
                self._confirmed = True

    def dismiss(self) -> None:
        """Tell the process that nothing is left to guard, and see it off."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendall(b"done\n")
                self._socket.shutdown(socket.SHUT_RDWR)  # ends a `confirm` in another thread
        with self._lock:
            self._let_go()
            process, self._process = self._process, None
        if process is not None:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def hang_up(self) -> None:
        """Let the process clear up now, as if this one were dead."""
        if self._process is not None:
            self._process.returncode = 0  # it outlives us on purpose: nobody waits for it
        self._let_go()

    def _order(self) -> str:
        """Return the line by which the process is told what it needs to clear up."""
        path = [place for place in sys.path if Path(place).is_absolute()]
        return json.dumps({"path": path, "endpoint": asdict(self._endpoint)})

    def _await_confirmation(self) -> None:
        if self._socket is None:
            raise _failed("it was not started")
        self._socket.settimeout(30)
        try:
            answer = self._socket.recv(16)
        except OSError as error:
            raise _failed(error) from None
        if not answer:
            raise _failed("it exited at its start")

    def _let_go(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _failed(cause: str | BaseException) -> StartFailed:
    return StartFailed(
        "the watchdog, which removes the containers of a killed run, did not start",
        cause=cause,
        looked_at=f"{sys.executable} {SCRIPT}",
    )
