"""Puts a database under watch back, and does not believe it before it has looked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from wflo_testkit.services.postgres.recycling.blueprint import Blueprint, Place, Sequence, Table
from wflo_testkit.services.postgres.recycling.reading import Reading
from wflo_testkit.services.postgres.recycling.restore import restore
from wflo_testkit.services.postgres.recycling.watching_connection import WatchingConnection


class Changed(Exception):
    """The database is not, or could not be made, what its template is; the text says why."""


@dataclass(slots=True)
class Watched:
    """A database under watch: its first state, as far as tests can change it.

    elsewhere: see restore.
    """

    link: WatchingConnection
    blueprint: Blueprint
    before: Reading
    elsewhere: dict[int, Place] = field(default_factory=dict)


def settle(watched: Watched, now: Reading, touched: list[str], *, most: float = inf) -> None:
    """Put back what has moved since the first state, and prove that; what is so is that state.

    touched: what else than rows has changed, and cannot be put back. most: see `restore`.
    Raises Changed, psycopg.Error.
    """
    if touched:
        raise Changed(f"{touched[0]} was changed")
    watched.before = _restored(watched, now, most)


def _restored(watched: Watched, now: Reading, most: float) -> Reading:
    """Put back what has moved, prove it, and return the reading of the restored database."""
    moved = now.moved(watched.before)
    known = watched.blueprint.find(moved)
    if beyond := moved - known.keys():
        raise Changed(_beyond(watched.link, beyond))
    if not moved:
        return now
    added = now.added(watched.before)
    writes, large, found = restore(
        watched.link, watched.blueprint, moved, watched.elsewhere, added, most=most
    )
    if large:
        raise Changed("a table has outgrown its template")
    _check_contents(known, found)
    after = Reading.take(watched.link)
    _check_nobody_else(now, writes, after, moved & watched.blueprint.sequences.keys())
    return after


def _check_contents(known: Mapping[int, Table | Sequence], found: Mapping[int, str]) -> None:
    """Raise Changed unless every relation that was put back is what it is in the template."""
    for oid, each in known.items():
        if found[oid] != each.content:
            raise Changed(f"{each.name} could not be restored")


def _check_nobody_else(
    before: Reading, writes: Counter[int], after: Reading, sequences: set[int]
) -> None:
    """Raise Changed unless all that was written meanwhile was written by the kit."""
    if touched := after.touched(before):
        raise Changed(f"{touched[0]} was changed while the kit restored it")
    expected = Counter(before.counts)
    expected.update(writes)
    for oid in after.moved(Reading({}, dict(expected), {})) - sequences:
        raise Changed(f"relation {abs(oid)} was changed while the kit restored it")


def _beyond(link: WatchingConnection, relations: set[int]) -> str:
    each = ", ".join(f"{abs(oid)}::regclass::text" for oid in relations)
    [[(names,)]] = link.ask(f"SELECT concat_ws(', ', {each})")
    return f"{names} was changed"
