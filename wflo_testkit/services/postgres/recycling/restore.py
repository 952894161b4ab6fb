"""Puts back what a test has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from wflo_testkit.services.postgres.admin import Row
from wflo_testkit.services.postgres.recycling.blueprint import Blueprint, Sequence, Table
from wflo_testkit.services.postgres.recycling.link import Link

PG_CLASS = 1259
"""Object id of the catalog pg_class (PostgreSQL source, catalog/pg_class.h)."""

GROWTH = 512 * 1024
"""Bytes by which a table, with its indexes, may outgrow the template's: dead rows."""

# Functions in indexes and checks of the user's may name things without their schema.
_BEGIN = ("BEGIN", "SET LOCAL search_path TO DEFAULT")
# Counts are handed in about once a second, but the next reading is to have those of the kit, too.
_END = ("SELECT pg_stat_force_next_flush()", "COMMIT")


def restore(
    link: Link, blueprint: Blueprint, moved: Collection[int]
) -> tuple[Counter[int], list[int]]:
    """Give the relations in `moved` the template's rows and values.

    Returns what the server has counted for this, as `Reading.counts` has it, and which tables
    are too large all the same. Raises psycopg.Error; the database is then of no more use.
    """
    tables = {oid: blueprint.tables[oid] for oid in moved if oid in blueprint.tables}
    sequences = [blueprint.sequences[oid] for oid in moved if oid in blueprint.sequences]
    writes, large = _empty(link, blueprint, tables, sequences)
    # Rows go into an empty file, so that they lie in the template's order.
    writes += tidy(link, blueprint, large)
    if filled := {oid: table for oid, table in tables.items() if table.rows}:
        writes += _fill(link, filled)
    if filled or large:
        large = outgrown(link, blueprint, tables)
    return writes, large


def outgrown(link: Link, blueprint: Blueprint, tables: Collection[int]) -> list[int]:
    """Return those of `tables` that have become too large for what the template has in them."""
    if not tables:
        return []
    [rows] = link.ask(_sizes(tables))
    return _too_large(blueprint, rows)


def tidy(link: Link, blueprint: Blueprint, tables: Collection[int]) -> Counter[int]:
    """Take the dead rows out of `tables`; the planner learns nothing of it, as in the template.

    Returns what the server has counted for this, as `Reading.counts` has it.
    """
    if not tables:
        return Counter()
    for oid in tables:
        link.ask(f"VACUUM {blueprint.tables[oid].name}")
    known = ", ".join(
        f"({oid}::oid, {pages}, {rows}::real, {visible})"
        for oid, (pages, rows, visible) in blueprint.planner.items()
    )
    told = f"""UPDATE pg_class c
        SET relpages = k.pages, reltuples = k.rows, relallvisible = k.visible
        FROM (VALUES {known}) k(oid, pages, rows, visible) WHERE c.oid = k.oid AND
        (c.relpages, c.reltuples, c.relallvisible) IS DISTINCT FROM (k.pages, k.rows, k.visible)"""  # noqa: S608
    (updated, _), _flush = link.results(told, "SELECT pg_stat_force_next_flush()")
    return Counter({PG_CLASS: updated, **{-oid: 1 for oid in tables}})


def _empty(
    link: Link, blueprint: Blueprint, tables: Mapping[int, Table], sequences: Collection[Sequence]
) -> tuple[Counter[int], list[int]]:
    """Empty the tables and set the sequences, in one round trip with the look at their sizes."""
    deletes = [f"DELETE FROM ONLY {table.name}" for table in tables.values()]  # noqa: S608
    sets = [
        f"SELECT setval('{_literal(each.name)}', {each.last_value}, {each.is_called})"
        for each in sequences
    ]
    sizes = [_sizes(tables)] if tables else []
    done = link.results(*_BEGIN, *deletes, *sets, *_END, *sizes)
    counts = [count for count, _rows in done[len(_BEGIN) :]]
    large = _too_large(blueprint, done[-1][1]) if tables else []
    return Counter(dict(zip(tables, counts, strict=False))), large


def _sizes(tables: Collection[int]) -> str:
    return "VALUES " + ", ".join(f"({oid}, pg_total_relation_size({oid}))" for oid in tables)


def _too_large(blueprint: Blueprint, sizes: Collection[Row]) -> list[int]:
    return [oid for oid, size in sizes if size > blueprint.tables[oid].size + GROWTH]


def _fill(link: Link, tables: Mapping[int, Table]) -> Counter[int]:
    link.ask(*_BEGIN)
    writes = Counter({oid: link.copy_in(table.name, table.rows) for oid, table in tables.items()})
    link.ask(*_END)
    return writes


def _literal(name: str) -> str:
    return name.replace("'", "''")
