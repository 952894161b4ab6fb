"""Topics made ahead: one request makes many in the time that one topic takes."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, deque
from collections.abc import Callable

from wflo_testkit.errors import TestkitError

ANONYMOUS = ""
SIZE = 16
"""Topics without a base name that lie ready."""
SIZE_OF_A_BASE = 4
"""Topics of one base name that lie ready, once it was asked for twice."""
PATIENCE = 5.0
"""Seconds to wait for topics that are being made."""
MOST_BASES = 16
"""Base names that are remembered: some suites make a new one in every test."""


class Pool:
    """Topics that nobody has seen yet: one partition, no settings of their own.

    A base name that comes back (`create("orders")` in every test) gets topics that carry it; the
    first time, and in a burst, a nameless one is handed out.
    """

    def __init__(self, make: Callable[[list[str]], None], name: Callable[[int, str], str]) -> None:
        self._make = make
        self._name = name
        self._changed = threading.Condition()
        self._free: dict[str, deque[str]] = {ANONYMOUS: deque()}
        self._asked: Counter[str] = Counter()
        self._number = 0
        self._filling = False
        self._closed = False

    def take(self, base: str) -> str | None:
        """Return a topic for `base`; more are made behind, before the last one is gone.

        With none at hand, waits up to PATIENCE for those that are being made: a request for many
        takes hardly longer than one for one. None when that brought nothing.
        """
        with self._changed:
            self._note(base)
            topic = self._pick(base)
            if not self._filling and not self._closed and self._is_low():
                self._filling = True
                threading.Thread(target=self._fill, name="wflo-topics", daemon=True).start()
            if topic is None:
                self._changed.wait_for(lambda: self._holds(base) or not self._filling, PATIENCE)
                topic = self._pick(base)
            return topic

    def fill(self) -> None:
        """Make what is missing, in this thread; returns at once when that is under way."""
        with self._changed:
            if self._filling or self._closed:
                return
            self._filling = True
        self._fill()

    def close(self) -> None:
        """Make no more; wait for what is being made."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._filling, timeout=20)

    def _holds(self, base: str) -> bool:
        return bool(self._free.get(base) or self._free[ANONYMOUS])

    def _pick(self, base: str) -> str | None:
        shelf = self._free.get(base) or self._free[ANONYMOUS]
        return shelf.popleft() if shelf else None

    def _note(self, base: str) -> None:
        if base in self._asked or len(self._asked) < MOST_BASES:
            self._asked[base] += 1
            if self._asked[base] == 2:
                self._free.setdefault(base, deque())

    def _is_low(self) -> bool:
        return any(len(shelf) * 2 <= _target(base) for base, shelf in self._free.items())

    def _fill(self) -> None:
        made: dict[str, str] = {}
        try:
            with self._changed:
                made = self._missing()
            # A failure is not told from here: whoever needs a topic makes one and meets it.
            with contextlib.suppress(TestkitError):
                if made:
                    self._make(list(made))
                with self._changed:
                    for topic, base in made.items():
                        self._free[base].append(topic)
        finally:
            with self._changed:
                self._filling = False
                self._changed.notify_all()

    def _missing(self) -> dict[str, str]:
        """Return new names -> base, as many as the shelves lack."""
        names: dict[str, str] = {}
        for base, shelf in self._free.items():
            for _ in range(_target(base) - len(shelf)):
                self._number += 1
                names[self._name(self._number, base)] = base
        return names


def _target(base: str) -> int:
    return SIZE_OF_A_BASE if base else SIZE
