"""Marks of the runs that use a kept server: files `<key>.<run>.use` beside its record.

A mark names its process, so that nothing has to be released: it ends with the process, whichever
way that ends, and a forked child does not prolong it.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from wflo_testkit.plain_data import read
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.wait import clock

EXPIRY = 24 * 3600.0
"""Seconds after which a mark counts as dead whose process cannot be looked at from here."""


@dataclass(frozen=True, slots=True)
class Use:
    """One run's mark.

    container: what it uses; "" while it is still looking or starting. ended: it has left and
    only what it kept is still there.
    """

    run: str
    owner: str
    container: str = ""
    ended: bool = False


class Uses:
    """The marks of one home."""

    def __init__(self, home: UserFolder) -> None:
        self._home = home

    def mark(self, key: str, run: str, container: str = "") -> None:
        """Say that `run`, which is this process, uses the server of `key`. Raises OSError."""
        with self._home.lock():
            self._write(key, Use(run, labels.owner(), container))

    def end(self, key: str, run: str, *, kept: bool) -> None:
        """Take the mark of `run` away. kept: it left something, so only note that it is over."""
        with contextlib.suppress(OSError), self._home.lock():
            if kept:
                self._write(key, Use(run, labels.owner(), ended=True))
            else:
                self.drop(key, run)

    def drop(self, key: str, run: str) -> None:
        """Remove the mark that `run` uses the server `key`."""
        self._path(key, run).unlink(missing_ok=True)

    def living(self, key: str, *, but: str = "", container: str = "") -> list[str]:
        """Return the runs, other than `but`, that are not proven over. Raises OSError.

        container: only those that use this one.
        """
        return [
            use.run
            for path, use in self._of(key)
            if use.run != but and container in ("", use.container) and not self._is_over(path, use)
        ]

    def over(self, key: str) -> list[str]:
        """Return the runs that have left a mark and are proven over. Raises OSError."""
        return [use.run for path, use in self._of(key) if self._is_over(path, use)]

    def _of(self, key: str) -> list[tuple[Path, Use]]:
        return [(path, self._read(path)) for path in self._home.files(f"{key}.*.use")]

    def _read(self, path: Path) -> Use:
        """Return a mark; one that cannot be understood is nobody's, and not proven over."""
        try:
            return read(Use, json.loads(self._home.read(path) or ""))
        except ValueError:
            return Use(path.name.split(".")[1], "")

    def _write(self, key: str, use: Use) -> None:
        self._home.write(self._path(key, use.run).name, json.dumps(asdict(use)))

    def _path(self, key: str, run: str) -> Path:
        return self._home.folder / f"{key}.{run}.use"

    def _is_over(self, path: Path, use: Use) -> bool:
        try:
            is_old = clock.wall() - self._home.touched(path) > EXPIRY
        except FileNotFoundError:  # dropped meanwhile
            return True
        return use.ended or labels.is_over(use.owner, expired=is_old)
