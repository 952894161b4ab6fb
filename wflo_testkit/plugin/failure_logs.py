"""What a failed test's report shows of its servers' logs; the whole of each goes to a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wflo_testkit.errors import TestkitError
from wflo_testkit.plugin.log_excerpt import Graded, nobody

if TYPE_CHECKING:
    from wflo_testkit.model import Server
    from wflo_testkit.plugin.failures import Failures
    from wflo_testkit.service import LogLines

LINES, ALL_LINES = 20, 45
"""Lines of one server, and of all together, each with the one that names its file: a screen's."""


@dataclass(frozen=True, slots=True)
class Logging:
    """A server whose log belongs to a test's report.

    since: when the test got it, seconds since the epoch: what it said before that is its start.
    is_left_out: see Graded. ended: how its container has ended, "" if it runs.
    """

    server: Server
    since: float
    is_left_out: Callable[[str], bool] = nobody
    ended: str = ""


@dataclass(frozen=True, slots=True)
class _Log:
    title: str
    whole: str
    shown: Graded
    ended: bool

    @property
    def urgency(self) -> tuple[bool, int]:
        return self.ended, self.shown.worst

    def lines(self, room: int) -> list[str]:
        return self.shown.end(room) if self.ended else self.shown.excerpt(room)


def foreign(kind: LogLines, told: str) -> Callable[[str], bool]:
    """Return what tells a line that the kit or another test has caused.

    told: what this test knows of its leases. A line that names no lease may be anybody's.
    """
    kits, lease = kind.kits and re.compile(kind.kits), kind.lease and re.compile(kind.lease)
    own = set(lease.findall(told)) if lease else set()

    def is_left_out(line: str) -> bool:
        if kits and kits.search(line):
            return True
        names = set(lease.findall(line)) if lease else set()
        return bool(names) and names.isdisjoint(own)

    return is_left_out


def sections(
    test: str,
    servers: Iterable[Logging],
    began: float,
    failures: Failures,
    mask: Callable[[str], str],
) -> Iterator[tuple[str, str]]:
    """Yield a title and a text for each server that has ended or said something, the worst first.

    test: its node id. began: seconds since the epoch. mask: takes the passwords out.
    """
    logs = {name: log for name, log in _logs(servers, began, mask) if log.whole or log.ended}
    if not logs:
        return
    files = {f"{name}.log": f"{log.whole}\n" for name, log in logs.items()}
    try:
        where = f"in {failures.write(test, files)}"
    except OSError as error:
        where = f"in no file: {error}"
    room = ALL_LINES - len(logs)
    for log in sorted(logs.values(), key=lambda each: each.urgency, reverse=True):
        lines = log.lines(min(room, LINES - 1))
        room -= len(lines)
        nothing = "" if lines else "nothing of this test's; "
        count = len(log.whole.splitlines())
        whole = f"({nothing}{count} line{'s' * (count != 1)} in all, {where})"
        yield log.title, "\n".join([*lines, whole])


def _logs(
    servers: Iterable[Logging], began: float, mask: Callable[[str], str]
) -> Iterator[tuple[str, _Log]]:
    """Yield each server's name, numbered where two have the same, and its log."""
    seen: list[str] = []
    for each in servers:
        seen.append(each.server.name)
        count = seen.count(each.server.name)
        name = each.server.name if count == 1 else f"{each.server.name}-{count}"
        with suppress(TestkitError):  # the broker is lost, which the test's own error tells
            yield name, _log(name, each, began, mask)


def _log(name: str, each: Logging, began: float, mask: Callable[[str], str]) -> _Log:
    whole = mask(each.server.logs(began)).rstrip()
    if each.ended:
        whole = whole or mask(each.server.logs()).rstrip()
        return _Log(f"{name} ended: {each.ended}", whole, Graded.of(whole), ended=True)
    said = mask(each.server.logs(each.since)) if each.since > began else whole
    shown = Graded.of(said, each.is_left_out)
    return _Log(f"{name} log since the test began", whole, shown, ended=False)
