"""How many plain topics tests ask for, and by which names: told from the last ones."""

from __future__ import annotations

from collections import Counter, deque

NAMELESS = ""
RECENT = 16
"""Leases that are remembered."""
MOST = 4
"""Topics that are made ahead for one lease, at most."""


class Demand:
    """What the last leases asked for; a guess at what the next one will."""

    def __init__(self) -> None:
        self._recent: deque[list[str]] = deque(maxlen=RECENT)

    def watch(self, asked: list[str]) -> None:
        """Look at one more lease: a list of base names, which grows as it asks for topics."""
        self._recent.append(asked)

    def expected(self) -> list[str]:
        """Return the base names for which a lease should find topics, nameless ones first.

        A base that comes back in at least half of the leases gets topics that carry it; whatever
        else the most demanding lease asked for, nameless ones. One at first.
        """
        if not self._recent:
            return [NAMELESS]
        named = self._named()
        others = max((Counter(asked) - named).total() for asked in self._recent)
        return ([NAMELESS] * others + sorted(named.elements()))[:MOST]

    def _named(self) -> Counter[str]:
        """Return the bases that come back, each as often as it does in one lease."""
        seen = Counter(
            (base, nth + 1)
            for asked in self._recent
            for base, times in Counter(asked).items()
            for nth in range(times)
        )
        known = Counter[str]()
        for (base, nth), leases in seen.items():
            if leases > 1 and leases * 2 >= len(self._recent):
                known[base] = max(known[base], nth)
        return known
