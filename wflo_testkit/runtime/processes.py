"""Which processes of this machine run, and which are proven not to.

An error, an empty or an odd reading proves nothing. /proc is believed only where it shows this
process under its own number: it may be hidden, empty, or of another pid namespace.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from wflo_testkit.runtime import kernel

UNKNOWN = "-"
PROC = sys.platform == "linux"
"""Whether there is Linux's /proc; elsewhere only a missing process id is a proof."""
_STAT = re.compile(r"([0-9]+) \(.*\) ([A-Za-z])(?: -?[0-9]+){18} ([0-9]+)(?: -?[0-9]+)*\s*", re.S)
_BOOT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMESPACE = re.compile(r"pid:\[([0-9]+)\]")


@dataclass(frozen=True, slots=True)
class _Stat:
    """A process, as /proc/PID/stat has it (proc(5)): fields 1, 3 and 22."""

    pid: int
    state: str
    started: str


def own_pid() -> int:
    """Return this process's id."""
    return int(kernel.calls.getpid())


def started(pid: int) -> str:
    """Return when a process began, in ticks since boot; UNKNOWN where that cannot be told."""
    if not _proc_is_ours():
        return UNKNOWN
    try:
        found = _stat(str(pid))
    except OSError:
        return UNKNOWN
    return found.started if found is not None and found.pid == pid else UNKNOWN


def boot() -> str:
    """Return the id of this boot (random(4)); UNKNOWN where that cannot be told."""
    if not _proc_is_ours():
        return UNKNOWN
    try:
        found = kernel.read("/proc/sys/kernel/random/boot_id").strip()
    except OSError:
        return UNKNOWN
    return found if _BOOT.fullmatch(found) else UNKNOWN


def is_this_boot(text: str) -> bool:
    """Say whether `text` is the id of this boot, or boots have none here."""
    return text == boot() and (text != UNKNOWN or not PROC)


def is_other_boot(text: str) -> bool:
    """Say whether `text` is the id of a boot, and surely not of this one."""
    here = boot()
    return here not in (UNKNOWN, text) and bool(_BOOT.fullmatch(text))


def namespace() -> str:
    """Return the pid namespace of this process, UNKNOWN where there are none. Raises OSError."""
    try:
        found = _NAMESPACE.fullmatch(kernel.calls.readlink("/proc/self/ns/pid")) if PROC else None
    except FileNotFoundError:
        return UNKNOWN
    return found[1] if found else UNKNOWN


def is_gone(pid: int, began: str) -> bool:
    """Say whether the process `pid` of this boot that began at `began` is proven to have ended.

    With /proc two readings have to agree: it shows no such process, and no signal reaches one;
    or it shows one that has ended, or another one, under that number.
    """
    if not PROC:
        return _is_absent(pid)
    if began == UNKNOWN or not _proc_is_ours():
        return False
    try:
        found = _stat(str(pid))
    except (FileNotFoundError, ProcessLookupError):  # hidden, or gone (also while it was read)
        return _is_absent(pid)
    except OSError:
        return False
    if found is None or found.pid != pid:
        return False
    return found.state in "ZXx" or found.started != began


def _is_absent(pid: int) -> bool:
    """Say whether the kernel knows no process `pid` to send a signal to (kill(2))."""
    if not hasattr(kernel.calls, "uname"):  # Windows, where signal 0 is Ctrl-C
        return False
    try:
        kernel.calls.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _proc_is_ours() -> bool:
    """Say whether /proc shows this process, under the number that it has itself."""
    try:
        found = _stat("self") if PROC else None
    except OSError:
        return False
    return found is not None and found.pid == own_pid()


def _stat(name: str) -> _Stat | None:
    """Read /proc/NAME/stat; None for what is not well-formed. Raises OSError."""
    found = _STAT.fullmatch(kernel.read(f"/proc/{name}/stat"))
    return _Stat(int(found[1]), found[2], found[3]) if found else None
