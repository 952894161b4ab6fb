"""Write wflo_testkit/outline.py from the services' rows; `--check` only says if it is current."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap

from generated import update

from wflo_testkit import service, services, settings
from wflo_testkit.settings.options import flags

FILE = Path(__file__).parent.parent / "wflo_testkit" / "outline.py"
WIDTH = 100
Literal = str | bool | tuple[str, ...]
HEAD = '''\
"""What pytest is told of the kit's services at its start, without loading them.

Written by scripts/outline.py from the services' rows. Change those, not this file.
"""

from __future__ import annotations

CONTAINER = "container"
"""What a server is of that names no service: a container of one's own."""

Flag = tuple[str, bool, str]
"""An option of the command line: the setting's key, whether it is a switch, its help."""

Fixture = tuple[str, str, tuple[str, ...], str]
"""A fixture of a server: suffix of its name, part of the service's row, suffixes of the fixtures
that it takes as arguments, docstring."""
'''


def text() -> str:
    """Return the whole file."""
    rows = {name: services.table()[name] for name in services.BUILT_IN}
    return "\n".join([HEAD, *_flags(flags(settings.every(rows))), "", *_fixtures(rows), ""])


def _flags(entries: Iterable[tuple[str, bool, str]]) -> Iterator[str]:
    yield "FLAGS: tuple[Flag, ...] = ("
    yield from _entries(entries, "    ")
    yield ")"


def _fixtures(rows: dict[str, service.Service]) -> Iterator[str]:
    yield "FIXTURES: dict[str, tuple[Fixture, ...]] = {"
    for name, row in rows.items():
        yield f'    "{name}": ('
        yield from _entries(service.fixtures(row), "        ")
        yield "    ),"
    yield '    CONTAINER: (("server", "server", (), ""),),'
    yield "}"


def _entries(entries: Iterable[tuple[*tuple[Literal, ...], str]], indent: str) -> Iterator[str]:
    """Yield a line for each entry, or several where it is too long for one, as ruff would."""
    for entry in entries:
        line = f"{indent}({', '.join(map(_literal, entry))}),"
        if len(line) <= WIDTH:
            yield line
            continue
        *first, last = entry
        room = WIDTH - len(indent) - 7
        pieces = wrap(last, room, drop_whitespace=False, break_long_words=False)
        yield f"{indent}("
        yield from (f"{indent}    {_literal(each)}," for each in first)
        yield "\n".join(f"{indent}    {_literal(piece)}" for piece in pieces) + ","
        yield f"{indent}),"


def _literal(value: Literal) -> str:
    """Return `value` as source, with the quotes that ruff prefers."""
    if isinstance(value, tuple):
        inside = ", ".join(map(_literal, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, bool) or '"' in value or "\\" in value:
        return repr(value)
    return f'"{value}"'


if __name__ == "__main__":
    sys.exit(update(FILE, text()))
