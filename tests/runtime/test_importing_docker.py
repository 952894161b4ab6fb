"""When Docker's client is imported, and that nothing waits for it that need not."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.conftest import Run

# Such a change takes away the filter that `requests` sets while it is imported.
LOST_FILTER = """
import contextlib, warnings
warnings.simplefilter = lambda *_args, **_keywords: None
from wflo_testkit.runtime import daemon
{mutation}
daemon.connect().client.close()
import sys
assert "urllib3.contrib.socks" not in sys.modules
"""
MUTATION = "daemon._silent_about_socks = contextlib.nullcontext"


@pytest.mark.parametrize("mutation", ["", MUTATION], ids=["as it is", "mutant"])
def test_a_lost_filter_does_not_make_the_import_fail(mutation: str) -> None:
    assert find_spec("socks") is None, "with PySocks there is no warning to be silent about"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOST_FILTER.format(mutation=mutation)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ("DependencyWarning" in done.stderr) is bool(mutation)
    assert (done.returncode == 0) is not bool(mutation), done.stderr


WITHOUT_LIBRARY = """
import sys
for name in ("docker", "testcontainers", "requests"):
    sys.modules[name] = None
from wflo_testkit.runtime.engine import Engine
from wflo_testkit.runtime.reaper import Reaper
reaper = Reaper(Engine(), "0123abcd", policy="auto")
reaper.start()
reaper.remove()
"""


def test_ryuk_needs_no_library_of_dockers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARY], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr


UNLOADED = """
import sys

def test(redis_client):
    assert redis_client.ping()
    assert not {"docker", "testcontainers", "requests"} & set(sys.modules)
"""


@pytest.mark.slow
def test_the_tests_process_never_imports_it(run_suite: Run) -> None:
    run_suite(UNLOADED).assert_outcomes(passed=1)
