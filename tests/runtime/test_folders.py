"""A run's temp folder names its owner from the moment it exists, so that no kill leaves it."""

from __future__ import annotations

import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from wflo_testkit.runtime import folders, labels

DIES = """
import os, sys
from pathlib import Path
from wflo_testkit.runtime import folders

step = sys.argv[1]
done = getattr(Path, step)

def do_and_die(self, *words):
    if step == "write_text":
        self.touch()  # opened, and nothing written yet
    else:
        done(self, *words)
    os.kill(os.getpid(), 9)

setattr(Path, step, do_and_die)
folders.make()
"""
"""Makes a folder, and is killed at one of the steps of it."""


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.mark.parametrize("step", ["mkdir", "write_text", "rename"])
def test_one_whose_maker_was_killed_half_way_is_found(temp: Path, step: str) -> None:
    killed = subprocess.run([sys.executable, "-c", DIES, step], check=False)
    assert killed.returncode == -9
    [left] = temp.iterdir()

    assert folders.of_dead_runs() == [left]


def test_one_that_is_being_made_by_a_living_process_is_left_alone(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def look(self: Path, _text: str) -> None:
        seen.extend(temp.iterdir())
        assert folders.of_dead_runs() == []

    monkeypatch.setattr(Path, "write_text", look)
    folders.make()

    assert len(seen) == 1


def test_mutant_that_names_no_owner_at_first_leaves_a_folder_for_good(temp: Path) -> None:
    nameless = DIES.replace("folders.make()", "folders.quote = lambda *_, **__: ''\nfolders.make()")
    subprocess.run([sys.executable, "-c", nameless, "mkdir"], check=False)

    assert len(list(temp.iterdir())) == 1
    assert folders.of_dead_runs() == []


def test_it_is_private_short_and_signed(temp: Path) -> None:
    folder = folders.make()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(folder.name) <= 20, "a socket's path has 108 bytes in all"
    assert (folder / "owner").read_text() == labels.owner()
    assert folders.of_dead_runs() == []


def test_a_name_with_any_character_is_read_again(
    temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "_host", lambda: "a@b/c%20d/42")
    monkeypatch.setattr(labels, "_boot_id", lambda: "a boot ago".replace(" ", "-"))
    made = folders.make()
    draft = temp / f"wflo-draft-0{folders._MARK}{folders.quote(labels.owner(), safe='')}"
    made.rename(draft)
    (draft / "owner").unlink()
    assert folders.of_dead_runs() == []

    monkeypatch.setattr(labels, "_boot_id", lambda: "now")

    assert folders.of_dead_runs() == [draft]
