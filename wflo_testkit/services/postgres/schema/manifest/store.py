"""The manifests that outlive a run: a folder that only its owner may read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path

from wflo_testkit.services.postgres.schema.manifest.content import Manifest

FORMAT = 1
MOST = 100
"""How many are kept: 0.1 MB each, of a schema that imports SQLAlchemy and Alembic."""


class Manifests:
    """Manifests by the identity of their schema, in one folder.

    Written by atomic replace: of two processes that write at once one wins, and one that is killed
    leaves the old file. What cannot be written or read is as if it were not there.
    folder: None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def find(self, identity: str) -> tuple[str, Manifest] | None:
        """Return the key that was kept for a schema and its manifest; None if there is none."""
        if self._folder is None:
            return None
        path = self._path(self._folder, identity)
        try:
            data = json.loads(_read(path))
            if data["format"] != FORMAT or data["identity"] != identity:
                return None
            found = str(data["key"]), Manifest.from_json(data["manifest"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the ones that nobody asks for go first
        return found

    def keep(self, identity: str, key: str, manifest: Manifest) -> None:
        """Keep a manifest and its key for later runs, in place of the last one."""
        if self._folder is None:
            return
        data = {"format": FORMAT, "identity": identity, "key": key, "manifest": manifest.to_json()}
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.chmod(0o700)
            _write(self._path(self._folder, identity), json.dumps(data))
            self._make_room(self._folder)

    def _path(self, folder: Path, identity: str) -> Path:
        return folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"

    def _make_room(self, folder: Path) -> None:
        """Remove the oldest, and the drafts of killed processes, when there are too many."""
        ages: list[tuple[float, Path]] = []
        for path in folder.iterdir():
            with contextlib.suppress(OSError):
                ages.append((path.stat().st_mtime, path))
        for _age, path in sorted(ages, reverse=True)[MOST:]:
            path.unlink(missing_ok=True)


def _read(path: Path) -> str:
    """Return the text of a file that is ours alone. Raises OSError."""
    with path.open(encoding="utf-8") as file:
        status = os.fstat(file.fileno())
        if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & 0o077):
            raise PermissionError(f"{path} is not its owner's alone")
        return file.read()


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".draft-{secrets.token_hex(6)}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
