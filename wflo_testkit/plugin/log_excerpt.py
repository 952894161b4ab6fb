"""Picks the lines of a server's log that a person reads first: what it complains about."""

from __future__ import annotations

import re
from collections.abc import Iterator

QUIET_LINES = 5
"""Last lines of a log in which nothing is complained about."""
WIDTH = 400
"""Characters after which a line is cut: a client's whole message may be in one."""

ERROR, WARNING, OTHER = 2, 1, 0
_LEVELS = {
    **dict.fromkeys(
        ("error", "severe", "critical", "crit", "fatal", "panic", "alert", "emerg"), ERROR
    ),
    **dict.fromkeys(("warn", "warning"), WARNING),
    **dict.fromkeys(("trace", "debug", "info", "notice", "log"), OTHER),
}
_HEAD = 120
"""Characters within which a line names its level: time, process and thread may come before it."""
_NAMES = "|".join(_LEVELS)
# Named as a level (JSON, logfmt) or in brackets (nginx), or as a word in capitals (most others).
_LEVEL = re.compile(rf'(?i:level"?\s*[=:]\s*"?|\[)(?i:({_NAMES}))\b|\b({_NAMES.upper()})\d?\b')
_SIGN = re.compile(r"\d+:[XCSM] \d\d \w{3} \d{4} [\d:.]+ ([-.*#]) ")
"""`1:M 29 Nov 2026 11:00:00.123 # text`: a level may be a sign, of which `#` is the highest."""
_DETAIL = re.compile(r"\t|  |.{0,80}\b(?:DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION):  ")
"""Belongs to the line before whatever it says: indented (one blank may pad a level), or another
field of an SQL server's error."""
_GOES_ON = re.compile(r"\s|Traceback|Caused by|[\w.$]*(?:Exception|Error)\b")
"""Belongs to it unless it has a level of its own: tracebacks, as Python and Java write them."""


def excerpt(log: str, room: int) -> list[str]:
    """Return at most `room` lines: the last errors, then the last warnings, else the last lines."""
    graded = list(_graded(log))
    errors = _last([line for level, line in graded if level == ERROR], room)
    warnings = _last([line for level, line in graded if level == WARNING], room - len(errors))
    if errors or warnings:
        return [*errors, *warnings]
    return _last([line for _level, line in graded], min(room, QUIET_LINES))


def worst(log: str) -> int:
    """Return the level of the worst line."""
    return max((level for level, _line in _graded(log)), default=OTHER)


def _graded(log: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its level; one that goes on has that of the line before it."""
    level = OTHER
    for line in log.splitlines():
        if not _DETAIL.match(line):
            own = _level(line)
            level = level if own is None and _GOES_ON.match(line) else own or OTHER
        yield level, line if len(line) <= WIDTH else f"{line[:WIDTH]}..."


def _level(line: str) -> int | None:
    if signed := _SIGN.match(line):
        return WARNING if signed[1] == "#" else OTHER
    named = _LEVEL.search(line[:_HEAD])
    return _LEVELS[(named[1] or named[2]).lower()] if named else None


def _last(lines: list[str], count: int) -> list[str]:
    return lines[-count:] if count > 0 else []
