"""No green by absence: a plugin for `make` that makes skips, reruns and leftovers count.

Loaded with `-p tests.strictness`. A skip, xfail or rerun that `tests/allowed_skips.txt` does not
list with its reason fails the run, and so does a container, network or volume that was not there
before. The last line printed counts what passed, failed, was skipped and xfailed.
"""

from __future__ import annotations

import os
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.docker_state import DockerState, docker_state

ALLOWED = Path(__file__).with_name("allowed_skips.txt")
# Making them goes on after the run, and would count as left behind.
os.environ.setdefault("WFLO_TESTKIT_WARM_IMAGES", "0")


class Strictness:
    """Watches one run, in the only process or in xdist's controller."""

    def __init__(self, allowed: list[str]) -> None:
        self._allowed = allowed
        self._counts: Counter[str] = Counter()
        self._complaints: list[str] = []
        self._session: pytest.Session | None = None
        self._before: DockerState | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session
        self._before = docker_state()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        kind = self._kind(report)
        self._counts[kind] += 1
        if kind in ("skipped", "xfailed", "rerun") and not self._is_allowed(report.nodeid):
            self._complaints.append(f"{report.nodeid} {kind}, not listed in {ALLOWED.name}")

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Judge, after every other plugin has cleaned up."""
        if self._session is None or self._before is None:
            return
        left = docker_state() - self._before
        self._complaints += [f"left behind in Docker: {each}" for each in left]
        for complaint in self._complaints:
            print(f"not accepted: {complaint}")
        if self._complaints and self._session.exitstatus == pytest.ExitCode.OK:
            self._session.exitstatus = pytest.ExitCode.TESTS_FAILED
        names = ("passed", "failed", "skipped", "xfailed")
        print("total: " + ", ".join(f"{self._counts[name]} {name}" for name in names))

    def _is_allowed(self, nodeid: str) -> bool:
        return any(fnmatch(nodeid, pattern) for pattern in self._allowed)

    @staticmethod
    def _kind(report: pytest.TestReport) -> str:
        if report.outcome == "rerun":  # pytest-rerunfailures' own
            return "rerun"
        if report.failed:
            return "failed"
        if report.skipped:
            return "xfailed" if hasattr(report, "wasxfail") else "skipped"
        return "passed" if report.when == "call" else "set up or torn down"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Strictness(allowed(ALLOWED.read_text())))


def allowed(text: str) -> list[str]:
    """Return the patterns of node ids in `text`; each line is `pattern: reason`.

    Raises pytest.UsageError for a line without a reason.
    """
    patterns = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pattern, _, reason = line.partition(": ")
        if not reason.strip():
            raise pytest.UsageError(f"{ALLOWED.name}: no reason given in {line!r}")
        patterns.append(pattern.strip())
    return patterns
