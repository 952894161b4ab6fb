"""When Docker's client is imported, and that nothing waits for it that need not."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.conftest import Run
from tests.services.asker import asker, run_of_its_own

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


LOADING = """
import threading
import pytest

@pytest.fixture(scope="session", autouse=True)
def loaded():
    from wflo_testkit.runtime import daemon
    return daemon

def pytest_collection_finish():
    from wflo_testkit.runtime import daemon
    by_itself = daemon.load
    daemon.load = lambda: (print("loads in", threading.current_thread().name), by_itself())
"""


def test_it_is_imported_before_tests_compete_for_the_interpreter(run_suite: Run) -> None:
    result = run_suite("def test(redis_database):\n    pass\n", "-s", conftest=LOADING)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*loads in MainThread*"])


@pytest.mark.slow
def test_a_run_on_servers_of_others_imports_nothing_of_docker(run_suite: Run) -> None:
    source = """
        import sys

        def test(redis_server):
            assert "docker" not in sys.modules
    """
    with run_of_its_own() as core:
        own = asker(core, "redis").server
        result = run_suite(source, f"--wflo-redis-url={own.url}")

    result.assert_outcomes(passed=1)
