"""The environments of the trees are pinned: one source names the versions, one lock each."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.trees import suites
from tests.trees.suites import Tree

LOCKS = Path(__file__).with_name("locks")
TREES = [each for each in vars(suites).values() if isinstance(each, Tree)]


def groups(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = tomllib.loads((root / "pyproject.toml").read_text())[
        "dependency-groups"
    ]
    return {name: found[name] for name in found if name.startswith("tree-")}


def test_every_tree_has_a_group_and_a_lock(root: Path) -> None:
    names = sorted(each.name for each in TREES)

    assert sorted(name.removeprefix("tree-") for name in groups(root)) == names
    assert sorted(path.stem for path in LOCKS.glob("*.txt")) == names


def test_every_lock_pins_the_version_that_its_group_names(root: Path) -> None:
    for name, wanted in groups(root).items():
        pinned = (LOCKS / f"{name.removeprefix('tree-')}.txt").read_text().splitlines()

        assert wanted[0] in pinned
