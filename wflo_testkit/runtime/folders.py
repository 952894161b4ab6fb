"""The folders of runs in the system's temp folder; each names its owner at every moment."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote

from wflo_testkit.runtime import labels

_PREFIX = "wflo-"
_OWNER = "owner"
_DRAFT = f"{_PREFIX}draft-"
_MARK = "@"


def make() -> Path:
    """Make a folder for this process, which only this user can enter; its path is short.

    Its owner is in a file inside. Until that is written the owner is in the folder's name, which
    then is too long for the socket to come: a process may be killed between any two steps.
    """
    token = secrets.token_hex(6)
    temp = Path(tempfile.gettempdir())
    draft = temp / f"{_DRAFT}{token}{_MARK}{quote(labels.owner(), safe='')}"
    draft.mkdir(0o700)
    (draft / _OWNER).write_text(labels.owner())
    return draft.rename(temp / f"{_PREFIX}{token}")


def remove(folder: Path) -> None:
    """Remove a folder; one that is gone already is fine."""
    shutil.rmtree(folder, ignore_errors=True)


def of_dead_runs() -> list[Path]:
    """Return this user's folders whose owner is proven dead; one that names none is left alone."""
    everything = Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")
    return [folder for folder in everything if _is_mine(folder) and _is_orphan(folder)]


def sweep() -> None:
    """Remove the folders of dead runs; what resists is left to the next sweep."""
    for folder in of_dead_runs():
        remove(folder)


def _is_mine(folder: Path) -> bool:
    try:
        return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
    except OSError:  # it went meanwhile
        return False


def _is_orphan(folder: Path) -> bool:
    return labels.owner_is_dead(_owner_in_name(folder) or _owner_inside(folder))


def _owner_in_name(folder: Path) -> str:
    draft, _, owner = folder.name.partition(_MARK)
    return unquote(owner) if draft.startswith(_DRAFT) else ""


def _owner_inside(folder: Path) -> str:
    try:
        return (folder / _OWNER).read_text()
    except OSError:
        return ""
