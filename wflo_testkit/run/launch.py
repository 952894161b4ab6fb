"""Starts the interpreter in which a broker runs, whatever the process is like that starts it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

from wflo_testkit.broker.wire import Stream
from wflo_testkit.errors import TestkitError
from wflo_testkit.runtime import processes

END_TIMEOUT = 240.0
"""Seconds for a broker to remove what the run made, Docker's own time-outs included."""
SCRUBBED = ("COVERAGE_PROCESS_", "COV_CORE_")
"""Variables by which Python programs are measured: coverage.py's hook, and pytest-cov's (4)."""
BEGIN = """
import marshal, os, sys
size, text = int.from_bytes(os.read(0, 4), "big"), b""
while len(text) < size:
    more = os.read(0, size - len(text))
    if not more:
        sys.exit()
    text += more
told = marshal.loads(text)
sys.path[:], sys.dont_write_bytecode, sys.pycache_prefix = told["python"]
from wflo_testkit.run.entry import main
main(told["listening"], told["owner"])
"""
"""What the new interpreter runs: nothing of the package is found before it has read a frame."""


def start(run: str, listening: socket.socket, log: Path) -> tuple[subprocess.Popen[bytes], Stream]:
    """Return the process that answers at `listening`, and the way to tell it its config.

    log: where its output goes. Raises TestkitError.
    """
    python, number = interpreter(), listening.fileno()
    ours, its = socket.socketpair()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            # The last is for people, who look at a list of processes.
            [python, "-I", "-c", BEGIN, f"wflo-testkit broker of run {run}"],
            stdin=its.fileno(),
            stdout=output,
            stderr=output,
            cwd="/",
            env=environment(),
            pass_fds=[number],
            start_new_session=True,
            umask=0o077,
        )
    except (OSError, ValueError) as error:
        ours.close()
        raise _failed(error) from None
    finally:
        its.close()
        os.close(output)
    ours.settimeout(END_TIMEOUT)
    control = Stream(ours)
    told = {"python": interpreters_state(), "listening": number, "owner": processes.own_pid()}
    with contextlib.suppress(OSError):  # it has died; who asks it learns why
        control.send(told)
    return process, control


def interpreter() -> str:
    """Return the path of this Python, which an embedding program may not tell.

    Raises TestkitError.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    known = (sys.executable, getattr(sys, "_base_executable", ""))
    places = (Path(prefix) / "bin" for prefix in (sys.prefix, sys.base_prefix))
    for each in (*known, *(str(place / f"python{version}") for place in places)):
        if each and os.access(each, os.X_OK):
            return each
    raise _failed("this Python does not know its own path (sys.executable is empty)")


def interpreters_state() -> tuple[list[str], bool, str | None]:
    """Return what the new interpreter has to know of this one: where modules are, and their cache.

    Relative folders, "" among them, are taken from the folder that is current now.
    """
    package = str(Path(__file__).absolute().parents[2])
    path = [os.path.abspath(each) for each in sys.path]  # noqa: PTH100 - "" is the current folder
    return [*path, package], sys.dont_write_bytecode, sys.pycache_prefix


def environment() -> dict[str, str]:
    """Return this process's variables, without those that would have the broker measured."""
    return {name: text for name, text in os.environ.items() if not name.startswith(SCRUBBED)}


def _failed(cause: str | BaseException) -> TestkitError:
    return TestkitError(
        "the broker, the process that owns the containers, could not be begun",
        cause=cause,
        looked_at=sys.executable,
        fix="run pytest with a Python that can start itself",
    )
