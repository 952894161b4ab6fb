"""What one process does to a container is so for the others; two that do it at once do no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.slow
CONFTEST = """
import os
from pathlib import Path

import pytest

from wflo_testkit import ready
from wflo_testkit.wait import wait_until

NOTES = Path(os.environ["NOTES"])

def tell(what):
    (NOTES / what).touch()

def until(what):
    wait_until((NOTES / what).exists, timeout=60, describe=what)

@pytest.fixture(scope="session")
def web(wflo_container):
    command = ["python", "-m", "http.server", "8000"]
    return wflo_container("web", image="python:3.13-slim", command=command, init=True,
                          ports={"http": 8000}, ready=ready.http())
"""
SEES = """
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from conftest import tell, until

def test_sees(web, worker_id):
    if worker_id == "gw0":
        web.scale(3)
        web.stop()
        tell("stopped")
        until("seen")
        web.start()
        tell("started")
    else:
        until("stopped")
        assert [each.state for each in web.replicas] == ["exited with code 143"] * 3
        with pytest.raises((URLError, ConnectionError)):
            urlopen(web.url, timeout=5)
        tell("seen")
        until("started")
        assert [urlopen(each.url).status for each in web.replicas] == [200, 200, 200]
"""
AT_ONCE = """
from urllib.request import urlopen

from conftest import tell, until

def test_at_once(web, worker_id):
    mine, other = (worker_id, "gw1") if worker_id == "gw0" else (worker_id, "gw0")
    tell(f"{mine}-there")
    until(f"{other}-there")
    web.scale(3 if mine == "gw0" else 2)
    tell(f"{mine}-done")
    until(f"{other}-done")
    found = web.replicas
    assert len(found) in (2, 3)
    assert len({each.id for each in found}) == len(found)
    assert [urlopen(each.url).status for each in found] == [200] * len(found)
"""


@pytest.mark.parametrize("suite", [SEES, AT_ONCE], ids=["one after the other", "at once"])
def test_it_is_so_for_both(
    run_suite: Run, fresh_environment: pytest.MonkeyPatch, tmp_path: Path, suite: str
) -> None:
    (tmp_path / "notes").mkdir()
    fresh_environment.setenv("NOTES", str(tmp_path / "notes"))
    fresh_environment.setenv("PYTHONPATH", ".", prepend=":")
    result = run_suite(suite, "-n", "2", "--dist", "each", conftest=CONFTEST)

    result.assert_outcomes(passed=2)
