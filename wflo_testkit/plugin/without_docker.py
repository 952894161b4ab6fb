"""Tests that are skipped because no Docker daemon answers, and the line that counts them."""

from __future__ import annotations

import pytest

_MARK = "wflo_without_docker"
"""The attribute of what skips such a test, and of its report, with which xdist brings it from a
worker to the controller."""


def skipping(text: str) -> BaseException:
    """Return what skips a test for want of Docker when it is raised."""
    skip: BaseException = pytest.skip.Exception(text)
    setattr(skip, _MARK, True)
    return skip


def mark(report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Mark the report of a test that is skipped for want of Docker."""
    if call.excinfo is not None and getattr(call.excinfo.value, _MARK, False):
        setattr(report, _MARK, True)


def tell(config: pytest.Config) -> None:
    """Say how many tests were skipped for it, if any, where this process reports to a person."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and (count := _count(reporter)):
        tests = "1 test" if count == 1 else f"{count} tests"
        reporter.write_line(
            f'wflo-testkit: {tests} skipped, no Docker (without_docker = "skip")', yellow=True
        )


def _count(reporter: pytest.TerminalReporter) -> int:
    reports = (each for several in reporter.stats.values() for each in several)
    return len({each.nodeid for each in reports if getattr(each, _MARK, False)})
