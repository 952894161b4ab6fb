"""What this machine knows of warm images and the images must not say: passwords, uses, failures.

Files of the kit's own folder, which only their owner may read: `<image id>.json` for each image
made here, `<key>.failed.json` for each that could not be made, `<project and server>.guess.json`
for what the last run there began from.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wflo_testkit.plain_data import read
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.wait import clock

RETRY = 24 * 3600.0
"""Seconds for which an image that could not be made, or served badly, is not made again unasked."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a warm image is not there. at: seconds since the epoch."""

    key: str
    name: str
    reason: str
    at: float


class Notes:
    """The notes of one home folder."""

    def __init__(self, home: UserFolder | None = None) -> None:
        self.home = home or UserFolder(UserFolder().folder.with_name("warm"))

    def password(self, image: str) -> str | None:
        """Return the password that an image was made with; None for one made elsewhere."""
        found = self._read(self._path(image))
        password = found.get("password")
        return password if isinstance(password, str) else None

    def made(self, image: str, key: str, password: str) -> None:
        """Write down an image that is about to get its name. Raises OSError."""
        self._write(self._path(image), password=password)
        self._failure(key).unlink(missing_ok=True)

    def use(self, image: str) -> None:
        """Note that an image is used now; one made elsewhere gets a note without a password."""
        with contextlib.suppress(OSError):
            path = self._path(image)
            if path.exists():
                os.utime(path)
            else:
                self._write(path)

    def used(self, image: str) -> float:
        """Return when an image was last used or made, seconds since the epoch; 0 if unknown."""
        try:
            return self._path(image).stat().st_mtime
        except OSError:
            return 0.0

    def forget(self, image: str) -> None:
        """Remove what is noted of `image`, its password included."""
        with contextlib.suppress(OSError):
            self._path(image).unlink(missing_ok=True)

    def forget_unused(self, seconds: float) -> None:
        """Delete what was not touched for so long: the image has gone, or is about to."""
        for path in self._files("*.json"):
            with contextlib.suppress(OSError):
                if clock.wall() - path.stat().st_mtime > seconds:
                    path.unlink()

    def failed(self, key: str, name: str, reason: str) -> None:
        """Write down that an image cannot be had. Raises OSError."""
        self._write(self._failure(key), name=name, reason=reason, at=clock.wall())

    def failure(self, key: str) -> Failure | None:
        """Return why an image could not be made lately."""
        return self._read_failure(self._failure(key))

    def failures(self) -> list[Failure]:
        """Return the makings that failed and are not to be tried again yet."""
        found = map(self._read_failure, self._files("*.failed.json"))
        return [failure for failure in found if failure is not None]

    def guess(self, project: str, server: str) -> str:
        """Return the fingerprint of what the tests of a project last began from, or ""."""
        found = self._read(self._guess(project, server)).get("content")
        return found if isinstance(found, str) else ""

    def guess_next(self, project: str, server: str, content: str) -> None:
        """Write down what the next run of a project is likely to begin from. Raises OSError."""
        self._write(self._guess(project, server), content=content)

    def _write(self, path: Path, **values: str | float) -> None:
        self.home.prepare()
        with self.home.lock():
            self.home.write(path.name, json.dumps(values))

    def _files(self, pattern: str) -> list[Path]:
        with contextlib.suppress(OSError):
            return self.home.files(pattern)
        return []

    def _read_failure(self, path: Path) -> Failure | None:
        try:
            failure = read(Failure, {"key": path.name.split(".")[0], **self._read(path)})
        except ValueError:
            return None
        return failure if clock.wall() - failure.at < RETRY else None

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            found = json.loads(self.home.read(path) or "{}")
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _path(self, image: str) -> Path:
        return self.home.folder / f"{image.partition(':')[2] or image}.json"

    def _guess(self, project: str, server: str) -> Path:
        name = hashlib.sha256(f"{project}\0{server}".encode()).hexdigest()
        return self.home.folder / f"{name[:24]}.guess.json"

    def _failure(self, key: str) -> Path:
        return self.home.folder / f"{key}.failed.json"
