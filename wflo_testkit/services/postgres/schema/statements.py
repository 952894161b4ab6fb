"""Cuts the text of an .sql file into statements, as psql does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

# psql's own commands that change nothing here; recent pg_dump writes the first two.
_HARMLESS = ("restrict", "unrestrict", "echo", "qecho", "timing", "pset", "encoding", "set")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement and the line of the file where it begins; data: what follows a COPY."""

    text: str
    line: int
    data: str | None = None


class Unreadable(ValueError):
    """The file holds something that only psql understands, or does not end what it begins."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of `text` without their semicolons; comments alone are none.

    A semicolon ends a statement outside quotes, comments, dollar quotes, parentheses (rules) and
    BEGIN ATOMIC bodies (PostgreSQL manual, Lexical Structure; psql, psqlscan).
    Raises Unreadable.
    """
    cutter = _Cutter(text)
    while token := _next_token(text, cutter.place):
        cutter.place = token.end()
        if cutter.ends_at(token):
            yield from cutter.cut()
    yield from cutter.rest()


class _Cutter:
    """The statement under way while a file is read.

    start: where it begins, -1 before its first word; words: its words so far.
    place: how far the text is read.
    depth: open parentheses. blocks: open BEGIN ATOMIC bodies, and CASE inside them.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._start = -1
        self._depth = self.place = 0
        self._words: list[str] = []
        self._blocks: list[str] = []

    def ends_at(self, token: re.Match[str]) -> bool:
        """Take note of `token` and tell whether it is the semicolon that ends the statement."""
        piece = token.group()
        if self._start < 0:
            self._start = token.start()
        match token.lastgroup:
            case "broken":
                raise Unreadable(_line(self._text, token.start()), f"{piece} is never closed")
            case "command":
                self._skip_command(token.start())
            case "word":
                self._words.append(piece.lower())
                self._count_block()
            case "quoted":
                self._words.append("'")
            case _:
                self._depth += {"(": 1, ")": -1}.get(piece, 0)
        return piece == ";" and self._depth <= 0 and not self._blocks

    def cut(self) -> Iterator[Statement]:
        """Yield the statement that ends with the semicolon just read, and begin the next."""
        if self._words:
            end = self.place
            yield self._statement(end - 1, self._copy_data(end))
        self._start = -1
        self._words, self._depth = [], 0

    def rest(self) -> Iterator[Statement]:
        """Yield what follows the last semicolon, if that is a statement."""
        if self._words:
            yield self._statement(len(self._text))

    def _statement(self, end: int, data: str | None = None) -> Statement:
        return Statement(self._text[self._start : end], _line(self._text, self._start), data)

    def _count_block(self) -> None:
        if self._words[-2:] == ["begin", "atomic"] or (self._blocks and self._words[-1] == "case"):
            self._blocks.append(self._words[-1])
        elif self._blocks and self._words[-1] == "end":
            self._blocks.pop()

    def _skip_command(self, start: int) -> None:
        """Skip the line of a backslash command that does nothing here."""
        end = self._text.find("\n", start)
        end = len(self._text) if end < 0 else end
        name = (self._text[start + 1 : end].split() or [""])[0]
        if name not in _HARMLESS:
            raise Unreadable(_line(self._text, start), f"\\{name} is a command of psql, not SQL")
        self._start, self.place = -1, end

    def _copy_data(self, end: int) -> str | None:
        """Return the lines after COPY ... FROM stdin up to `\\.`; they are skipped as SQL."""
        if self._words[0] != "copy" or "stdin" not in self._words:
            return None
        first = self._text.find("\n", end) + 1
        last = re.compile(r"^\\\.\r?$", re.MULTILINE).search(self._text, first)
        if not first or last is None:
            raise Unreadable(_line(self._text, end), r"the data of COPY is not ended by \.")
        self.place = last.end()
        return self._text[first : last.start()]


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _next_token(text: str, place: int) -> re.Match[str] | None:
    """Return the next piece that matters from `place` on; comments do not."""
    while (match := _pattern().search(text, place)) and match.lastgroup == "comment":
        opens = match.group() == "/*"
        place = _after_comment(text, match.start()) if opens else match.end()
    return match


def _after_comment(text: str, start: int) -> int:
    depth, place = 1, start + 2
    while depth:
        mark = re.compile(r"/\*|\*/").search(text, place)
        if mark is None:
            raise Unreadable(_line(text, start), "/* is never closed")
        depth += 1 if mark.group() == "/*" else -1
        place = mark.end()
    return place


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(
        r"""
          (?P<comment> --[^\n]* | /\* )
        | (?P<quoted>  \b[eE]'(?:[^'\\]|''|\\.)*'        # escape string
                     | '(?:[^']|'')*'
                     | "(?:[^"]|"")*"
                     | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$ )
        | (?P<word>    [^\W\d][\w$]* )
        | (?P<broken>  ['"] | \$(?:[^\W\d]\w*)?\$ )
        | (?P<command> \\\S? )
        | (?P<mark>    [();] | [^\s\w] | \d[\w.]* )
        """,
        re.VERBOSE | re.DOTALL,
    )
