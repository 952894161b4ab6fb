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
_STAT = re.compile(
    r"([0-9]+) \(.*\) ([A-Za-z])(?: -?[0-9]+){18} ([0-9]+)(?: -?[0-9]+)*\s*", re.DOTALL
)
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

    /proc shows that it has, or that another one has its number now, or it is missing.
    """
    try:
        found = _stat(str(pid)) if began != UNKNOWN and _proc_is_ours() else None
    except OSError:
        return is_missing(pid)
    if found is None or found.pid != pid:
        return False
    return found.state in "ZXx" or found.started != began


def is_missing(pid: int) -> bool:
    """Say whether it is proven that no process has the number `pid`.

    No signal reaches one and, where there is /proc, that shows none either.
    """
    return _is_unheard_of(pid) and (not PROC or _is_unseen(pid))


def _is_unheard_of(pid: int) -> bool:
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


def _is_unseen(pid: int) -> bool:
    """Say whether /proc, which shows this process, shows no process `pid`; it may be hidden."""
    try:
        if _proc_is_ours():
            _stat(str(pid))
    except (FileNotFoundError, ProcessLookupError):  # the latter if it ended while it was read
        return True
    except OSError:
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
