"""A file of variables with the addresses of what is up, as dotenv and a shell read it."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

from wflo_testkit.errors import SettingError, TestkitError
from wflo_testkit.runtime import file_lock, labels

HEAD = "# wflo-testkit up, for as long as it runs: "
"""How the first line begins; the process that wrote it follows, as in labels.owner."""


class EnvFile:
    """One process's file. It holds passwords: only its user can read it.

    Raises TestkitError where another's file is in the way.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head = f"{HEAD}{labels.owner()}"
        self._refuse_anothers()

    def write(self, urls: Mapping[str, str]) -> None:
        """Write `<NAME>_URL` for each name; nobody sees a part of it. Raises TestkitError."""
        lines = [f"{name.upper()}_URL={shlex.quote(url)}" for name, url in urls.items()]
        try:
            with NamedTemporaryFile("w", dir=self._path.parent, prefix=".up-") as draft:  # 0600
                draft.write("\n".join([self._head, *lines, ""]))
                draft.flush()
                # Another may have found the same dead process's. A folder needs no lock file.
                with file_lock.held(os.open(self._path.parent, os.O_RDONLY)):
                    self._refuse_anothers()
                    self._path.unlink(missing_ok=True)
                    # Unlike a rename, not over what somebody else has just made.
                    self._path.hardlink_to(draft.name)
        except OSError as error:
            raise self._unusable(error) from None

    def remove(self) -> None:
        """Remove it, if it is this process's still."""
        with contextlib.suppress(OSError, ValueError):
            if self._first_line() == self._head:
                self._path.unlink()

    def _refuse_anothers(self) -> None:
        try:
            first = self._first_line()
        except FileNotFoundError as error:
            if self._path.parent.is_dir():
                return
            raise self._unusable(error) from None
        except (OSError, ValueError) as error:
            raise self._unusable(error) from None
        if not first.startswith(HEAD):
            raise self._unusable("there is a file that `wflo-testkit up` has not written")
        if not labels.owner_is_dead(first.removeprefix(HEAD)):
            raise self._unusable(f"another one may be up still: {first.removeprefix('# ')}")

    def _first_line(self) -> str:
        with self._path.open() as file:
            return file.readline().rstrip("\n")

    def _unusable(self, cause: str | Exception) -> TestkitError:
        return SettingError(
            "the addresses cannot be written to the file of --env-file",
            cause=cause,
            looked_at=str(self._path.absolute()),
            fix="name another file, or remove that one",
        )
