"""Manifests outlive a run, whoever writes or dies meanwhile; and they give a schema its key."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wflo_testkit.services.postgres.schema.keys import Keys
from wflo_testkit.services.postgres.schema.manifest import Manifest, Manifests, inputs, store
from wflo_testkit.wait import Deadline

ROOT = Path(__file__).parents[2]
NOW = 2_000_000_000_000_000_000
"""A moment so late that no file is new."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def manifest(path: Path, text: str = "SELECT 1", incomplete: str = "") -> Manifest:
    path.write_text(text)
    return Manifest(
        files={str(path): inputs.stamp(str(path), time.time_ns())}, incomplete=incomplete
    )


def test_a_manifest_comes_back_as_it_was(folder: Path, tmp_path: Path) -> None:
    kept = Manifest(
        files={"/a": inputs.Stamp(1, 2, 3, 4, "5"), "/b": None},
        folders={"/c": ("d", "e"), "/f": None},
        distributions={"/g": ()},
        kinds={"/h": "file", "/i": ""},
        variables={"J": "0", "K": None},
        environment=("J",),
        own_variables=("L",),
        folder="/m",
        incomplete="why",
    )
    Manifests(folder).keep("identity", "key", kept)

    assert Manifests(folder).find("identity") == ("key", kept)
    assert Manifests(folder).find("another") is None


def test_nobody_else_can_read_them_and_no_value_is_in_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    salt = "00" * 16
    hashed = inputs.hashed("TOKEN", "s3cret", salt)
    Manifests(folder).keep("identity", "key", Manifest(variables={"TOKEN": hashed}, salt=salt))
    [file] = folder.iterdir()

    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert "s3cret" not in file.read_text()
    assert Manifest(variables={"TOKEN": hashed}, salt=salt).is_current()
    assert hashed != inputs.hashed("TOKEN", "s3cret", "01" * 16)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_text(""),
        lambda file: file.write_text(file.read_text()[:-20]),
        lambda file: file.write_bytes(b"\xff\xfe"),
        lambda file: file.write_text("[]"),
        lambda file: file.write_text(file.read_text().replace('"format": 1', '"format": 2')),
        lambda file: file.write_text(file.read_text().replace('"folders"', '"folder"')),
        lambda file: file.write_text(file.read_text().replace('"files": {', '"files": [{')),
        lambda file: file.chmod(0o644),
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
def test_one_that_cannot_be_read_is_none(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    Manifests(folder).keep("identity", "key", manifest(tmp_path / "a"))
    assert Manifests(folder).find("identity") is not None
    [file] = folder.iterdir()
    spoil(file)

    assert Manifests(folder).find("identity") is None
    Manifests(folder).keep("identity", "key", manifest(tmp_path / "a"))


def test_another_schemas_under_the_same_name_is_none(folder: Path, tmp_path: Path) -> None:
    Manifests(folder).keep("identity", "key", manifest(tmp_path / "a"))
    [file] = folder.iterdir()
    file.write_text(file.read_text().replace('"identity": "identity"', '"identity": "other"'))

    assert Manifests(folder).find("identity") is None


@pytest.mark.parametrize("place", [None, "a file/below", "/proc/nowhere"])
def test_where_nothing_can_be_kept_all_works(place: str | None, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    manifests = Manifests(None if place is None else tmp_path / place)
    manifests.keep("identity", "key", Manifest())

    assert manifests.find("identity") is None


def test_the_oldest_go_and_those_asked_for_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST", 3)
    manifests = Manifests(folder)
    for number in range(3):
        manifests.keep(str(number), "key", Manifest())
    for age, path in enumerate(sorted(folder.iterdir())):
        os.utime(path, (1000 + age, 1000 + age))
    (folder / ".draft-of-a-killed-process").write_text("")
    os.utime(folder / ".draft-of-a-killed-process", (1, 1))
    assert manifests.find("1") is not None
    manifests.keep("3", "key", Manifest())
    manifests.keep("4", "key", Manifest())

    assert len(list(folder.iterdir())) == 3
    assert all(manifests.find(each) is not None for each in "134")


WRITE = """
import sys
from pathlib import Path
from wflo_testkit.services.postgres.schema.manifest import Manifest, Manifests
manifests, who = Manifests(Path(sys.argv[1])), sys.argv[2]
kept = Manifest(kinds={f"/{who}/{number}": "" for number in range(2000)})
print("begun", flush=True)
while True:
    manifests.keep("identity", who, kept)
"""


@pytest.mark.slow
@pytest.mark.parametrize("is_mutant", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_two_that_write_at_once_and_are_killed_leave_one_that_is_whole(
    folder: Path, is_mutant: bool
) -> None:
    """The mutant writes in place: then somebody finds half a manifest."""
    in_place = (
        "from wflo_testkit.services.postgres.schema.manifest import store\n"
        "store._write = lambda path, text: (path.write_text(text), path.chmod(0o600))\n"
    )
    code = (in_place if is_mutant else "") + WRITE
    seen: list[str | None] = []
    Manifests(folder).keep("identity", "first", Manifest())
    for _again in range(3):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(folder), who], cwd=ROOT, stdout=subprocess.PIPE
            )
            for who in ("one", "two")
        ]
        for each in writers:
            assert each.stdout is not None
            each.stdout.readline()
        deadline = Deadline(0.3)
        while not deadline.passed:
            found = Manifests(folder).find("identity")
            seen.append(found and found[0])
        for each in writers:
            each.send_signal(signal.SIGKILL)
            each.communicate()
        found = Manifests(folder).find("identity")
        seen.append(found and found[0])

    assert (None in seen) == is_mutant
    assert {"one", "two"} & set(seen)


# -- a file's stamp


@pytest.mark.parametrize("new", [False, True])
def test_a_stat_proves_nothing_of_a_file_that_was_new(tmp_path: Path, new: bool) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    found = inputs.stamp(str(path), path.stat().st_mtime_ns + 1 if new else NOW)
    assert found is not None

    assert found.fits(path.stat()) == (not new)


def test_a_stat_sees_a_change_that_keeps_size_and_time(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    for each, text in ((path, "one"), (other, "two")):
        each.write_text(text)
        os.utime(each, ns=(NOW, NOW))
    found = inputs.stamp(str(path), 2 * NOW)
    assert found is not None
    assert found.fits(path.stat())
    other.replace(path)

    assert not found.fits(path.stat())


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert inputs.stamp(str(tmp_path / "pipe"), NOW) is None


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("/a/__pycache__/x.cpython-311.pyc", "/a/x.py"),
        ("/a/__pycache__/x.cpython-311-pytest-9.2.0.pyc", "/a/x.py"),
        ("/a/__pycache__/2024.01.01_x.cpython-311.opt-1.pyc", "/a/2024.01.01_x.py"),
        ("/a/x.pyc", "/a/x.pyc"),
        ("/a/x.py", "/a/x.py"),
    ],
)
def test_a_compiled_module_stands_for_its_source(
    name: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-311")
    monkeypatch.setattr(sys, "pycache_prefix", None)

    assert inputs.source_of(name) == source


def test_a_compiled_module_may_lie_in_a_tree_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", "/cache")

    tag = sys.implementation.cache_tag
    assert inputs.source_of(f"/cache/a/b/x.{tag}.pyc") == "/a/b/x.py"


# -- keys


def keys(run: str, folder: Path | None) -> Keys:
    return Keys(run, folder)


def test_a_later_run_has_the_key_of_what_is_still_so(folder: Path, tmp_path: Path) -> None:
    first = keys("run1", folder)
    key = first.key("identity")
    first.record("identity", manifest(tmp_path / "a"))

    assert keys("run2", folder).key("identity") == key
    assert keys("run2", folder).lasts("identity")


def test_a_change_gives_another_key_to_each_run_and_the_same_to_its_processes(
    folder: Path, tmp_path: Path
) -> None:
    first = keys("run1", folder)
    first.record("identity", manifest(tmp_path / "a"))
    (tmp_path / "a").write_text("SELECT 2")
    one, other, later = keys("run2", folder), keys("run2", folder), keys("run3", folder)

    assert one.key("identity") == other.key("identity")
    assert len({each.key("identity") for each in (first, one, later)}) == 3
    one.record("identity", manifest(tmp_path / "a", "SELECT 2"))
    assert keys("run2", folder).key("identity") == one.key("identity")
    assert keys("run4", folder).key("identity") == one.key("identity")


def test_without_a_manifest_a_key_is_its_runs(folder: Path) -> None:
    assert keys("run1", folder).key("identity") == keys("run1", folder).key("identity")
    assert keys("run1", folder).key("identity") != keys("run2", folder).key("identity")
    assert keys("run1", folder).key("identity") != keys("run1", folder).key("other")


def test_what_is_incomplete_does_not_last_until_it_changes(folder: Path, tmp_path: Path) -> None:
    first = keys("run1", folder)
    assert first.lasts("identity")
    first.record("identity", manifest(tmp_path / "a", incomplete="it starts a process"))
    second = keys("run2", folder)

    assert not first.lasts("identity")
    assert not second.lasts("identity")
    assert second.key("identity") != first.key("identity")
    (tmp_path / "a").write_text("SELECT 2")
    assert keys("run3", folder).lasts("identity")


def test_without_a_folder_nothing_lasts(tmp_path: Path) -> None:
    nowhere = keys("run1", None)
    key = nowhere.key("identity")
    nowhere.record("identity", manifest(tmp_path / "a"))

    assert nowhere.key("identity") == key
    assert not keys("run1", None).lasts("identity")


def test_a_key_is_found_out_once(folder: Path, tmp_path: Path) -> None:
    first = keys("run1", folder)
    first.record("identity", manifest(tmp_path / "a"))
    second = keys("run2", folder)
    key = second.key("identity")
    (tmp_path / "a").write_text("SELECT 2")

    assert second.key("identity") == key


def test_the_file_is_json_with_its_format(folder: Path, tmp_path: Path) -> None:
    Manifests(folder).keep("identity", "key", manifest(tmp_path / "a"))
    [file] = folder.iterdir()

    assert json.loads(file.read_text())["format"] == store.FORMAT
