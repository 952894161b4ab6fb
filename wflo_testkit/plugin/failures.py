"""The folder of a failed test, `.wflo/failures/<test>/`, with what its report is too short for."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress

from wflo_testkit.runtime import kernel

PLACE = ".wflo"
KEPT = 5
"""Folders of earlier runs that stay: the newest."""
_LONGEST = 80
"""Characters of a test's name in its folder's."""


class Failures:
    """Those of one process. By the kernel's own calls: the test that has failed may fake files.

    root: the project's folder. began: when this process began to test, seconds since the epoch;
    what is older is of an earlier run.
    """

    def __init__(self, root: str, began: float) -> None:
        self._root = root
        self._began = began
        self._is_tidy = False

    def write(self, test: str, files: Mapping[str, str]) -> str:
        """Write name -> text for the test of this node id; returns the folder, relative to `root`.

        Only this user can read them. Raises OSError.
        """
        place = f"{PLACE}/failures"
        self._make(PLACE)
        self._write(f"{PLACE}/.gitignore", "*\n")
        self._make(place)
        if not self._is_tidy:
            self._is_tidy = True
            with suppress(OSError):
                self._tidy(place)
        folder = f"{place}/{folder_name(test)}"
        self._make(folder)
        for name, text in files.items():
            self._write(f"{folder}/{name}", text)
        return folder

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _make(self, name: str) -> None:
        with suppress(FileExistsError):
            kernel.calls.mkdir(self._path(name), 0o700)

    def _write(self, name: str, text: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        handle = kernel.calls.open(self._path(name), flags, 0o600)
        try:
            left = text.encode(errors="replace")
            while left:
                left = left[kernel.calls.write(handle, left) :]
        finally:
            kernel.calls.close(handle)

    def _tidy(self, place: str) -> None:
        """Remove the folders of earlier runs but the newest."""
        names = kernel.calls.listdir(self._path(place))
        made = {name: kernel.calls.lstat(self._path(f"{place}/{name}")) for name in names}
        old = [
            (status.st_mtime, name)
            for name, status in made.items()
            if stat.S_ISDIR(status.st_mode) and status.st_mtime < self._began
        ]
        for _moment, name in sorted(old, reverse=True)[KEPT:]:
            self._remove(f"{place}/{name}")

    def _remove(self, folder: str) -> None:
        with suppress(OSError):  # another worker removes it, too, or somebody has put a folder in
            for name in kernel.calls.listdir(self._path(folder)):
                kernel.calls.unlink(self._path(f"{folder}/{name}"))
            kernel.calls.rmdir(self._path(folder))


def folder_name(test: str) -> str:
    """Return a folder's name for a node id: readable, and of one test alone."""
    plain = re.sub(r"[^\w.-]+", "-", test, flags=re.ASCII)[-_LONGEST:].strip("-.")
    return f"{plain}-{hashlib.sha256(test.encode(errors='replace')).hexdigest()[:6]}"
