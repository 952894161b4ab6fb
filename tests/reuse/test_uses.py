"""Who uses a kept server is known by marks that end with their process."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse import uses as module
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.reuse.uses import Uses

KEY = "0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path) -> UserFolder:
    home = UserFolder(tmp_path / "servers")
    home.prepare()
    return home


@pytest.fixture
def uses(home: UserFolder) -> Uses:
    return Uses(home)


def plant(home: UserFolder, run: str, **values: object) -> Path:
    """Write a mark as another process would have."""
    home.write(f"{KEY}.{run}.use", json.dumps({"run": run, "owner": "", **values}))
    return home.folder / f"{KEY}.{run}.use"


def dead_owner() -> str:
    process = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)
    owner = labels.owner(process.pid)
    process.communicate()
    return owner


def test_a_living_process_uses_what_it_has_marked(uses: Uses) -> None:
    uses.mark(KEY, "mine", "c1")

    assert uses.living(KEY) == ["mine"]
    assert uses.living(KEY, but="mine") == []
    assert uses.living(KEY, container="c1") == ["mine"]
    assert uses.living(KEY, container="c2") == []
    assert uses.living("another") == []
    assert uses.over(KEY) == []


@pytest.mark.parametrize(
    "changed",
    [{"owner": 1}, {"container": None}, {"ended": "no"}, {"of_a_later_version": 1}],
    ids=str,
)
def test_a_mark_that_cannot_be_understood_counts_as_a_living_run(
    uses: Uses, home: UserFolder, changed: dict[str, object]
) -> None:
    plant(home, "theirs", **changed)

    assert uses.living(KEY) == ["theirs"]
    assert uses.over(KEY) == []


def test_a_mark_ends_with_its_process(uses: Uses, home: UserFolder) -> None:
    plant(home, "theirs", owner=dead_owner())

    assert uses.living(KEY) == []
    assert uses.over(KEY) == ["theirs"]


FORKS = """
import os, sys
from pathlib import Path
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.reuse.uses import Uses

home = UserFolder(Path(sys.argv[1]))
Uses(home).mark("0123456789abcdef", "parent")
with home.lock():
    child = os.fork()
    if child == 0:
        sys.stdin.read()  # outlives its parent
        os._exit(0)
"""


@pytest.fixture
def orphan(home: UserFolder) -> Iterator[subprocess.Popen[bytes]]:
    """A process is over that forked a child while it held the home's lock; the child lives."""
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS, str(home.folder)], stdin=subprocess.PIPE
    )
    process.wait()
    yield process
    process.communicate()


def test_a_forked_child_does_not_prolong_its_parents_mark(uses: Uses, orphan: object) -> None:
    assert uses.over(KEY) == ["parent"]


def test_a_forked_child_does_not_hold_its_parents_lock(home: UserFolder, orphan: object) -> None:
    handle = os.open(home.folder / ".home.lock", os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(handle)


def test_what_a_run_kept_is_over_although_its_process_lives(uses: Uses) -> None:
    uses.mark(KEY, "mine")
    uses.end(KEY, "mine", kept=True)

    assert uses.living(KEY) == []
    assert uses.over(KEY) == ["mine"]


def test_a_run_that_kept_nothing_leaves_no_mark(uses: Uses, home: UserFolder) -> None:
    uses.mark(KEY, "mine")
    uses.end(KEY, "mine", kept=False)

    assert home.files("*.use") == []


def test_another_machines_mark_counts_until_it_expires(
    uses: Uses, home: UserFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plant(home, "far", owner="elsewhere/1/1 1 1 1")
    assert uses.living(KEY) == ["far"]

    os.utime(path, (0, 0))

    assert uses.living(KEY) == []


def test_a_long_run_of_this_machine_never_expires(uses: Uses, home: UserFolder) -> None:
    uses.mark(KEY, "mine")
    os.utime(home.files("*.use")[0], (0, 0))

    assert uses.living(KEY) == ["mine"]


def test_a_mark_that_cannot_be_read_is_somebodys(uses: Uses, home: UserFolder) -> None:
    home.write(f"{KEY}.odd.use", "{")

    assert uses.living(KEY) == ["odd"]


def test_mutant_that_trusts_a_process_id_alone_takes_a_dead_run_for_living(
    uses: Uses, home: UserFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _host, _pid, started, _boot = labels.owner().split(" ")
    reused_pid = labels.owner().replace(f" {started} ", f" {int(started) - 1} ")
    plant(home, "before", owner=reused_pid)
    assert uses.living(KEY) == []

    monkeypatch.setattr(module.labels, "owner_is_dead", lambda _text: False)

    assert uses.living(KEY) == ["before"]
