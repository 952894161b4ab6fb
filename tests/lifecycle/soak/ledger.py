"""The table of docs/reliability.md: written down row by row during a soak, put together after it.

`python -m tests.lifecycle.soak.ledger` does the latter, and refuses while a row is missing.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lifecycle.soak.count import Count
from wflo_testkit import __version__
from wflo_testkit.wait import clock

ROOT = Path(__file__).parents[3]
ROWS = ROOT / "build" / "soak"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- table: written by `make soak` -->", "<!-- end of table -->"

PLAN = {
    "kill -9, creating": 18,
    "kill -9, record half-written": 18,
    "kill -9, template half-made": 18,
    "kill -9, test running": 18,
    "kill -9, teardown": 18,
    "kill -9, any moment": 10,
    "rounds of 8 runs at once": 20,
    "reuse: attach and detach": 500,
}
"""What is done -> how often."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row. seconds: how long it took in all."""

    what: str
    done: int
    leaked: int
    hurt: int
    crossed: int
    seconds: float


@contextmanager
def row(what: str, count: Count) -> Iterator[None]:
    """Write a row down when the work inside is done, whatever it has found."""
    began = clock.monotonic()
    yield
    seconds = round(clock.monotonic() - began, 1)
    found = (len(count.leaked), len(count.hurt), len(count.crossed))
    ROWS.mkdir(parents=True, exist_ok=True)
    path = ROWS / f"{list(PLAN).index(what)}.json"
    path.write_text(json.dumps(asdict(Row(what, count.done, *found, seconds))))


def rows(folder: Path = ROWS) -> list[Row]:
    """Return what has been written down, in the order of PLAN."""
    return [Row(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]


def missing(found: list[Row]) -> list[str]:
    """Return what PLAN has and `found` has not, or has not as often."""
    done = {each.what: each.done for each in found}
    return [what for what, count in PLAN.items() if done.get(what) != count]


def table(found: list[Row], facts: Mapping[str, str]) -> str:
    """Return the rows and their sum as Markdown. facts: what stands below."""
    total = sum(each.seconds for each in found)
    lines = ["| what | times | leaked | hurt | cross-talk | seconds |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {r.what} | {r.done} | {r.leaked} | {r.hurt} | {r.crossed} | {r.seconds:.0f} |"
        for r in found
    ]
    said = "; ".join(f"{name}: {value}" for name, value in facts.items())
    lines += ["", f"{total / 60:.0f} minutes in all; {said}."]
    return "\n".join(lines)


def put_into(page: str, text: str) -> str:
    """Return the page with `text` between its markers. Raises ValueError without them."""
    before, begin, rest = page.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has no markers for the table")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def facts() -> dict[str, str]:
    """Return on what, when and with which version it ran."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    docker = ["docker", "version", "-f", "{{.Server.Version}}"]
    commit = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return {
        "machine": f"{os.cpu_count()} cores, {gigabytes:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "load": f"{os.getloadavg()[2]:.0f}, the mean of the last 15 minutes",
        "Docker": _said(docker),
        "Python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "version": f"{__version__} at {_said(commit)}",
    }


def main() -> int:
    """Write the table into the page, or say what is missing and return 1."""
    found = rows()
    if lacking := missing(found):
        print(f"the table is not written: nothing of {', '.join(lacking)}")
        return 1
    PAGE.write_text(put_into(PAGE.read_text(), table(found, facts())))
    print(f"{PAGE.relative_to(ROOT)}: {len(found)} rows")
    return 0


def _said(words: list[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
