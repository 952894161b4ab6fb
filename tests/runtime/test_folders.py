"""A run's temp folder names its owner from the moment it exists, so that no kill leaves it.

Its path is one that a socket may have, wherever TMPDIR points.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wflo_testkit.errors import TestkitError
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


def point_at(temp: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set TMPDIR, for this process and its children."""
    monkeypatch.setenv("TMPDIR", str(temp))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def around() -> Iterator[Path]:
    """An empty folder with a path that is shorter than pytest's own."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as path:
        yield Path(path)


@pytest.fixture
def temp(around: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = around / "temp"
    place.mkdir()
    point_at(place, monkeypatch)
    return place


@pytest.fixture
def elsewhere(around: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands in for /tmp, in which other runs' folders are, too."""
    place = around / "elsewhere"
    place.mkdir()
    monkeypatch.setattr(folders, "_ELSEWHERE", (str(around / "nowhere"), str(place)))
    return place


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
    made = folders.make()
    draft = temp / f"wflo-draft-0{folders._MARK}{folders.quote(labels.owner(), safe='')}"
    made.rename(draft)
    (draft / "owner").unlink()
    assert folders.of_dead_runs() == []

    another_boot = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
    monkeypatch.setattr(labels.processes, "boot", lambda: another_boot)

    assert folders.of_dead_runs() == [draft]


ODD = {
    "long": "x" * 60,
    "comma": "a,b",
    "space": "a b",
    "colon": "a:b",
    "quote": "a'b",
    "percent": "50%41",
    "not ASCII": "Entwürfe",
    "undecodable": os.fsdecode(b"\xff"),
    "line": "a\nb",
}


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_a_path_that_is_too_long_or_odd_has_a_way_round(
    around: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    odd = around / name
    odd.mkdir()
    point_at(odd, monkeypatch)
    folder = folders.make()

    assert folder.parent == elsewhere
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(odd.iterdir()) == []


@pytest.mark.parametrize("step", ["mkdir", "write_text", "rename"])
def test_one_that_a_killed_run_left_elsewhere_is_found(
    around: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    point_at(around / "a,b", monkeypatch)
    (around / "a,b").mkdir()
    told = f"from wflo_testkit.runtime import folders\nfolders._ELSEWHERE = ({str(elsewhere)!r},)\n"
    subprocess.run([sys.executable, "-c", told + DIES, step], check=False)
    [left] = elsewhere.iterdir()

    assert folders.of_dead_runs() == [left]


@pytest.mark.parametrize("more", [0, 1])
def test_the_longest_temp_folder_that_serves_leaves_room_for_a_socket(
    around: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    """As xdist's socket and a Postgres server's in a folder of its own have to be bound there."""
    length = folders._LONGEST - len("/wflo-0123456789ab") - len("/99/.s.PGSQL.5432") + more
    longest = around / ("x" * (length - len(f"{around}/")))
    longest.mkdir()
    point_at(longest, monkeypatch)
    folder = folders.make()
    (folder / "99").mkdir()
    for name in ("broker.sock", "99/.s.PGSQL.5432"):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / name))

    assert folder.parent == (elsewhere if more else longest)


def test_a_temp_folder_that_has_gone_is_done_without(
    around: Path, elsewhere: Path, temp: Path
) -> None:
    assert tempfile.gettempdir() == str(temp)
    temp.rmdir()

    assert folders.make().parent == elsewhere


def test_where_no_place_serves_the_error_says_what_to_set(
    around: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_ELSEWHERE", (str(around / "no-1"), str(around / "no-2")))
    point_at(around / os.fsdecode(b"\xff"), monkeypatch)
    (around / os.fsdecode(b"\xff")).mkdir()

    assert folders.of_dead_runs() == []
    with pytest.raises(TestkitError, match="there is no place") as caught:
        folders.make()
    assert "no-1" in (caught.value.cause or "")
    assert "no-2" in (caught.value.cause or "")
    assert caught.value.text.isascii(), "it has to cross to xdist's workers"
    assert "TMPDIR" in (caught.value.fix or "")
