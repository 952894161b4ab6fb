"""The folder of a failed test: private, named after the test, and gone with later runs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem

from wflo_testkit.plugin.failures import KEPT, Failures, folder_name

NOW = 1_000_000.0


def made(root: Path) -> set[str]:
    return {path.name for path in (root / ".wflo" / "failures").iterdir()}


def test_what_is_written_is_for_this_user_and_for_no_repository(tmp_path: Path) -> None:
    folder = Failures(str(tmp_path), NOW).write("t.py::test_a", {"redis.log": "it\n"})

    path = tmp_path / folder / "redis.log"
    assert path.read_text() == "it\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / ".wflo").stat().st_mode) == 0o700
    assert (tmp_path / ".wflo" / ".gitignore").read_text() == "*\n"


def test_a_second_failure_of_the_same_test_takes_the_place_of_the_first(tmp_path: Path) -> None:
    failures = Failures(str(tmp_path), NOW)

    first = failures.write("t.py::test_a", {"redis.log": "a long first\n"})
    second = failures.write("t.py::test_a", {"redis.log": "short\n"})

    assert first == second
    assert (tmp_path / second / "redis.log").read_text() == "short\n"


@pytest.mark.parametrize(
    "test", ["a/t.py::test[../../..]", "t.py::test_é[\n\x00]", "x" * 500, "::"]
)
def test_any_name_of_a_test_is_a_folder_below(tmp_path: Path, test: str) -> None:
    folder = Failures(str(tmp_path), NOW).write(test, {"redis.log": ""})

    assert (tmp_path / folder).parent == tmp_path / ".wflo" / "failures"
    assert (tmp_path / folder / "redis.log").exists()


def test_names_that_look_alike_have_folders_of_their_own() -> None:
    assert folder_name("t.py::test[a/b]") != folder_name("t.py::test[a:b]")


def test_of_earlier_runs_the_newest_stay_and_of_this_one_all(tmp_path: Path) -> None:
    place = tmp_path / ".wflo" / "failures"
    for number in range(KEPT + 3):
        old = place / f"old-{number}"
        old.mkdir(parents=True)
        (old / "redis.log").write_text("")
        os.utime(old, (NOW - 100 + number, NOW - 100 + number))
    failures = Failures(str(tmp_path), NOW)

    for number in range(KEPT + 3):
        failures.write(f"test_{number}", {})

    assert {name for name in made(tmp_path) if name.startswith("old")} == {
        f"old-{number}" for number in range(3, KEPT + 3)
    }
    assert len(made(tmp_path)) == KEPT + KEPT + 3


def test_what_somebody_has_put_there_is_left(tmp_path: Path) -> None:
    place = tmp_path / ".wflo" / "failures"
    for number in range(KEPT + 1):
        (place / f"old-{number}" / "mine").mkdir(parents=True)
        os.utime(place / f"old-{number}", (NOW - 100 + number, NOW - 100 + number))
    (place / "notes.txt").write_text("mine")

    Failures(str(tmp_path), NOW).write("test_now", {})

    assert len(made(tmp_path)) == KEPT + 3


def test_files_that_a_test_fakes_are_not_written_to(tmp_path: Path, fs: FakeFilesystem) -> None:
    folder = Failures(str(tmp_path), NOW).write("test_now", {"redis.log": "it"})

    assert not (tmp_path / folder).exists()
    fs.pause()
    assert (tmp_path / folder / "redis.log").read_text() == "it"


def test_a_place_where_nothing_can_be_written_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / ".wflo").write_text("a file")

    with pytest.raises(OSError, match="Not a directory"):
        Failures(str(tmp_path), NOW).write("test_now", {"redis.log": ""})
