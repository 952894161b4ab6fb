"""The hooks around each test, and what its report says when it fails."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from wflo_testkit import services
from wflo_testkit.errors import TestkitError
from wflo_testkit.plugin import failed_data, failure_logs, mismatch, outcome, reporting
from wflo_testkit.plugin.failure_logs import Logging
from wflo_testkit.plugin.session import session_of
from wflo_testkit.service import LogLines

if TYPE_CHECKING:
    from wflo_testkit.model import Server
    from wflo_testkit.plugin.outcome import NotedLease, Outcome
    from wflo_testkit.plugin.session import PluginSession


class Watch:
    """The hooks around tests; registered once one uses the kit, since each has a cost."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        outcome.begin(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        session_of(item.config).ahead.turn_to(nextitem)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep each phase's outcome, and add to the report what the services said.

        Last of all wrappers, so that it masks the passwords in what they have added, too.
        """
        if call.when == "setup" and call.excinfo is not None:
            mismatch.answer(item.config, call.excinfo.value)
        report = yield
        record(item, report)
        reporting.mark_skip(report, call)
        return session_of(item.config).passwords.masked(item.config, report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Count what was skipped for want of Docker, in a line after pytest's own last one."""
        yield
        reporting.tell_of_skips(session.config)


def watch(config: pytest.Config) -> None:
    """Watch every test from now on, the one that runs included."""
    name = "wflo_testkit_watch"
    if not config.pluginmanager.has_plugin(name):
        config.pluginmanager.register(Watch(), name)


def record(item: pytest.Item, report: pytest.TestReport) -> None:
    """Note a failure; add to its report the servers' logs, what they refused and what is kept."""
    if not report.failed:
        return
    noted = outcome.of(item, report.start)
    if report.when != "teardown":
        noted.failed = True
    session = session_of(item.config)
    noted.take_in(session.wide.used_by(item))
    used = noted.servers | _used_as_a_whole(item)
    servers = [_logging(session, noted, each) for each in used.values()]
    report.sections += failure_logs.sections(
        item.nodeid, servers, noted.began, session.failures, session.passwords.mask
    )
    for fixture, each in noted.every.items():
        if lines := _refused(each, report.longreprtext):
            report.sections.append((f"what {fixture} was refused", "\n".join(lines)))
    if noted.names:
        report.sections.append(("names given out by wflo_name", ", ".join(noted.names)))
    if report.when != "teardown":  # what has been given back is gone
        report.sections += failed_data.sections(session, item.nodeid, noted.leases, noted.wider)


def _logging(session: PluginSession, noted: Outcome, server: Server) -> Logging:
    """Say what of a server's log concerns a test."""
    ended, kind = "", LogLines()
    with suppress(TestkitError):  # the broker is lost, which the test's own error tells
        ended = session.broker.ended(server.key)
    with suppress(TestkitError):  # a test may make a server itself, of a service that nobody knows
        kind = services.row(server.service).log
    told = " ".join(str(each.lease.data) for each in noted.every.values())
    left_out = failure_logs.foreign(kind, told)
    return Logging(server, session.got(server), left_out, ended)


def _refused(leased: NotedLease, failure: str) -> Sequence[str]:
    """Ask a service's own code, which must not cost the report."""
    try:
        return leased.kind.refused(leased.lease, failure)
    except TestkitError:  # it cannot be asked, or is given back already
        return ()
    except Exception as error:  # noqa: BLE001 - another package's
        return (f"(it could not be asked: {type(error).__name__}: {error})",)


def _used_as_a_whole(item: pytest.Item) -> dict[str, Server]:
    """Return the servers among the fixtures of `item`, which nothing was leased from."""
    from wflo_testkit.model import Server

    found = getattr(item, "funcargs", {}).values()
    values = (getattr(each, "wflo", each) for each in found)  # of a Testcontainers object
    return {each.key: each for each in values if isinstance(each, Server)}
