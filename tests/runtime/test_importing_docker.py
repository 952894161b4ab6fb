"""Docker's client is imported in a thread, while pytest changes the filters of warnings."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

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
