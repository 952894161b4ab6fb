"""Leases that outlast a test: whichever test fails while it uses one tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from wflo_testkit.plugin.outcome import Outcome


class WideLeases:
    """Those that this process holds now, by their handles; a test uses a handle by a fixture."""

    def __init__(self) -> None:
        self._held: dict[int, Outcome] = {}

    def add(self, handle: Any, noted: Outcome) -> None:
        """Note a lease until `remove`. noted: what a failed test's report tells of it."""
        self._held[id(handle)] = noted

    def remove(self, handle: Any) -> None:
        self._held.pop(id(handle), None)

    def used_by(self, item: pytest.Item) -> Iterator[Outcome]:
        """Yield what is noted of each that `item` uses."""
        for value in getattr(item, "funcargs", {}).values():
            if (noted := self._held.get(id(value))) is not None:
                yield noted

    def marks(self) -> set[str]:
        """Return what tells the leases that are of this process alone in a text."""
        held = (each.lease for noted in self._held.values() for each in noted.leases.values())
        return {mark for lease in held if not lease.is_of_run for mark in lease.marks}
