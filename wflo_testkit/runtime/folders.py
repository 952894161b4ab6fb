"""The folders of runs in a temp folder of the system; each names its owner at every moment."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote

from wflo_testkit.errors import TestkitError
from wflo_testkit.runtime import kernel, labels

_PREFIX = "wflo-"
_OWNER = "owner"
_DRAFT = f"{_PREFIX}draft-"
_MARK = "@"
_TOKEN = 12
_LONGEST = 107 if sys.platform == "linux" else 103
"""Bytes that the path of a Unix socket may have, less the zero at its end: unix(7), and sys/un.h
of macOS and the BSDs."""
_INSIDE = 17
"""Bytes for a socket's name below such a folder, from its slash on, a folder between included."""
_PLAIN = re.compile(r"[\w./+-]+", re.ASCII)
"""Paths that nobody takes apart: libpq reads a comma as the end of a host, xdist sends no
undecodable bytes, and Docker's API knows UTF-8 alone."""
_ELSEWHERE = ("/tmp", "/var/tmp")  # noqa: S108 - where `tempfile` looks next


def make() -> Path:
    """Make a folder for this process, which only this user can enter; its path is short and plain.

    Its owner is in a file inside. Until that is written the owner is in the folder's name, which
    then is too long for the socket to come: a process may be killed between any two steps.
    Raises TestkitError where there is no place for one.
    """
    causes = []
    for place in _places():
        try:
            return _make_in(place)
        except OSError as error:
            causes.append(str(error))
    raise TestkitError(
        "there is no place for the Unix sockets by which a run's processes and servers are reached",
        cause="; ".join(causes),
        looked_at=", ".join(ascii(str(place)) for place in _places()),
        fix="set TMPDIR to a folder in which you may write, with a short path of plain letters",
    )


def _make_in(place: Path) -> Path:
    token = os.urandom(_TOKEN // 2).hex()  # what `secrets` is made of, whose import is not free
    draft = place / f"{_DRAFT}{token}{_MARK}{quote(labels.owner(), safe='')}"
    draft.mkdir(0o700)
    (draft / _OWNER).write_text(labels.owner())
    return draft.rename(place / f"{_PREFIX}{token}")


def _places() -> list[Path]:
    """Return where such folders are: in the system's temp folder, if its path will do."""
    try:
        temp = tempfile.gettempdir()
    except FileNotFoundError:  # it found none that can be written to
        temp = ""
    return [Path(temp)] if _will_do(temp) else [Path(place) for place in _ELSEWHERE]


def _will_do(temp: str) -> bool:
    room = _LONGEST - _INSIDE - len(f"/{_PREFIX}") - _TOKEN
    is_plain = os.name == "nt" or _PLAIN.fullmatch(temp) is not None
    return is_plain and len(temp) <= room and os.access(temp, os.W_OK | os.X_OK)


def remove(folder: Path) -> None:
    """Remove a folder; one that is gone already is fine."""
    shutil.rmtree(folder, ignore_errors=True)


def of_dead_runs() -> list[Path]:
    """Return this user's folders whose owner is proven dead; one that names none is left alone."""
    everything = (folder for place in _places() for folder in place.glob(f"{_PREFIX}*"))
    return [
        folder for folder in everything if _is_mine(folder) and labels.owner_is_dead(_owner(folder))
    ]


def sweep() -> None:
    """Remove the folders of dead runs; what resists is left to the next sweep."""
    for folder in of_dead_runs():
        remove(folder)


def _is_mine(folder: Path) -> bool:
    try:
        return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
    except OSError:  # it went meanwhile
        return False


def _owner(folder: Path) -> str:
    draft, _, owner = folder.name.partition(_MARK)
    if owner and draft.startswith(_DRAFT):
        return unquote(owner)
    try:
        return kernel.read(str(folder / _OWNER))
    except OSError:
        return ""
