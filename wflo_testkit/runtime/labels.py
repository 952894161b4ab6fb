"""The labels by which everything that the kit creates can be found again."""

from __future__ import annotations

import re
from functools import cache

from wflo_testkit.runtime import kernel, processes
from wflo_testkit.runtime.processes import UNKNOWN

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
_OWNER = re.compile(r"(\S+) ([0-9]+) ([0-9]+|-) (\S+)")
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")


def of_run(run: str, kind: str, **more: str) -> dict[str, str]:
    """Return the labels of a `kind` that belongs to run `run` and dies with it."""
    return {KIT: kind, RUN: run, OWNER: owner(), **more}


def of_kept(kind: str, **more: str) -> dict[str, str]:
    """Return the labels of a `kind` that stays after the run."""
    return {KIT: kind, OWNER: owner(), **more}


def owner(pid: int | None = None) -> str:
    """Identify a process of this machine so that a later one with the same pid is not mistaken.

    What cannot be told now is UNKNOWN in it; then nobody can ever prove that it has ended.
    """
    pid = processes.own_pid() if pid is None else pid
    return f"{_host()} {pid} {processes.started(pid)} {processes.boot()}"


def owner_is_dead(text: str) -> bool:
    """Say whether the owner named by `text` is proven dead.

    The proof is well-formed readings of its start time and boot, then and now; an error, an empty
    or an odd reading proves nothing, nor does anything about an unknown host.
    Not excluded: machines of one name and one machine id, as careless clones are, on one daemon.
    """
    found = _OWNER.fullmatch(text)
    if found is None or found[1] == UNKNOWN or found[1] != _host():
        return False
    host, pid, started, boot = found[1], int(found[2]), found[3], found[4]
    if not processes.PROC:
        return boot == UNKNOWN and processes.is_missing(pid)
    if processes.is_other_boot(boot):
        # Where the machine has no id, another one of the same name may have booted then.
        return f"/{UNKNOWN}/" not in host and started != UNKNOWN
    return boot == processes.boot() != UNKNOWN and processes.is_gone(pid, started)


def is_over(text: str, *, expired: bool) -> bool:
    """Say whether an owner is gone: proven dead or, of another host, with its lease `expired`.

    A process of this host is looked at instead: it may be paused for as long as it likes.
    """
    is_elsewhere = _host() not in (UNKNOWN, text.split(" ")[0])
    return owner_is_dead(text) or (expired and is_elsewhere)


def machine() -> str:
    """Name this machine: `<host>/<machine id>`."""
    return _host().rpartition("/")[0]


def _host() -> str:
    """Name the place in which a process id means something, UNKNOWN if that cannot be told now."""
    try:
        return f"{_machine()}/{processes.namespace()}"
    except OSError:
        return UNKNOWN


@cache
def _machine() -> str:
    """Name this machine. Raises OSError, and then is asked anew.

    A host name alone is not enough: containers and cloned machines that use one daemon may
    share it, and each would take the others' processes for dead.
    """
    try:
        found = _MACHINE_ID.fullmatch(kernel.read("/etc/machine-id").strip())
    except FileNotFoundError:
        found = None
    return f"{kernel.node() or UNKNOWN}/{found[0][:8] if found else UNKNOWN}"
