"""Several runs on one external server: a killed one is cleared, a living one keeps everything."""

from __future__ import annotations

import dataclasses
import secrets
import signal

import pytest

from tests.cases import quick
from tests.lifecycle.runs import Launched
from tests.services.asker import row
from tests.services.external.conftest import Start
from tests.services.external.suites import from_outside, go
from tests.services.external.witness import assert_gone, left_by
from wflo_testkit.broker import visits
from wflo_testkit.broker.visits import Visits
from wflo_testkit.model import Server

SERVICES = ("postgres", "redis", "kafka", "temporal")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, too, clearing up comes to its end."""
    monkeypatch.setattr(visits, "PATIENCE", 60.0)


def kill(launched: Launched) -> None:
    launched.die(signal.SIGKILL, everybody=True)


def visit(server: Server) -> None:
    """Come and go as a run of this host; what was launched believes to be on another one."""
    made = Visits(secrets.token_hex(4)).begin(from_outside(server), row(server.service))
    assert made is not None
    made.end()


def expire(server: Server, run: str) -> None:
    """Shorten the lease of a run that cannot renew it any more."""
    make = row(server.service).guestbook
    assert make is not None
    book = make(from_outside(server))
    try:
        for guest in [each for each in book.guests() if each.run.startswith(run)]:
            book.sign(dataclasses.replace(guest, lease=0.0))
    finally:
        book.close()


@pytest.mark.parametrize("server", quick(SERVICES, ("postgres", "redis")), indirect=True)
def test_the_next_run_clears_a_killed_one_and_a_living_one_keeps_everything(
    server: Server, start: Start
) -> None:
    killed, living = start(server, "killed"), start(server, "living")
    for each in (killed, living):
        each.await_file("ready-*")
    kill(killed)
    assert left_by(server, killed.run)
    held = left_by(server, living.run)

    following = start(server, "following")
    assert go(following) == 0, following.output

    assert_gone(server, killed.run)
    assert left_by(server, living.run) == held
    assert go(living) == 0, living.output
    assert_gone(server, living.run, following.run)


@pytest.mark.parametrize("server", quick(SERVICES, ("postgres", "redis")), indirect=True)
def test_a_run_of_another_host_is_respected_until_its_lease_is_over(
    server: Server, start: Start
) -> None:
    elsewhere = start(server, "elsewhere")
    elsewhere.await_file("ready-*")
    kill(elsewhere)
    held = left_by(server, elsewhere.run)

    visit(server)
    assert left_by(server, elsewhere.run) == held

    expire(server, elsewhere.run)
    visit(server)
    assert_gone(server, elsewhere.run)


@pytest.mark.slow
def test_without_a_look_at_the_owner_a_living_run_would_lose_what_it_holds(
    server: Server, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks above must be able to fail."""
    living = start(server, "living")
    living.await_file("ready-*")

    monkeypatch.setattr(visits, "is_over", lambda _guest, _now: True)
    visit(server)

    assert_gone(server, living.run)
    assert go(living) == 1


def test_if_nobody_were_ever_over_a_killed_run_would_stay(
    server: Server, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks above must be able to fail."""
    killed = start(server, "killed")
    killed.await_file("ready-*")
    kill(killed)
    expire(server, killed.run)

    with monkeypatch.context() as patched:
        patched.setattr(visits, "is_over", lambda _guest, _now: False)
        visit(server)
    assert left_by(server, killed.run)

    visit(server)
    assert_gone(server, killed.run)
