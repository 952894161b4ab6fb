"""Attaching and leaving, over and over, wears nothing out, and hurts nobody who stays."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lifecycle.soak import ledger
from tests.lifecycle.soak.count import Count
from tests.lifecycle.soak.counters import strays
from tests.reuse.conftest import Begin
from tests.reuse.members import Member, member
from tests.reuse.parts import kept_by
from tests.services.asker import row
from wflo_testkit.runtime.reuse.user_folder import UserFolder

QUICK, MANY = 10, 500
WORD = "trace"


class Visitors:
    """Runs that come, use the kept Redis server, and go, beside one that stays.

    Each writes its own word under the same key, and should see nobody else's.
    """

    def __init__(self, begin: Begin, home: UserFolder) -> None:
        self._begin = begin
        self._home = home
        self.count = Count()

    def come_and_go(self, cycles: int) -> None:
        bystander = self._arrive("bystander")
        with bystander.lease() as held, bystander.opened("client", held) as client:
            client.set(WORD, "bystander")
            self._visit(bystander)  # what is opened once, is
            before = open_things()
            for _ in range(cycles):
                self._visit(bystander)
                self.count.done += 1
            self.count.leaked += grown(before, open_things())
            if client.get(WORD) != b"bystander":
                self.count.hurt.append(f"the bystander's word is {client.get(WORD)!r}")

    def _arrive(self, run: str) -> Member:
        return member(self._begin(row("redis"), run=run), "redis")

    def _visit(self, bystander: Member) -> None:
        run = secrets.token_hex(4)
        visitor = self._arrive(run)
        if visitor.server.container_id != bystander.server.container_id:
            self.count.hurt.append(f"{run} was given {visitor.server.container_id}")
        with visitor.lease() as handle, visitor.opened("client", handle) as client:
            self.count.crossed += [f"{run} saw {client.get(key)!r}" for key in client.scan_iter()]
            client.set(WORD, run)
        visitor.end()
        self.count.leaked += strays(self._home, [run])


def open_things() -> dict[str, int]:
    files = len(list(Path("/proc/self/fd").iterdir()))
    return {"files": files, "threads": threading.active_count()}


def grown(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """Return a sentence for each number that has grown."""
    return [
        f"open {name}: {before[name]} became {after[name]}"
        for name in before
        if after[name] > before[name]
    ]


@pytest.fixture
def visitors(begin: Begin, home: UserFolder) -> Iterator[Visitors]:
    visitors = Visitors(begin, home)
    yield visitors
    assert len(kept_by(home)) == 1


def test_runs_that_come_and_go_leave_nothing(visitors: Visitors) -> None:
    visitors.come_and_go(QUICK)

    assert not visitors.count.findings, "\n".join(visitors.count.findings)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_five_hundred_runs_that_come_and_go_leave_nothing(visitors: Visitors) -> None:
    with ledger.row("reuse: attach and detach", visitors.count):
        visitors.come_and_go(MANY)

    assert not visitors.count.findings, "\n".join(visitors.count.findings)
    assert visitors.count.done == MANY


def test_a_visitor_that_forgets_to_leave_is_counted(
    visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Member, "end", lambda _self: None)
    visitors.come_and_go(2)

    assert any("mark of a run that is over" in each for each in visitors.count.leaked)
    assert any("open threads" in each or "open files" in each for each in visitors.count.leaked)
