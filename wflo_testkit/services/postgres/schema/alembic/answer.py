"""What came of one application of migrations: plain data, which crosses from their process."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_KIT = str(Path(__file__).parents[4]) + os.sep


class NotReached(Exception):
    """env.py ran without an error, and no migration came into the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """error: type and text of what was raised, "" for nothing.

    where: the last line of the project's own that the error came through, as `file:line`.
    reached: whether a migration came into the database.
    refused: what an Elsewhere tells, for each connection to another database that was refused.
    manifest: what was read, as JSON; None where nobody recorded it.
    """

    error: str = ""
    where: str = ""
    reached: bool = True
    refused: Sequence[Mapping[str, str]] = ()
    manifest: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, work: Callable[[], object]) -> Self:
        """Do `work`, which migrates, and return what has come of it."""
        try:
            work()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told to the asker
            frames = traceback.extract_tb(error.__traceback__)
            own = [each for each in frames if not _is_installed(each.filename)]
            return cls(
                error=f"{type(error).__name__}: {error}",
                where=f"{own[-1].filename}:{own[-1].lineno}" if own else "",
                reached=not isinstance(error, NotReached),
            )
        return cls()


def _is_installed(filename: str) -> bool:
    """Whether a file is the kit's, Python's or a library's."""
    return filename.startswith(("<", _KIT, sys.prefix + os.sep, sys.base_prefix + os.sep))
