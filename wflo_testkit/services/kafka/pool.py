"""Stems made ahead, each with a few topics: one request makes many in the time that one takes."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from wflo_testkit.errors import TestkitError
from wflo_testkit.services.kafka.demand import MOST, NAMELESS, Demand
from wflo_testkit.services.kafka.names import pooled

SIZE = 16
"""Stems that lie ready; twice as many once tests have taken them faster than more were made."""
LARGEST = 16
"""Topics that one request makes for a lease that has none left."""

Made = tuple["Stem", str, str]
"""Under which stem, for which base, the name of the topic."""


@dataclass(slots=True, eq=False)
class Stem:
    """What the names of one lease begin with, and topics under it that nobody has seen yet.

    asked: the bases of the topics that the lease asked the pool for.
    """

    text: str
    asked: list[str] = field(default_factory=list)
    _ready: defaultdict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    _number: int = 0

    @property
    def count(self) -> int:
        """How many topics lie ready."""
        return sum(map(len, self._ready.values()))

    @property
    def ready(self) -> list[str]:
        """The topics that lie ready."""
        return [topic for shelf in self._ready.values() for topic in shelf]

    def pick(self, base: str) -> str | None:
        """Take out a topic that carries `base`, or a nameless one."""
        shelf = self._ready[base] or self._ready[NAMELESS]
        return shelf.popleft() if shelf else None

    def put(self, base: str, topic: str) -> None:
        """Add a topic, which is there and can be used."""
        self._ready[base].append(topic)

    def names(self, bases: list[str]) -> list[Made]:
        """Return new names of topics under this stem, for `bases`."""
        first, self._number = self._number + 1, self._number + len(bases)
        numbered = enumerate(bases, first)
        return [(self, base, pooled(self.text, number, base)) for number, base in numbered]


class Pool:
    """Stems that nobody has; their topics have one partition and no settings of their own.

    How many topics, and whether they carry a name, follows from what the last leases asked for.
    """

    def __init__(self, make: Callable[[list[str]], None], name: Callable[[int], str]) -> None:
        self._make = make
        self._name = name
        self._changed = threading.Condition()
        self._stems: deque[Stem] = deque()
        self._taken: dict[str, Stem] = {}
        self._size = SIZE
        self._demand = Demand()
        self._expected = self._demand.expected()
        self._has_grown = False
        self._number = 0
        self._filling = False
        self._closed = False

    def take(self) -> Stem:
        """Return a stem at once, with topics or, if none lies ready, without; makes more behind."""
        with self._changed:
            if not self._stems:
                self._size = 2 * SIZE
            stem = self._stems.popleft() if self._stems else self._new()
            self._taken[stem.text] = stem
            self._demand.watch(stem.asked)
            self._fill_behind()
            return stem

    def forget(self, text: str) -> None:
        """End the use of a stem that `take` returned; no name comes back."""
        with self._changed:
            self._taken.pop(text, None)

    def unseen(self, text: str) -> list[str]:
        """Return the topics of a stem that `take` returned and nobody has asked for yet.

        Waits for what is being made: some of it may be for this stem, which was taken meanwhile.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._filling, timeout=20)
            return self._taken[text].ready

    def topic(self, text: str, base: str) -> str:
        """Return a topic of a stem that `take` returned; it carries `base` or no name at all.

        When none is left, makes some more in one request. Raises what `make` raises.
        """
        with self._changed:
            stem = self._taken[text]
            stem.asked.append(base)
            topic = stem.pick(base)
            if len(self._expected) < min(len(stem.asked), MOST):
                self._expected, self._has_grown = self._demand.expected(), True
            self._fill_behind()
            if topic is not None:
                return topic
            made = stem.names([base, *self._further(stem, base)])
        self._make([topic for _stem, _base, topic in made])
        with self._changed:
            _put(made[1:])
        return made[0][2]

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

    def _new(self) -> Stem:
        self._number += 1
        return Stem(self._name(self._number))

    def _further(self, stem: Stem, base: str) -> list[str]:
        """Return the bases of what is made along with a topic for `base`.

        For a lease whose stem had nothing, what it is expected to ask for; else as many topics as
        it has had, so that many take few requests.
        """
        if len(stem.asked) > 1:
            return [NAMELESS] * (min(len(stem.asked), LARGEST) - 1)
        expected = list(self._expected)
        expected.remove(base if base in expected else expected[0])
        return expected

    def _fill_behind(self) -> None:
        is_low = len(self._stems) * 2 <= self._size or self._has_grown
        if is_low and not self._filling and not self._closed:
            self._filling = True
            threading.Thread(target=self._fill, name="wflo-topics", daemon=True).start()

    def _fill(self) -> None:
        try:
            with self._changed:
                new, lacking = self._missing()
            # A failure is not told from here: whoever needs a topic makes one and meets it.
            with contextlib.suppress(TestkitError):
                if lacking:
                    self._make([topic for _stem, _base, topic in lacking])
                with self._changed:
                    _put(lacking)
                    self._stems.extend(new)
        finally:
            with self._changed:
                self._filling = False
                self._changed.notify_all()

    def _missing(self) -> tuple[list[Stem], list[Made]]:
        """Return new stems, and the topics that they and those at hand lack."""
        self._expected, self._has_grown = self._demand.expected(), False
        new = [self._new() for _ in range(self._size - len(self._stems))]
        every = (*self._stems, *new)
        return new, [made for each in every for made in each.names(self._expected[each.count :])]


def _put(made: list[Made]) -> None:
    for stem, base, topic in made:
        stem.put(base, topic)
