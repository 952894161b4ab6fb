"""The second run has the first one's containers, and begins almost as soon as a bare one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.docker_state import docker_state
from tests.lifecycle.runs import HOST
from tests.reuse.parts import kept_by
from wflo_testkit.cli import main
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse.user_folder import UserFolder

LIMIT = 0.45
"""Seconds; 0.15 of them are those of the broker's own process, which loads the kit once more."""
NAMES = "postgres_server, redis_server, kafka_server, temporal_server"
BEGUN = """
import time
from pathlib import Path

def test({names}):
    Path("begun").write_text(str(time.time()))
"""


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(400)
def test_the_second_runs_tests_begin_within_half_a_second_of_a_bare_run(
    run_suite: Run, pytester: pytest.Pytester, home: UserFolder
) -> None:
    files = {
        "test_bare.py": BEGUN.format(names=""),
        "test_all.py": BEGUN.format(names=NAMES),
    }
    run_suite("", "--wflo-reuse", "test_all.py", files=files).assert_outcomes(passed=1)
    # In turns, and the best of each: the machine that runs these tests may be busy.
    bare, reused = [], []
    for turn in range(25):
        bare.append(seconds_to_test(pytester.path, "test_bare.py", "-p", "no:wflo_testkit"))
        reused.append(seconds_to_test(pytester.path, "test_all.py", "--wflo-reuse"))
        if turn >= 4 and min(reused) - min(bare) <= LIMIT:
            break

    print(f"bare {min(bare):.2f} s, reused {min(reused):.2f} s, best of {len(bare)} pairs")
    assert min(reused) - min(bare) <= LIMIT


def seconds_to_test(folder: Path, *options: str) -> float:
    """Return the time from the start of a pytest process to the first line of its test."""
    began = time.time()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, cwd=folder, check=True, **quiet)
    return float((folder / "begun").read_text()) - began


NOTES_IDS = """
import json

def test({names}):
    with open("ids.json", "w") as file:
        json.dump([each.container_id for each in ({names})], file)
"""


@pytest.fixture
def another_machine(monkeypatch: pytest.MonkeyPatch) -> str:
    """Let this process be on a made-up machine; return what puts a suite there, too.

    There `clean` takes nobody else's runs for dead.
    """
    monkeypatch.setattr(labels, "_host", lambda: HOST)
    moved = f"from wflo_testkit.runtime import labels\nlabels._host = lambda: {HOST!r}\n"
    entry = "from wflo_testkit.run.entry"
    in_broker = f"launch.BEGIN = launch.BEGIN.replace({entry!r}, {moved + entry!r})\n"
    return f"{moved}from wflo_testkit.run import launch\n{in_broker}"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_it_has_the_same_containers_until_clean_removes_them(
    another_machine: str,  # before `home`, whose labels name the machine
    home: UserFolder,
    run_suite: Run,
    pytester: pytest.Pytester,
) -> None:
    def ids() -> list[str]:
        run_suite(NOTES_IDS.format(names=NAMES), "--wflo-reuse", conftest=another_machine)
        return list(json.loads((pytester.path / "ids.json").read_text()))

    first = ids()
    assert ids() == first
    assert kept_by(home) == sorted(first)

    assert main.main(["clean"]) == 0

    assert kept_by(home) == []
    assert list(docker_state(f"{labels.HOME}={home.label}")) == []
    assert home.files("*.json") == []
