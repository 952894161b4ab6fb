"""What a failed test's report says of its data: what is kept or dumped, and how it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from wflo_testkit.errors import TestkitError

if TYPE_CHECKING:
    from wflo_testkit.model import Server
    from wflo_testkit.plugin.outcome import NotedLease
    from wflo_testkit.plugin.session import PluginSession


def sections(
    session: PluginSession,
    test: str,
    own: Mapping[str, NotedLease],
    wider: Mapping[str, NotedLease],
) -> Iterator[tuple[str, str]]:
    """Yield a title and a text for what outlives the run, and for what is dumped before it goes.

    test: its node id. own, wider: the test's leases by fixture, and those that other tests go on
    to use, which change what is there.
    """
    kept: dict[str, list[str]] = {}
    dumped: list[str] = []
    for fixture, leased in {**wider, **own}.items():
        if leased.handle is None:  # it could not be made, and has been taken back
            continue
        until, is_wide = _stays(session, leased.lease.server), fixture not in own
        if is_wide or not until:
            dumped += _dumped(session, test, fixture, leased, at_once=is_wide)
        if until and (command := getattr(leased.handle, "kept_command", "")):
            later = "  # as the last test that uses it leaves it" if is_wide else ""
            kept.setdefault(until, []).append(f"{fixture}: {command}{later}")
    for until, lines in kept.items():
        yield f"kept for you to look at, until {until}", "\n".join(lines)
    if dumped:
        yield "dumped for you to look at; of all tests the newest five stay", "\n".join(dumped)


def _stays(session: PluginSession, server: Server) -> str:
    """Return until when what the test has left on a server stays, "" where the run's end is next.

    What is made on an external server goes with the run, and a server of one test with the test.
    """
    if server.is_external or server.is_for_one_test:
        return ""
    if server.is_shared:
        return "the next run"
    return "`wflo-testkit clean --all`" if session.settings["keep"] else ""


def _dumped(
    session: PluginSession, test: str, fixture: str, leased: NotedLease, *, at_once: bool
) -> list[str]:
    """Have the data dumped; return a line with the command that opens it, if it can be."""
    try:
        folder = session.failures.write(test, {})
        place = f"{session.process.config.rootpath}/{folder}/{fixture}"
        with suppress(TestkitError):  # the broker is lost, which the test's own error tells
            if session.broker.dump(leased.lease.id, place, at_once):
                return [f"{fixture}: sh {folder}/{fixture}.sh"]
    except OSError as error:
        return [f"{fixture}: no dump: {error}"]
    return []
