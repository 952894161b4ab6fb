"""How an error of the kit, or that no Docker daemon answers, reaches who runs the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from wflo_testkit.errors import DockerUnavailable, TestkitError

if TYPE_CHECKING:
    from wflo_testkit.plugin.session import PluginSession

_MARK = "wflo_without_docker"
"""The attribute of what skips a test for want of Docker, and of its report, with which xdist brings
it from a worker to the controller."""


@contextmanager
def report_errors(session: PluginSession) -> Iterator[None]:
    """Report an error of the kit by its own words, without a traceback through the kit.

    Only that no daemon answers may skip a test, and only where the settings say so.
    """
    try:
        yield
    except TestkitError as error:
        failure = error
    else:
        return
    if isinstance(failure, DockerUnavailable) and not session.requires_docker:
        raise _skipping(failure.text) from None
    raise pytest.fail.Exception(failure.text, pytrace=False) from None


def _skipping(text: str) -> BaseException:
    """Return what skips a test for want of Docker when it is raised."""
    skip: BaseException = pytest.skip.Exception(text)
    setattr(skip, _MARK, True)
    return skip


def mark_skip(report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Mark the report of a test that is skipped for want of Docker."""
    if call.excinfo is not None and getattr(call.excinfo.value, _MARK, False):
        setattr(report, _MARK, True)


def tell_of_skips(config: pytest.Config) -> None:
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
