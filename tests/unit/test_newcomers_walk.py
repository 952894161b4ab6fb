"""CONTRIBUTING's two walks through the code lead along files that are there, and hang together."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "wflo_testkit"
FILE = re.compile(r"`([\w/]+\.py)`")
NAME = re.compile(r"wflo_testkit(?:\.\w+)+")


def walks() -> dict[str, list[str]]:
    """Return heading -> the files of its numbered steps, relative to the package."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    [section] = re.findall(r"^## A newcomer's walk\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    _, *parts = re.split(r"^### ", section, flags=re.MULTILINE)
    return {part.partition("\n")[0]: FILE.findall(part) for part in parts}


WALKS = walks()
BOTH = pytest.mark.parametrize("walk", WALKS)


def named(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports or holds as text, as `lazy` and tables do."""
    tree = ast.parse(path.read_text())
    place = path.relative_to(ROOT).with_suffix("")
    known = {"__name__": ".".join(place.parts).removesuffix(".__init__")} | {
        target.id: str(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from NAME.findall(node.value)
        elif isinstance(node, ast.JoinedStr):
            yield from NAME.findall("".join(filled(part, known) for part in node.values))


def filled(part: ast.expr, known: dict[str, str]) -> str:
    """Return a part of an f-string, where it is plain or a constant's name or `__name__`."""
    if isinstance(part, ast.FormattedValue):
        return known.get(ast.unparse(part.value), "")
    return str(ast.literal_eval(part))


def file_of(name: str) -> str:
    """Return the file that a dotted name leads to, "" for none of the package's."""
    while name.startswith("wflo_testkit."):
        path = ROOT / name.replace(".", "/")
        for each in (path.with_suffix(".py"), path / "__init__.py"):
            if each.is_file():
                return str(each.relative_to(PACKAGE))
        name = name.rpartition(".")[0]
    return ""


@cache
def neighbours(file: str, *, through: bool = True) -> set[str]:
    """Return the files that a file names; a package's front door leads on to what it exports."""
    found = {file_of(name) for name in named(PACKAGE / file)} - {"", file}
    doors = {each for each in found if each.endswith("/__init__.py")} if through else set()
    return found.union(*(neighbours(door, through=False) for door in doors))


def loose(files: list[str]) -> list[str]:
    """Return those that no file before them names, and that name none before them."""
    near = {file: neighbours(file) for file in files}
    return [
        file
        for position, file in enumerate(files)
        if position
        and not any(file in near[other] or other in near[file] for other in files[:position])
    ]


def test_there_are_two_of_some_length() -> None:
    assert [len(files) > 15 for files in WALKS.values()] == [True, True]


@BOTH
def test_each_file_is_there(walk: str) -> None:
    assert [file for file in WALKS[walk] if not (PACKAGE / file).is_file()] == []


@BOTH
def test_none_is_come_back_to(walk: str) -> None:
    assert sorted(WALKS[walk]) == sorted(set(WALKS[walk]))


@BOTH
def test_each_is_joined_to_one_before_it(walk: str) -> None:
    assert loose(WALKS[walk]) == []


@BOTH
def test_a_file_that_has_nothing_to_do_with_it_is_found(walk: str) -> None:
    assert loose([*WALKS[walk], "cli/table.py"]) == ["cli/table.py"]
