"""What is known of one test while it runs, and what its report says when it fails."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit import services
from wflo_testkit.errors import TestkitError
from wflo_testkit.plugin import failed_data, failure_logs, mismatch, reporting
from wflo_testkit.plugin.failure_logs import Logging
from wflo_testkit.plugin.process import PROCESS
from wflo_testkit.service import LogLines
from wflo_testkit.wait import clock

if TYPE_CHECKING:
    from wflo_testkit.model import Server
    from wflo_testkit.plugin.session import PluginSession
    from wflo_testkit.service import Lease, LeaseKind


@dataclass(slots=True)
class NotedLease:
    """A lease, and the handle of it once there is one."""

    kind: LeaseKind
    lease: Lease
    handle: Any = None


@dataclass(slots=True)
class Outcome:
    """One test: when it began, whether its set-up or call has failed, what it uses.

    servers: by key. leases: by fixture; wider: those that outlast it, once it has failed.
    names: those that it was given by a word.
    """

    began: float = field(default_factory=clock.wall)
    failed: bool = False
    servers: dict[str, Server] = field(default_factory=dict)
    leases: dict[str, NotedLease] = field(default_factory=dict)
    wider: dict[str, NotedLease] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def take_in(self, wide: Iterable[Outcome]) -> None:
        """Take in what is noted of the leases that outlast this test, which is theirs, too."""
        for each in wide:
            each.failed |= self.failed
            self.servers |= each.servers
            self.wider |= each.leases

    @property
    def every(self) -> dict[str, NotedLease]:
        """All leases that it has used."""
        return self.wider | self.leases


_OUTCOME = pytest.StashKey[Outcome]()


class Watch:
    """The hooks around tests; registered once one uses the kit, since each has a cost."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        item.stash[_OUTCOME] = Outcome()  # afresh: a rerun of the same item begins again

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        item.config.stash[PROCESS].session.ahead.turn_to(nextitem)

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
        return item.config.stash[PROCESS].session.passwords.masked(item.config, report)

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


def of(item: pytest.Item, began: float | None = None) -> Outcome:
    """Return what is noted of `item`; begins with the first test to use the kit, while it runs.

    began: when it did, where only its report tells.
    """
    if _OUTCOME not in item.stash:
        item.stash[_OUTCOME] = Outcome() if began is None else Outcome(began)
    return item.stash[_OUTCOME]


def record(item: pytest.Item, report: pytest.TestReport) -> None:
    """Note a failure; add to its report the servers' logs, what they refused and what is kept."""
    if not report.failed:
        return
    outcome = of(item, report.start)
    if report.when != "teardown":
        outcome.failed = True
    session = item.config.stash[PROCESS].session
    outcome.take_in(session.wide.used_by(item))
    used = outcome.servers | _used_as_a_whole(item)
    servers = [_logging(session, outcome, each) for each in used.values()]
    report.sections += failure_logs.sections(
        item.nodeid, servers, outcome.began, session.failures, session.passwords.mask
    )
    for fixture, each in outcome.every.items():
        if lines := _refused(each, report.longreprtext):
            report.sections.append((f"what {fixture} was refused", "\n".join(lines)))
    if outcome.names:
        report.sections.append(("names given out by wflo_name", ", ".join(outcome.names)))
    if report.when != "teardown":  # what has been given back is gone
        report.sections += failed_data.sections(session, item.nodeid, outcome.leases, outcome.wider)


def _logging(session: PluginSession, outcome: Outcome, server: Server) -> Logging:
    """Say what of a server's log concerns a test."""
    ended, kind = "", LogLines()
    with suppress(TestkitError):  # the broker is lost, which the test's own error tells
        ended = session.broker.ended(server.key)
    with suppress(TestkitError):  # a test may make a server itself, of a service that nobody knows
        kind = services.row(server.service).log
    told = " ".join(str(each.lease.data) for each in outcome.every.values())
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
