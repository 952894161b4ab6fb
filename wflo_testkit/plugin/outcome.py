"""What is known of one test while it runs, and what its report says when it fails."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit.errors import TestkitError
from wflo_testkit.plugin import failure_logs, mismatch, reporting
from wflo_testkit.plugin.process import PROCESS
from wflo_testkit.wait import clock

if TYPE_CHECKING:
    from wflo_testkit.model import Server


@dataclass(slots=True)
class Outcome:
    """One test: when it began, whether its set-up or call has failed, what it uses.

    servers: by key. handles: by fixture. refusals: fixture -> tells what the server has refused
    its account, given a failure's text. names: those that it was given by a word.
    """

    began: float = field(default_factory=clock.wall)
    failed: bool = False
    servers: dict[str, Server] = field(default_factory=dict)
    handles: dict[str, Any] = field(default_factory=dict)
    refusals: dict[str, Callable[[str], Sequence[str]]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def take_in(self, wide: Iterable[Outcome]) -> None:
        """Take in what is noted of the leases that outlast this test, which is theirs, too."""
        for each in wide:
            each.failed |= self.failed
            self.servers |= each.servers
            self.handles |= each.handles
            self.refusals |= each.refusals


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
    servers = (outcome.servers | _used_as_a_whole(item)).values()
    report.sections += failure_logs.sections(
        item.nodeid, servers, outcome.began, session.failures, session.passwords.mask
    )
    for fixture, refused in outcome.refusals.items():
        if lines := _refused(refused, report.longreprtext):
            report.sections.append((f"what {fixture} was refused", "\n".join(lines)))
    if outcome.names:
        report.sections.append(("names given out by wflo_name", ", ".join(outcome.names)))
    if kept := _kept(outcome):
        report.sections.append(("kept for you to look at, while the server lives", kept))


def _refused(refused: Callable[[str], Sequence[str]], failure: str) -> Sequence[str]:
    """Ask a service's own code, which must not cost the report."""
    try:
        return refused(failure)
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


def _kept(outcome: Outcome) -> str:
    """Return a line for each handle that can be opened after the test."""
    commands = ((name, getattr(h, "kept_command", "")) for name, h in outcome.handles.items())
    return "\n".join(f"{name}: {command}" for name, command in commands if command)
