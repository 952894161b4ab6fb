"""The process that owns a run: it begins the broker, ends it, and cleans up after a lost one.

That is pytest's only process, or xdist's controller. Loaded with the latter by every run, so what
only a run with a broker needs is imported inside the functions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflo_testkit.runtime import folders, processes

if TYPE_CHECKING:
    import subprocess

    from wflo_testkit.broker.wire import Stream
    from wflo_testkit.run.config import RunConfig
    from wflo_testkit.run.progress import Progress

SOCKET = "broker.sock"
LOG = "broker.log"
BACKLOG = 128
"""Callers that wait while the broker's interpreter starts."""
END_PATIENCE = 30.0
"""Seconds for a broker that is just being begun to have begun."""
QUIET = 5.0
"""Seconds without a find after which nothing more of a lost broker's is expected: a call to the
daemon that was under way is carried out."""
CLEANING_TIMEOUT = 60.0


class RunOwner:
    """The owner's side of one run's broker. Safe to use from several threads.

    configure: resolves the run's config; called once, when the broker is begun.
    """

    def __init__(self, run: str, configure: Callable[[], RunConfig]) -> None:
        self._run = run
        self._configure = configure
        self._pid = processes.own_pid()
        self._lock = threading.RLock()
        self._folder: Path | None = None
        self._listening: socket.socket | None = None
        self._waker: socket.socket | None = None
        self._waiting: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Stream | None = None
        self._progress: Progress | None = None
        self._config: RunConfig | None = None
        self._objection: Exception | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there is, or was, a broker."""
        return self._config is not None

    @property
    def log(self) -> str:
        """What the broker has written so far."""
        with contextlib.suppress(OSError):
            return (self._folder / LOG).read_text(errors="replace") if self._folder else ""
        return ""

    def listen(self) -> str:
        """Return the path of the socket at which the broker can be asked; it need not have begun.

        Raises TestkitError where there is no place for one.
        """
        with self._lock:
            if self._folder is None:
                self._folder = folders.make()
                self._listening = _bound(self._folder)
            return str(self._folder / SOCKET)

    def begin_when_asked(self) -> str:
        """Return what `listen` does; the broker begins with the first caller."""
        path = self.listen()
        with self._lock:
            if self._waker is None and self._process is None:
                self._waker, wakened = socket.socketpair()
                self._waiting = threading.Thread(
                    target=self._await_caller, args=(wakened,), name="wflo-owner", daemon=True
                )
                self._waiting.start()
        return path

    def begin(self) -> str:
        """Begin the broker unless that has happened; returns the path of its socket.

        Raises SettingError, and TestkitError where it cannot be begun.
        """
        path = self.listen()
        with self._lock:
            if self._objection is not None:
                raise self._objection.with_traceback(None)
            if self._process is None:
                try:
                    self._begin()
                except Exception as error:
                    self._objection = error
                    raise
        return path

    def close(self) -> None:
        """End the broker, which removes what the run made; clean up after one that is lost.

        A forked child that comes here ends nothing. Raises TestkitError for what stays, and
        BrokerLost.
        """
        if processes.own_pid() != self._pid:
            return
        self._stop_waiting()
        try:
            if self._process is not None:
                self._end(self._process)
        finally:
            if self._progress is not None:
                self._progress.stop()
            with self._lock:
                folder, self._folder = self._folder, None
            if folder is not None:
                folders.remove(folder)

    def _await_caller(self, wakened: socket.socket) -> None:
        """Begin the broker with the first caller; whoever calls is told what prevents it."""
        with wakened:
            listening = self._listening
            if listening is None:
                return
            ready, _, _ = select.select([listening, wakened], [], [])
            if wakened in ready:
                return
        try:
            self.begin()
        except Exception as error:  # noqa: BLE001 - told to whoever calls, by the log
            with contextlib.suppress(OSError):
                if self._folder is not None:
                    (self._folder / LOG).write_text(f"{type(error).__name__}: {error}\n")
            self._stop_listening()

    def _begin(self) -> None:
        from wflo_testkit.run import launch
        from wflo_testkit.run.progress import Progress

        assert self._folder is not None
        assert self._listening is not None
        self._process, self._control = launch.start(self._run, self._listening, self._folder / LOG)
        self._progress = Progress(self._folder / LOG)
        self._stop_listening()  # else there would be callers whom nobody answers, if it dies
        try:
            self._config = self._configure()  # while the interpreter loads
        except BaseException:
            self._control.close()  # then the broker ends
            raise
        self._tell(dataclasses.asdict(self._config))

    def _tell(self, message: Any) -> None:
        assert self._control is not None
        with contextlib.suppress(OSError):  # it has died; who asks it learns why
            self._control.send(message)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        from wflo_testkit import errors

        assert self._control is not None
        try:
            self._tell("end")
            answer = None
            with contextlib.suppress(OSError, ValueError):
                answer = self._control.receive()
        finally:
            self._control.close()
            if process.poll() is None:
                process.returncode = 0  # it may outlive this one: nobody waits for it
        if answer is None:
            self._clean_up(process.pid)
        elif answer[0] == "error":
            raise errors.from_json(answer[1])

    def _clean_up(self, pid: int) -> None:
        """Remove what a lost broker has left. Raises BrokerLost."""
        from wflo_testkit.broker.client import last_lines
        from wflo_testkit.errors import BrokerLost

        if self._config is None:
            return  # it had not been told of its run
        with contextlib.suppress(OSError):
            os.kill(pid, 9)  # it may only be stopped
        cleared = "what it had started is removed"
        try:
            if not self._config.keep:
                _remove(self._config)
        except Exception as error:  # noqa: BLE001 - the run ends anyway, and says so
            cleared = f"what it had started stays ({type(error).__name__}: {error})"
        lines = last_lines(str((self._folder or Path()) / LOG))
        raise BrokerLost(
            f"the broker, the process that owns the containers, was lost; {cleared}",
            cause=f"its last lines:\n{lines}",
            fix="look for what ended it: a kill, the machine's memory, a crash above",
        )

    def _stop_waiting(self) -> None:
        with self._lock:
            waker, self._waker = self._waker, None
        if waker is not None:
            waker.close()
        if self._waiting is not None:
            self._waiting.join(END_PATIENCE)
        self._stop_listening()

    def _stop_listening(self) -> None:
        with self._lock:
            listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()


def _bound(folder: Path) -> socket.socket:
    """Return a socket that listens in `folder`. Raises TestkitError."""
    from wflo_testkit.errors import TestkitError

    made = socket.socket(socket.AF_UNIX)
    try:
        made.bind(str(folder / SOCKET))
        (folder / SOCKET).chmod(0o600)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        folders.remove(folder)
        raise TestkitError(
            "the socket by which the containers' owner is reached could not be made",
            cause=error,
            looked_at=str(folder / SOCKET),
            fix="set TMPDIR to a folder of a file system that knows Unix sockets",
        ) from None
    return made


def _remove(config: RunConfig) -> None:
    """Remove what is on the daemon of a run whose broker is gone. Raises what Docker raises."""
    from wflo_testkit.runtime import daemon, leftovers, reaper
    from wflo_testkit.wait import Deadline, pause

    client = daemon.connect(config.find()).client
    patience, quiet = Deadline(CLEANING_TIMEOUT), Deadline(QUIET)
    try:
        while not (quiet.passed or patience.passed):
            reaper.remove(client.api, config.run)
            if not leftovers.remove_run(client.api, config.run):
                quiet = Deadline(QUIET)
            pause(0.5)
    finally:
        client.close()
    folders.sweep()
