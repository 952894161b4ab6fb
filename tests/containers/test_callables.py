"""What fills a server, or tells that it is ready, is called once per run, in one process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.slow
SEEDS = """
import os, signal
from pathlib import Path

NOTES = Path(os.environ["NOTES"])

def note(what):
    (NOTES / f"{what}-{os.getpid()}-{len(list(NOTES.iterdir()))}").touch()

def fill(server):
    note("fill")
    assert server.state == "running"
    assert "the app is up" in server.logs()
    server.exec("sh", "-c", "echo seeded >> /seeds")

def fails(server):
    note("fails")
    raise LookupError("no seeds in this season")

def dies(server):
    note("dies")
    if len(list(NOTES.glob("dies-*"))) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    server.exec("sh", "-c", "echo seeded >> /seeds")

def not_yet(server):
    note("ready")
    if len(list(NOTES.glob("ready-*"))) < 3:
        raise ConnectionError("the queue is not declared")
    return True

def never(server):
    raise ConnectionError("the queue is not declared")

def exits(server):
    server.exec("touch", "/exit")
    return False
"""
TABLE = """
[tool.wflo-testkit.servers.app]
image = "python:3.13-slim"
command = ["sh", "-c", '''
trap 'exit 0' TERM; echo the app is up
until [ -e /exit ]; do sleep 0.1; done; echo that was it; exit 6''']
ready = { log = "the app is up" }
"""
SUITE = """
import pytest

@pytest.mark.parametrize("n", range(8))
def test(app_server, n):
    assert app_server.exec("cat", "/seeds") == "seeded\\n"
"""


@pytest.fixture
def notes(fresh_environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    fresh_environment.setenv("NOTES", str(folder))
    fresh_environment.setenv("PYTHONPATH", ".", prepend=os.pathsep)
    return folder


def noted(notes: Path, what: str) -> list[str]:
    """Return the processes that were there."""
    return [path.name.split("-")[1] for path in notes.glob(f"{what}-*")]


def test_it_is_filled_once_for_all_workers(run_suite: Run, notes: Path) -> None:
    files = {"seeds.py": SEEDS}
    result = run_suite(SUITE, "-n", "3", pyproject=TABLE + 'fill = "seeds:fill"\n', files=files)

    result.assert_outcomes(passed=8)
    assert len(noted(notes, "fill")) == 1


def test_one_that_fails_is_one_clear_error_for_everybody(run_suite: Run, notes: Path) -> None:
    files = {"seeds.py": SEEDS}
    result = run_suite(SUITE, "-n", "2", pyproject=TABLE + 'fill = "seeds:fails"\n', files=files)

    result.assert_outcomes(errors=8)
    assert len(noted(notes, "fails")) == 1
    text = result.stdout.str()
    assert text.count("\napp is not ready: its `fill` has failed\n") == 8
    assert text.count("LookupError: no seeds in this season") == 8
    assert "correct what `fill` calls" in text


def test_another_worker_fills_it_when_the_first_is_killed(run_suite: Run, notes: Path) -> None:
    files = {"seeds.py": SEEDS}
    result = run_suite(SUITE, "-n", "2", pyproject=TABLE + 'fill = "seeds:dies"\n', files=files)

    result.assert_outcomes(passed=7, failed=1)
    result.stdout.fnmatch_lines(["*worker 'gw?' crashed while running*"])
    assert len(set(noted(notes, "dies"))) == 2


READY = """
import pytest
from wflo_testkit import ready
from seeds import {what}

@pytest.fixture(scope="session")
def app(wflo_container):
    script = "trap 'exit 0' TERM; until [ -e /exit ]; do sleep 0.1; done; echo over; exit 6"
    return wflo_container("app", image="python:3.13-slim", command=["sh", "-c", script],
                          ready=[ready.command("true"), {what}], startup_timeout=2)
"""
USES = """
import pytest

@pytest.mark.parametrize("n", range(4))
def test(app, n):
    assert app.state == "running"
"""


def test_a_callable_is_asked_in_one_process_until_it_says_so(run_suite: Run, notes: Path) -> None:
    files = {"seeds.py": SEEDS}
    result = run_suite(USES, "-n", "2", conftest=READY.format(what="not_yet"), files=files)

    result.assert_outcomes(passed=4)
    assert len(noted(notes, "ready")) == 3
    assert len(set(noted(notes, "ready"))) == 1


def test_a_callable_that_never_does_is_told_with_what_it_saw(run_suite: Run, notes: Path) -> None:
    files = {"seeds.py": SEEDS}
    result = run_suite(USES, conftest=READY.format(what="never"), files=files)

    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(
        [
            "*app is not ready: its `ready` has failed",
            "*WaitTimeout: never: not so after 2 s",
            "*ConnectionError: the queue is not declared",
        ]
    )


def test_a_container_that_ends_under_a_callable_is_told_at_once(
    run_suite: Run, notes: Path
) -> None:
    conftest = READY.format(what="exits").replace("startup_timeout=2", "startup_timeout=50")
    result = run_suite(USES, conftest=conftest, files={"seeds.py": SEEDS})

    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(["*app (*) exited with code 6*", "*over*"])
    assert result.duration < 30


def test_ctrl_c_in_it_ends_the_run(run_suite: Run, notes: Path) -> None:
    seeds = f"{SEEDS}\ndef interrupted(server):\n    raise KeyboardInterrupt\n"
    table = TABLE + 'fill = "seeds:interrupted"\n'
    result = run_suite(SUITE, pyproject=table, files={"seeds.py": seeds})

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*"])
