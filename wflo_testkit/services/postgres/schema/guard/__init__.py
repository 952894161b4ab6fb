"""While a schema is applied, no database but its own is touched.

What is guarded, and what is not, is told in docs/postgres.md ("Another database is never touched").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from wflo_testkit.services.postgres.schema.guard import active_guards, connect_functions
from wflo_testkit.services.postgres.schema.guard.places import Place, named, of_kit


class Elsewhere(Exception):
    """A connection to another database was refused, before it was opened.

    address: where it would have gone, without user and password. origin: where that address
    probably comes from, and where it was asked for. fix: what to write.
    """

    def __init__(self, address: str, *, allowed: str, origin: str, fix: str) -> None:
        self.address = address
        self.origin = origin
        self.fix = fix
        super().__init__(
            f"a connection to {address} was refused: while the schema of {allowed} is applied, no "
            f"other database is touched\n  {origin}\n  to fix: {fix}"
        )

    def told(self) -> dict[str, str]:
        """Return what it says as plain data."""
        return {"address": self.address, "origin": self.origin, "fix": self.fix}


class Guard:
    """Context manager: meanwhile a connection to any database but `url` raises Elsewhere.

    url: libpq URI of the database that is being filled.
    connects_to: what else may be connected to: "host:5432/db", or the path of an sqlite file,
        relative to `root`.
    root: the project's folder.
    whole_process: guard every thread, else the one that enters and those started meanwhile by a
        guarded one. What the process' other threads do is not looked at.
    Raises SettingError for an entry of `connects_to` that cannot be read.
    """

    def __init__(
        self, url: str, *, connects_to: Sequence[str] = (), root: Path, whole_process: bool = False
    ) -> None:
        self.refused: list[Elsewhere] = []
        """All refusals, those among them that the schema's own code has swallowed."""
        self.has_left = False
        """Whether another server was connected to, since the setting allows it."""
        self.root = root
        self.whole_process = whole_process
        self._seen: dict[Place, dict[str, str]] = {}
        self._own = of_kit(url)
        self._allowed = {self._own, *(named(entry, root) for entry in connects_to)}

    def check(self, places: Iterable[Place], asked: Any) -> None:
        """Raise Elsewhere unless all `places` are allowed; asked: the engine or pool, or None."""
        for place in places:
            if place not in self._allowed:
                self.refused.append(error := Elsewhere(str(place), **self._told(place, asked)))
                raise error
            # An sqlite file is read like others.
            self.has_left = self.has_left or (place != self._own and bool(place.host))

    def __enter__(self) -> Self:
        from wflo_testkit.services.postgres.schema.guard.drivers import ENTRANCES, hear_of_sqlite

        hear_of_sqlite()
        connect_functions.watch(ENTRANCES)
        active_guards.begin(self)
        return self

    def __exit__(self, *_raised: object) -> None:
        active_guards.end(self)
        connect_functions.restore()

    def _told(self, place: Place, asked: Any) -> dict[str, str]:
        """Return what there is to say of `place`; sought once, since code may try for ever."""
        if place not in self._seen:
            from wflo_testkit.services.postgres.schema.guard.origin import advice, origin

            told, variable = origin(place, self.root, asked)
            fix = advice(place, self.root, variable)
            self._seen[place] = {"allowed": str(self._own), "origin": told, "fix": fix}
        return self._seen[place]
