"""What a failed test's report shows of its servers' logs; the whole of each goes to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from wflo_testkit.errors import TestkitError
from wflo_testkit.plugin.log_excerpt import excerpt, worst

if TYPE_CHECKING:
    from wflo_testkit.model import Server
    from wflo_testkit.plugin.failures import Failures

LINES, ALL_LINES = 20, 45
"""Lines of one server, and of all together, each with the one that names its file: a screen's."""


def sections(
    test: str,
    servers: Iterable[Server],
    began: float,
    failures: Failures,
    mask: Callable[[str], str],
) -> Iterator[tuple[str, str]]:
    """Yield a title and a text for each server that has said something, the worst first.

    test: its node id. began: seconds since the epoch. mask: takes the passwords out.
    """
    logs = {name: text for name, text in _logs(servers, began, mask) if text}
    if not logs:
        return
    files = {f"{name}.log": f"{text}\n" for name, text in logs.items()}
    try:
        where = f"in {failures.write(test, files)}"
    except OSError as error:
        where = f"in no file: {error}"
    room = ALL_LINES - len(logs)
    for name, text in sorted(logs.items(), key=lambda each: -worst(each[1])):
        lines = excerpt(text, min(room, LINES - 1))
        room -= len(lines)
        whole = f"({len(text.splitlines())} lines in all, {where})"
        yield f"{name} log since the test began", "\n".join([*lines, whole])


def _logs(
    servers: Iterable[Server], began: float, mask: Callable[[str], str]
) -> Iterator[tuple[str, str]]:
    """Yield each server's name, numbered where two have the same, and its log."""
    seen: list[str] = []
    for server in servers:
        seen.append(server.name)
        count = seen.count(server.name)
        with suppress(TestkitError):  # the broker is lost, which the test's own error tells
            text = mask(server.logs(began)).rstrip()
            yield server.name if count == 1 else f"{server.name}-{count}", text
