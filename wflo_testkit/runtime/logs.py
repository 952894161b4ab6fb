"""Cuts a container's output at a moment, by the time at which each line was written.

Docker stamps a line when it reads it, which on a busy machine is well after it was written: the
last lines of one test would count as the next one's. So the time that most servers write into a
line goes first. Docker's is what a line without one has, and what tells the time of another zone
from that of a late line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LATENESS = 5.0
"""Seconds by which Docker may stamp a line after it was written."""

_AT_ONCE = 0.05  # seconds within which a line without a time goes with the one before it
_HEAD = 60  # characters within which a line's time ends
_ISO = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d{3,6}")
_DAY_FIRST = re.compile(r"(\d\d \w{3} \d{4} \d\d:\d\d:\d\d)(\.\d{3,6})")


def since(output: str, moment: float) -> str:
    """Return what was written at `moment` (seconds since the epoch) or later.

    output: Docker's, with its stamps, from LATENESS before `moment`; the stamps are taken off.
    """
    return "".join(line for written, line in _lines(output) if written >= moment)


def _lines(output: str) -> Iterator[tuple[float, str]]:
    written = read_before = float("-inf")
    for each in re.findall(r"[^\n]*\n|[^\n]+", output):  # splitlines() would split at more
        stamp, _, line = each.partition(" ")
        read = datetime.fromisoformat(stamp).timestamp()
        own = _own_time(line[:_HEAD])
        if own is not None and own <= read <= own + LATENESS:
            written = own
        elif read - read_before > _AT_ONCE:
            written = read
        read_before = read
        yield written, line


def _own_time(head: str) -> float | None:
    """Return the time that a line begins with, read as UTC; None without one."""
    try:
        if found := _ISO.search(head):
            text = found[0].replace(",", ".")
            return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        if found := _DAY_FIRST.search(head):
            return parsedate_to_datetime(found[1] + " +0000").timestamp() + float(found[2])
    except ValueError:  # the 32nd of a month
        pass
    return None
