"""Picks the lines of a server's log that a person reads first: what it complains about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
_DETAIL = re.compile(r"\t|  |.{0,120}\b(?:DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION):  ")
"""Belongs to the line before whatever it says: indented (one blank may pad a level), or another
field of an SQL server's error."""
_GOES_ON = re.compile(r"\s|Traceback|Caused by|[\w.$]*(?:Exception|Error)\b")
"""Belongs to it unless it has a level of its own: tracebacks, as Python and Java write them."""


def nobody(_line: str) -> bool:
    """Say of every line that it is to be seen."""
    return False


@dataclass(frozen=True, slots=True)
class Graded:
    """A log's lines, each with its level, but for those that are left out."""

    lines: list[tuple[int, str]]

    @classmethod
    def of(cls, log: str, is_left_out: Callable[[str], bool] = nobody) -> Graded:
        """Grade a log. is_left_out: asked of each line that begins something; what goes on with
        it has its lot."""
        lots = _lots(log, is_left_out)
        return cls([(level, line) for level, line, left_out in lots if not left_out])

    @property
    def worst(self) -> int:
        """The level of the worst line."""
        return max((level for level, _line in self.lines), default=OTHER)

    def excerpt(self, room: int) -> list[str]:
        """Return at most `room` lines: the last errors, then the last warnings, else the last."""
        errors = _last(self._at(ERROR), room)
        warnings = _last(self._at(WARNING), room - len(errors))
        if errors or warnings:
            return [*errors, *warnings]
        return self.end(min(room, QUIET_LINES))

    def end(self, room: int) -> list[str]:
        """Return the last lines, whatever they say, at most `room`."""
        return _last([line for _level, line in self.lines], room)

    def _at(self, wanted: int) -> list[str]:
        return [line for level, line in self.lines if level == wanted]


def _lots(log: str, is_left_out: Callable[[str], bool]) -> Iterator[tuple[int, str, bool]]:
    """Yield each line, its level, and whether it is left out, as the line that it goes on with."""
    level, left_out = OTHER, False
    for line in log.splitlines():
        if not _DETAIL.match(line):
            own = _level(line)
            if own is not None or not _GOES_ON.match(line):
                level, left_out = own or OTHER, is_left_out(line)
        yield level, line if len(line) <= WIDTH else f"{line[:WIDTH]}...", left_out


def _level(line: str) -> int | None:
    if signed := _SIGN.match(line):
        return WARNING if signed[1] == "#" else OTHER
    named = _LEVEL.search(line[:_HEAD])
    return _LEVELS[(named[1] or named[2]).lower()] if named else None


def _last(lines: list[str], count: int) -> list[str]:
    return lines[-count:] if count > 0 else []
