"""What is known of one test, or of a wider lease, while it runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit.wait import clock

if TYPE_CHECKING:
    from wflo_testkit.model import Server
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


def of(item: pytest.Item, began: float | None = None) -> Outcome:
    """Return what is noted of `item`; begins with the first test to use the kit, while it runs.

    began: when it did, where only its report tells.
    """
    if _OUTCOME not in item.stash:
        item.stash[_OUTCOME] = Outcome() if began is None else Outcome(began)
    return item.stash[_OUTCOME]


def begin(item: pytest.Item) -> None:
    """Note nothing of `item` yet: a rerun of the same item begins again."""
    item.stash[_OUTCOME] = Outcome()
