"""The folder in which the runs of one user find one another's servers."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from wflo_testkit.runtime import file_lock, kernel, labels

CACHE = "wflo-testkit/servers"


class UserFolder:
    """`${XDG_CACHE_HOME:-~/.cache}/wflo-testkit/servers`, which nobody else can read.

    id: eight letters that differ from those of any other home, also of one with the same path on
    another machine: a daemon may serve several. They are part of every name made for reuse.

    What is here decides whether a server is somebody's. So it is asked of the kernel, past what a
    test has patched, and an error is no answer.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = _default() if folder is None else folder
        self.label = f"{labels.machine()} {self.folder}"
        self.id = hashlib.sha256(self.label.encode()).hexdigest()[:8]

    @property
    def network(self) -> str:
        """The name of the network on which this home's servers live."""
        return f"wflo-reused-{self.id}"

    @property
    def is_gone(self) -> bool:
        """Whether the folder is not there; one that cannot be looked at is."""
        try:
            kernel.calls.stat(str(self.folder))
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return False

    def prepare(self) -> None:
        """Make the folder, for its owner alone. Raises OSError."""
        if os.name != "posix":
            raise OSError("nothing is kept for reuse on this system: it has no POSIX file locks")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)

    @contextmanager
    def lock(self, name: str = "home") -> Iterator[None]:
        """Keep every other process out while inside; for moments only. Raises OSError."""
        path = self.folder / f".{name}.lock"
        with file_lock.held(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)):
            yield

    def write(self, name: str, text: str) -> None:
        """Write a file that is there wholly or not at all, mode 0600.

        Raises OSError, also where a test has faked the file system and so no other process sees it.
        """
        draft = self.folder / f".draft-{secrets.token_hex(6)}"
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
            draft.replace(self.folder / name)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        kernel.calls.stat(str(self.folder / name))

    def read(self, path: Path) -> str | None:
        """Return a file's text; None for what is absent, or not ours alone to write and read.

        Raises OSError when neither can be told.
        """
        try:
            text, status = kernel.read_with_status(str(path))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None
        if status.st_uid != kernel.calls.geteuid() or status.st_mode & 0o077:
            return None
        return text

    def touched(self, path: Path) -> float:
        """Return when a file was written or touched, seconds since the epoch. Raises OSError."""
        return float(kernel.calls.stat(str(path)).st_mtime)

    def files(self, pattern: str) -> list[Path]:
        """Return the files that match `pattern`, sorted; none when there is no folder.

        Raises OSError when they cannot be told.
        """
        try:
            names = kernel.calls.listdir(str(self.folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [self.folder / name for name in sorted(names) if fnmatchcase(name, pattern)]


def folder_of(label: str) -> UserFolder | None:
    """Return the home that `UserFolder.label` names; None when it is another machine's."""
    machine, _, folder = label.partition(" ")
    return UserFolder(Path(folder)) if folder and machine == labels.machine() else None


def _default() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    # XDG Base Directory Specification: a relative path is invalid and to be ignored.
    cache = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
    return cache / CACHE
