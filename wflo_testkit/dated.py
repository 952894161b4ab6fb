"""Names on external servers say when, and by which run, a thing was made.

Such a server is somebody else's and outlives the run. Nothing else tells from every machine what
may go: the kit's own servers have labels on the daemon and records in a folder.
"""

from __future__ import annotations

import re
import time
from calendar import timegm
from collections.abc import Iterable
from dataclasses import dataclass

_DATE = "%Y%m%dt%H%M"


def dated(run: str, now: float) -> str:
    """Return `<yyyymmddthhmm>_<run>`, an isolation's run id on an external server.

    run: a number in hexadecimal, as the id of each run. now: seconds since the epoch; the date
    is in UTC.
    """
    return f"{time.strftime(_DATE, time.gmtime(now))}_{run}"


def age(run: str, now: float) -> float:
    """Return for how many seconds there has been the dated `run`. Raises ValueError for another."""
    return now - timegm(time.strptime(run.partition("_")[0], _DATE))


def without_session(runs: Iterable[str], sessions: Iterable[str]) -> set[str]:
    """Return those of `runs` that have none of `sessions`: a run's begin with `wflo_<run>`."""
    told = tuple(sessions)
    return {run for run in runs if not any(each.startswith(f"wflo_{run}") for each in told)}


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a service makes: `wflo_<run>_<rest>`; what is called otherwise is not its.

    rest: a regular expression. separator: what stands for each "_". before: text in front.
    """

    rest: str
    separator: str = "_"
    before: str = ""

    def stem(self, run: str) -> str:
        """Return what all names of `run` begin with."""
        return self.before + f"wflo_{run}_".replace("_", self.separator)

    def is_of(self, run: str, name: str) -> bool:
        """Say whether `run` has made what is called `name`."""
        stem = self.stem(run)
        rest = name.removeprefix(stem)
        return name.startswith(stem) and bool(re.fullmatch(self.rest, rest, re.DOTALL))

    def runs(self, names: Iterable[str]) -> set[str]:
        """Return the dated runs that have made what has these names."""
        start, gap = re.escape(f"{self.before}wflo{self.separator}"), re.escape(self.separator)
        exactly = re.compile(
            f"{start}([0-9]{{8}}t[0-9]{{4}}){gap}([0-9a-f]+(?:x[0-9]+)?){gap}(?:{self.rest})",
            re.DOTALL,
        )
        found = {f"{each[1]}_{each[2]}" for each in map(exactly.fullmatch, names) if each}
        return set(filter(_is_dated, found))


def _is_dated(run: str) -> bool:
    try:
        age(run, 0)
    except ValueError:  # such as of the 31st of November
        return False
    return True
