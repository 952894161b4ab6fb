"""The second run's tests begin almost as soon as those of a run without the kit."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Run
from wflo_testkit.runtime.reuse.home import Home

LIMIT = 0.3
NAMES = "postgres_server, redis_server, kafka_server, temporal_server"
BEGUN = """
import time
from pathlib import Path

def test({names}):
    Path("begun").write_text(str(time.time()))
"""


@pytest.mark.slow
def test_the_second_runs_tests_begin_within_a_third_of_a_second_of_a_bare_run(
    run_suite: Run, pytester: pytest.Pytester, home: Home
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

    assert min(reused) - min(bare) <= LIMIT


def seconds_to_test(folder: Path, *options: str) -> float:
    """Return the time from the start of a pytest process to the first line of its test."""
    began = time.time()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, cwd=folder, check=True, **quiet)
    return float((folder / "begun").read_text()) - began
