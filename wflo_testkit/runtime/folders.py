"""The folders of runs in the system's temp folder; each holds its owner's name."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from wflo_testkit.runtime import labels

_PREFIX = "wflo-"
_OWNER = "owner"


def make() -> Path:
    """Make a folder for this process, which only this user can enter; its path is short."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (folder / _OWNER).write_text(labels.owner())
    return folder


def remove(folder: Path) -> None:
    """Remove a folder; one that is gone already is fine."""
    shutil.rmtree(folder, ignore_errors=True)


def of_dead_runs() -> list[Path]:
    """Return this user's folders whose owner is proven dead; one that names none is left alone."""
    everything = Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")
    return [folder for folder in everything if _is_mine(folder) and _is_orphan(folder)]


def _is_mine(folder: Path) -> bool:
    try:
        return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
    except OSError:  # it went meanwhile
        return False


def _is_orphan(folder: Path) -> bool:
    try:
        return labels.owner_is_dead((folder / _OWNER).read_text())
    except OSError:
        return False
