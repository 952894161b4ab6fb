"""The inputs of a schema one by one: a file, a folder, a path's kind, a variable."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from contextlib import suppress
from typing import Any, NamedTuple

_listdir, _open, _fstat, _stat = os.listdir, os.open, os.fstat, os.stat

ABSENT = ""
_CHUNK = 1 << 20
_PRODUCTS = (".coverage", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".wflo", ".hypothesis")
"""What tools leave in a project's folders at each run; `__pycache__` too."""
_CHANGING = {
    *("_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES", "TERM", "COLORTERM", "WINDOWID"),
    *("TERM_SESSION_ID", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TMUX", "TMUX_PANE", "STY"),
    *("SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_AUTH_SOCK", "GPG_TTY", "XDG_SESSION_ID"),
}
_TOO_NEW = 2_000_000_000
"""Nanoseconds after a file's change for which its times do not tell it from a later change: a
kernel counts them in ticks of up to 10 ms, FAT in steps of 2 s."""


class Stamp(NamedTuple):
    """What stat(2) said of a file, and the SHA-256 of what it held.

    mtime_ns and what follows are 0 where the file was so new that they prove nothing. The inode
    and its change time are there since a size and an mtime can be kept through a change (a wheel's
    files all have one mtime, `cp -p`, a symlink that leads elsewhere).
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sha256: str

    def fits(self, status: os.stat_result) -> bool:
        """Whether the file is proven to be what it was without a look at its content."""
        return self.mtime_ns != 0 and times(status) == self[:4]


def status_of(path: str) -> os.stat_result | None:
    """Return stat(2) of a path, following links; None when there is nothing, or no way to it."""
    try:
        return _stat(path)
    except (OSError, ValueError):
        return None


def stamp(path: str, now_ns: int) -> Stamp | None:
    """Return the stamp of a regular file; None of one that is absent or cannot be read.

    now_ns: the real time, nanoseconds since the epoch.
    """
    try:
        # Not to wait for a writer where it is a pipe.
        handle = _open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError):
        return None
    try:
        status = _fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return None
        known = times(status)
        is_new = now_ns - max(known[1:3]) < _TOO_NEW
        sha256 = _hash(handle)
    except OSError:
        return None
    finally:
        os.close(handle)
    return Stamp(known[0], 0, 0, 0, sha256) if is_new else Stamp(*known, sha256)


def names(path: str) -> tuple[str, ...] | None:
    """Return the sorted names in a folder, without what tools leave there; None without folder."""
    try:
        found = _listdir(path)
    except (OSError, ValueError):
        return None
    kept = (name for name in found if name != "__pycache__" and not name.startswith(_PRODUCTS))
    return tuple(sorted(kept))


def distributions(path: str) -> tuple[str, ...] | None:
    """Return the sorted names of the distributions in a folder of sys.path."""
    found = names(path)
    return found and tuple(name for name in found if name.endswith((".dist-info", ".egg-info")))


def kind(path: str) -> str:
    """Return "file", "folder" or "other" for what is at a path, ABSENT for nothing."""
    return kind_of(status_of(path))


def kind_of(status: os.stat_result | None) -> str:
    """Return the same for what stat(2) has said of it."""
    if status is None:
        return ABSENT
    if stat.S_ISREG(status.st_mode):
        return "file"
    return "folder" if stat.S_ISDIR(status.st_mode) else "other"


def hashed(name: str, value: str | None, salt: str) -> str | None:
    """Return a variable's keyed hash; None when it is not set. Its value is kept nowhere.

    Of a variable that names the test it only counts whether it is set.
    """
    if value is None:
        return None
    text = "" if names_the_test(name) else value
    key = bytes.fromhex(salt)
    return hashlib.blake2b(text.encode(errors="surrogateescape"), key=key).hexdigest()[:32]


def changes_by_itself(name: str) -> bool:
    """Say whether a variable differs between runs, tests or terminals whatever anybody wants.

    pytest's and xdist's own name the test and the worker; a shell's and a terminal's name where
    somebody sits.
    """
    return name in _CHANGING or names_the_test(name)


def names_the_test(name: str) -> bool:
    """Say whether a variable is pytest's own; work may ask whether it runs in a test."""
    return name.startswith("PYTEST_")


def counts(path: str) -> bool:
    """Say whether a path can be an input: not in the standard library, not the kernel's."""
    if path.startswith(_SYSTEM) or f"{os.sep}__pycache__" in path:
        return False
    return not f"{path}{os.sep}".startswith(_LIBRARY) or f"-packages{os.sep}" in f"{path}{os.sep}"


def source_of(path: str) -> str:
    """Return the module's source for a .pyc in `__pycache__`, pytest's own too; else the path.

    Names: `x.cpython-311.pyc` (PEP 3147), `x.cpython-311-pytest-9.2.0.pyc`.
    """
    folder, name = os.path.split(path)
    tag = f".{sys.implementation.cache_tag}"
    if not name.endswith(".pyc") or tag not in name:
        return path
    prefix = sys.pycache_prefix
    if prefix and folder.startswith(prefix):
        folder = folder.removeprefix(prefix.rstrip(os.sep))
    elif os.path.basename(folder) == "__pycache__":  # noqa: PTH119 - as text: it may not exist
        folder = os.path.dirname(folder)  # noqa: PTH120
    return os.path.join(folder, name.rpartition(tag)[0] + ".py")  # noqa: PTH118


def path_of(descriptor: int) -> str:
    """Return the path of an open folder, "" where the system does not tell."""
    with suppress(OSError, ValueError):
        if sys.platform == "darwin":
            import fcntl

            found = fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024))
            return os.fsdecode(found.rstrip(b"\0"))
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - it may be no path
    return ""


def times(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return what a Stamp begins with."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _hash(handle: int) -> str:
    digest: Any = hashlib.sha256()
    while chunk := os.read(handle, _CHUNK):
        digest.update(chunk)
    return str(digest.hexdigest())


def _library() -> tuple[str, ...]:
    """Return where the standard library is, the archive included that is searched first."""
    home = os.path.dirname(os.__file__)  # noqa: PTH120
    archive = "python{}{}.zip".format(*sys.version_info)
    homes = {home, os.path.realpath(home), os.path.join(os.path.dirname(home), archive)}  # noqa: PTH118, PTH120
    return tuple(each + os.sep for each in homes)


_LIBRARY = _library()
_SYSTEM = ("/proc/", "/sys/", "/dev/")
