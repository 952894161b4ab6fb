"""A file of variables with the addresses of what is up, as dotenv and a shell read it."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from wflo_testkit.errors import SettingError, TestkitError
from wflo_testkit.runtime import labels

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
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write("\n".join([self._head, *lines, ""]))
            self._refuse_anothers()
            self._path.unlink(missing_ok=True)  # a dead process's
            self._path.hardlink_to(draft)  # unlike a rename, not over what another has just made
        except OSError as error:
            raise self._unusable(error) from None
        finally:
            with contextlib.suppress(OSError):
                draft.unlink()

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
