"""What tests ask the broker for, until they have given it back; and what the next test will."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from wflo_testkit.errors import TestkitError

if TYPE_CHECKING:
    import pytest

    from wflo_testkit.broker.api import Ask, BrokerApi


class Asked:
    """One lease, from before it is asked for until it has been given back.

    An exception may come from a signal, as pytest-timeout's does, between any two steps: while
    the broker answers, before the lease is in anybody's hands, or while it goes back.

    broker: returns the broker as this process sees it.
    number: by which the broker knows it. ahead: what was asked for before the test began.
    """

    _numbers = itertools.count(1)

    def __init__(self, broker: Callable[[], BrokerApi]) -> None:
        self.number = next(self._numbers)
        self.ahead: Ask | None = None
        self.is_over = False
        self._broker = broker

    def settled(self, ask: Ask) -> Ask:
        """Return `ask`, which has this number; with a new one if another was asked for ahead."""
        if self.ahead in (None, ask):
            return ask
        self.withdraw()
        self.number = next(self._numbers)
        return replace(ask, number=self.number)

    def withdraw(self) -> None:
        """Have the broker take back whatever came of it, unless that has been given back."""
        if not self.is_over:
            with suppress(TestkitError):  # the fixture has met, and reported, the same
                self._broker().withdraw(self.number)


class AskedAhead:
    """What the next test is going to lease, asked for while this one gives its own back.

    A guess: that a fixture leases a third time what it has leased twice in a row. The test that
    asks for something else gets that.
    """

    def __init__(self, broker: Callable[[], BrokerApi]) -> None:
        self._broker = broker
        self._next: pytest.Item | None = None
        self._asked: dict[str, Asked] = {}
        self._last: dict[str, tuple[object, ...]] = {}

    def turn_to(self, item: pytest.Item | None) -> None:
        """Tear down a test: what it has not taken nobody will. item: the one that comes next."""
        self._next = item
        self.withdraw()

    def withdraw(self) -> None:
        """Have the broker take back what no test has taken."""
        while self._asked:
            self._asked.popitem()[1].withdraw()

    def take(self, fixture: str) -> Asked:
        """Return what was asked ahead for a fixture, or what nothing has been asked for yet."""
        return self._asked.pop(fixture, None) or Asked(self._broker)

    def begin(self, fixture: str, ask: Ask) -> Ask | None:
        """Return what to ask for as a test gives back what it leased by `ask`; None for nothing."""
        what = (ask.key, ask.kind, ask.mode, ask.params)
        last, self._last[fixture] = self._last.get(fixture), what
        coming = self._next
        if not coming or last != what or fixture not in getattr(coming, "fixturenames", ()):
            return None
        asked = self._asked[fixture] = Asked(self._broker)
        asked.ahead = replace(ask, test=coming.nodeid, number=asked.number)
        return asked.ahead
