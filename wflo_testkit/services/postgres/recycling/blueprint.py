"""What a template holds: enough to put its rows back, and to tell whether they are back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from wflo_testkit.services.postgres.recycling.link import Link
from wflo_testkit.services.postgres.recycling.reading import FIRST_OWN

LARGEST = 8 * 2**20
"""Bytes of a table beyond which its rows are not kept in memory, all others included."""

# Triggers and rules that fire for a replica, too, would act on what is put back.
_RELATIONS = f"""SELECT c.oid::int8, c.relkind::text, format('%I.%I', n.nspname, c.relname),
        pg_relation_size(c.oid), pg_total_relation_size(c.oid),
        c.relkind = 'r'
        AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgenabled IN ('A', 'R'))
        AND NOT EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid AND ev_enabled IN ('A', 'R'))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'S') AND c.relpersistence <> 't' AND c.oid >= {FIRST_OWN}"""  # noqa: S608
_CONTENT = "coalesce(md5(string_agg((wflo_row.*)::text, chr(10) ORDER BY ctid)), '')"
_PLANNER = f"""SELECT oid::int8, relpages, reltuples, relallvisible FROM pg_class
    WHERE relkind IN ('r', 'i', 't') AND oid >= {FIRST_OWN}"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the template. rows: what to put back; content: how it is known.

    size: bytes, with indexes and all.
    """

    name: str
    size: int
    rows: bytes
    content: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence of the template; its next value follows from these two."""

    name: str
    last_value: int
    is_called: bool


@dataclass(frozen=True, slots=True)
class Blueprint:
    """The template's tables and sequences by object id, which a clone has in common with it.

    planner: relation -> (pages, rows, pages all visible), as the planner was told.
    """

    tables: Mapping[int, Table]
    sequences: Mapping[int, Sequence]
    planner: Mapping[int, tuple[int, float, int]]

    @classmethod
    def of(cls, link: Link) -> Blueprint:
        """Draw it from a clone that nobody has used yet. Raises psycopg.Error."""
        relations, planner = link.ask(_RELATIONS, _PLANNER)
        sequences = {oid: name for oid, kind, name, *_ in relations if kind == "S"}
        return cls(
            _tables(link, relations),
            _sequences(link, sequences),
            {oid: (pages, rows, visible) for oid, pages, rows, visible in planner},
        )


def state(
    link: Link, tables: Mapping[int, str], sequences: Mapping[int, str]
) -> tuple[dict[int, str], dict[int, tuple[int, bool]]]:
    """Return what tables and sequences (object id -> name) hold, in one round trip.

    For a table a text that stays the same with its rows and their order; for a sequence
    last_value and is_called.
    """
    looks = [
        f"SELECT {oid}, {_CONTENT}, 0, false FROM ONLY {name} wflo_row"  # noqa: S608 - quoted
        for oid, name in tables.items()
    ]
    looks += [
        f"SELECT {oid}, '', last_value, is_called FROM {name}"  # noqa: S608
        for oid, name in sequences.items()
    ]
    if not looks:
        return {}, {}
    # Looking at a sequence is counted, too: the next reading is to have it behind it.
    rows, _flush = link.ask(" UNION ALL ".join(looks), "SELECT pg_stat_force_next_flush()")
    return (
        {oid: content for oid, content, _last, _called in rows if oid in tables},
        {oid: (last, called) for oid, _content, last, called in rows if oid in sequences},
    )


def _tables(
    link: Link, relations: Collection[tuple[int, str, str, int, int, bool]]
) -> dict[int, Table]:
    """Return the tables that can be put back."""
    found: dict[int, Table] = {}
    room = LARGEST
    restorable = [(oid, name, own, size) for oid, _, name, own, size, can in relations if can]
    filled = {oid: name for oid, name, own, _size in restorable if 0 < own <= LARGEST}
    content, _ = state(link, filled, {})
    for oid, name, own, size in restorable:
        if not own:
            found[oid] = Table(name, size, b"", EMPTY)
        elif oid in filled and own <= room:
            room -= own
            found[oid] = Table(name, size, link.copy_out(name), content[oid])
    return found


def _sequences(link: Link, names: Mapping[int, str]) -> dict[int, Sequence]:
    _, found = state(link, {}, names)
    return {oid: Sequence(name, *found[oid]) for oid, name in names.items()}


EMPTY = ""
"""The content of a table without rows."""
