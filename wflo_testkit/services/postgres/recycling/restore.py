"""Puts back what a test has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from math import inf

from wflo_testkit.services.postgres.accounts import literal
from wflo_testkit.services.postgres.admin import Row
from wflo_testkit.services.postgres.recycling.blueprint import (
    FLUSH,
    Blueprint,
    Place,
    Sequence,
    Table,
    places,
    query,
    state,
)
from wflo_testkit.services.postgres.recycling.watching_connection import WatchingConnection

PG_CLASS = 1259
"""Object id of the catalog pg_class (PostgreSQL source, catalog/pg_class.h)."""

GROWTH = 512 * 1024
"""Bytes by which a table, with its indexes, may outgrow the template's: dead rows."""

# Functions in indexes and checks of the user's may name things without their schema.
_BEGIN = ("BEGIN", "SET LOCAL search_path TO DEFAULT")


def restore(
    link: WatchingConnection,
    blueprint: Blueprint,
    moved: Collection[int],
    elsewhere: dict[int, Place],
    added: Mapping[int, int],
    *,
    most: float = inf,
) -> tuple[Counter[int], list[int], dict[int, str]]:
    """Give the relations in `moved` the template's rows and values.

    elsewhere: where a table's rows of the template's are, if not where they are in the template;
        kept up to date. What lies behind them is the test's, and mostly all there is to delete.
    added: the tables to which rows were only added, and how many. Where as many were deleted, none
        of them lay elsewhere, and nobody has to look at what is left.
    most: bytes of rows to copy in, where some of the template's are gone, and of tables to tidy;
        what would be more is left to a new database, which is there as soon.
    Returns what the server has counted for this, as `Reading.counts` has it; which tables are too
    large all the same; and what the relations hold now (object id -> content). Raises
    psycopg.Error; the database is then of no more use.
    """
    known = blueprint.find(moved)
    tables = {oid: each for oid, each in known.items() if isinstance(each, Table)}
    sequences = {oid: each for oid, each in known.items() if isinstance(each, Sequence)}
    writes, large, found = _empty(link, blueprint, tables, sequences, elsewhere, added)
    unsure = [oid for oid in tables.keys() & added.keys() if writes[oid] != added[oid]]
    found |= state(link, {oid: _look(oid, tables[oid], elsewhere) for oid in unsure})
    again = {oid: t for oid, t in tables.items() if t.rows and found[oid] != t.content}
    work = sum(len(t.rows) for t in again.values()) + sum(tables[oid].size for oid in large)
    if work > most or not (again or large):
        return writes, large, found
    if again:  # rows of the template's were changed, or others lie before them
        elsewhere.update(dict.fromkeys(again, Place()))
        more, too_large, _found = _empty(link, blueprint, again, {}, elsewhere, {})
        writes += more
        large += too_large
    # Rows go into an empty file, so that they lie in the template's order.
    writes += tidy(link, blueprint, set(large))
    if again:
        writes += _fill(link, again)
        elsewhere.update(places(link, {oid: each.name for oid, each in again.items()}))
    large = outgrown(link, blueprint, tables)
    return writes, large, state(link, {oid: each.look for oid, each in known.items()})


def outgrown(link: WatchingConnection, blueprint: Blueprint, tables: Collection[int]) -> list[int]:
    """Return those of `tables` that have become too large for what the template has in them."""
    if not tables:
        return []
    sizes = (f"({oid}, pg_total_relation_size({oid}))" for oid in tables)
    [rows] = link.ask("VALUES " + ", ".join(sizes))
    return _too_large(blueprint, rows)


def tidy(link: WatchingConnection, blueprint: Blueprint, tables: Collection[int]) -> Counter[int]:
    """Take the dead rows out of `tables`; the planner learns nothing of it, as in the template.

    Returns what the server has counted for this, as `Reading.counts` has it.
    """
    if not tables:
        return Counter()
    for oid in tables:
        link.ask(f"VACUUM {blueprint.tables[oid].name}")
    (updated, _), _flush = link.results(_tell(blueprint), FLUSH)
    return Counter({PG_CLASS: updated, **{-oid: 1 for oid in tables}})


def _tell(blueprint: Blueprint) -> str:
    """Return a statement that tells the planner what the template says."""
    row = ", ".join(["{}::oid", *(f"{{}}::{kind}" for kind in blueprint.told.values())])
    known = ", ".join(f"({row.format(oid, *each)})" for oid, each in blueprint.planner.items())
    names = ", ".join(blueprint.told)
    now, then = (", ".join(f"{each}.{name}" for name in blueprint.told) for each in "ck")
    return f"""UPDATE pg_class c SET ({names}) = ROW({then})
        FROM (VALUES {known}) k(oid, {names})
        WHERE c.oid = k.oid AND ({now}) IS DISTINCT FROM ({then})"""  # noqa: S608 - constants, numbers


def _empty(
    link: WatchingConnection,
    blueprint: Blueprint,
    tables: Mapping[int, Table],
    sequences: Mapping[int, Sequence],
    elsewhere: Mapping[int, Place],
    added: Collection[int],
) -> tuple[Counter[int], list[int], dict[int, str]]:
    """Delete what lies behind the template's rows and set the sequences, then look, all at once.

    Where no place is known all rows are deleted. Returns the same as `restore`, but that those of
    `added` are taken for what they are to be.
    """
    known: dict[int, Table | Sequence] = {**tables, **sequences}
    if not known:
        return Counter(), [], {}
    deletes = [_delete(oid, table, elsewhere) for oid, table in tables.items()]
    sets = [
        f"SELECT setval({literal(each.name)}, {each.last_value}, {each.is_called})"
        for each in sequences.values()
    ]
    looks = {oid: each.look for oid, each in sequences.items()}
    looks |= {oid: _look(oid, table, elsewhere) for oid, table in tables.items()}
    looks |= {oid: literal(tables[oid].content) for oid in tables.keys() & set(added)}
    looks = {oid: f"{look}, pg_total_relation_size({oid})" for oid, look in looks.items()}
    done = link.results(*_BEGIN, *deletes, *sets, "COMMIT", query(looks), FLUSH)
    counts = [count for count, _rows in done[len(_BEGIN) :]]
    rows = done[-2][1]
    writes = Counter(dict(zip(tables, counts, strict=False)))
    large = _too_large(blueprint, [(oid, size) for oid, _content, size in rows if oid in tables])
    return writes, large, {oid: content for oid, content, _size in rows}


def _delete(oid: int, table: Table, elsewhere: Mapping[int, Place]) -> str:
    last = elsewhere.get(oid, table.place).last
    behind = f" WHERE ctid > '{last}'" if last else ""
    return f"DELETE FROM ONLY {table.name}{behind}"  # noqa: S608 - quoted


def _look(oid: int, table: Table, elsewhere: Mapping[int, Place]) -> str:
    return table.quick_look(elsewhere.get(oid, table.place))


def _too_large(blueprint: Blueprint, sizes: Collection[Row]) -> list[int]:
    return [oid for oid, size in sizes if size > blueprint.tables[oid].size + GROWTH]


def _fill(link: WatchingConnection, tables: Mapping[int, Table]) -> Counter[int]:
    link.ask(*_BEGIN)
    writes = Counter({oid: link.copy_in(table.name, table.rows) for oid, table in tables.items()})
    link.ask(FLUSH, "COMMIT")
    return writes
