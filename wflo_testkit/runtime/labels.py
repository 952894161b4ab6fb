"""The labels by which everything that the kit creates can be found again."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

KIT = "dev.wflo.testkit"
"""On everything; the value is the kind: server, reaper, network, image."""
RUN = "dev.wflo.testkit.run"
"""The run's id; what the reaper filters by. Absent on what outlives a run on purpose."""
SERVER = "dev.wflo.testkit.server"
"""The server's name."""
FINGERPRINT = "dev.wflo.testkit.fingerprint"
"""The fingerprint of the server's spec."""
OWNER = "dev.wflo.testkit.owner"
"""The process that made it: `<host>/<machine>/<pid namespace> <pid> <start time> <boot id>`."""
REUSE = "dev.wflo.testkit.reuse"
"""On a server that is kept for reuse: what it is found by."""
HOME = "dev.wflo.testkit.home"
"""On what is kept for reuse: `<host>/<machine> <folder>` with its record."""
WARM = "dev.wflo.testkit.warm"
"""On a warm image, on what is started from it and on what makes it: the image's key."""
BASE = "dev.wflo.testkit.warm.base"
"""On a warm image, and on what is started from it: the content id of what it was made from."""


def of_run(run: str, kind: str, **more: str) -> dict[str, str]:
    """Return the labels of a `kind` that belongs to run `run` and dies with it."""
    return {KIT: kind, RUN: run, OWNER: owner(), **more}


def of_kept(kind: str, **more: str) -> dict[str, str]:
    """Return the labels of a `kind` that stays after the run."""
    return {KIT: kind, OWNER: owner(), **more}


def owner(pid: int | None = None) -> str:
    """Identify a process of this machine so that a later one with the same pid is not mistaken."""
    pid = os.getpid() if pid is None else pid
    return f"{_host()} {pid} {_start_time(pid)} {_boot_id()}"


def owner_is_dead(text: str) -> bool:
    """Say whether the owner named by `text` is proven dead; unknown hosts are never proven."""
    host, pid, started, boot = (text.split(" ") + [""] * 4)[:4]
    if host != _host() or not pid.isdigit():
        return False
    return boot != _boot_id() or not _lives(int(pid), started)


def is_over(text: str, *, expired: bool) -> bool:
    """Say whether an owner is gone: proven dead or, of another host, with its lease `expired`.

    A process of this host is looked at instead: it may be paused for as long as it likes.
    """
    return owner_is_dead(text) or (expired and text.split(" ")[0] != _host())


def machine() -> str:
    """Name this machine: `<host>/<machine id>`."""
    return _host().rpartition("/")[0]


@cache
def _host() -> str:
    """Name the place in which a process id means something: machine and pid namespace.

    A host name alone is not enough: containers and cloned machines that use one daemon may
    share it, and each would take the others' processes for dead.
    """
    namespace = _read_link("/proc/self/ns/pid").strip("pid:[]")
    return "/".join((platform.node() or "-", _read("/etc/machine-id")[:8] or "-", namespace or "-"))


def _lives(pid: int, started: str) -> bool:
    if stat := _stat(pid):
        return stat[0] not in "ZX" and stat[19] == started
    # No /proc, or one that hides other users' processes: only a missing pid is a proof then.
    if os.name == "nt":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _start_time(pid: int) -> str:
    stat = _stat(pid)
    return stat[19] if stat else "-"


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on (proc(5)): 0 state, 19 start time."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _boot_id() -> str:
    return _read("/proc/sys/kernel/random/boot_id") or "-"


def _read(path: str) -> str:
    """Return a file's text, "" where there is none."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _read_link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
