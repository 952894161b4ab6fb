"""A schema of many small tables, and statements on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import MetaData


def metadata(tables: int = 30) -> MetaData:
    """Return tables t0, t1, ...: a key, an indexed name, a reference to the table before."""
    from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

    made = MetaData()
    for number in range(tables):
        parent = f"t{number - 1}.id" if number else None
        Table(
            f"t{number}",
            made,
            Column("id", Integer, primary_key=True),
            Column("name", String(50), nullable=False, index=True),
            *([Column("parent", Integer, ForeignKey(parent))] if parent else []),
        )
    return made


def rows_of(number: int, *, tables: int) -> Iterator[bytes]:
    """Yield the statements that put row `number` into the first `tables` tables."""
    for table in range(tables):
        yield f"INSERT INTO t{table} (id, name) VALUES ({number}, 'row {number}')".encode()


def seed(rows: int, *, tables: int = 10) -> str:
    """Return SQL that spreads `rows` rows over the first tables, out of the way of `rows_of`."""
    each = rows // tables
    return "".join(
        f"INSERT INTO t{table} (id, name) "
        f"SELECT 100000 + n, 'seed ' || n FROM generate_series(1, {each}) AS n;\n"
        for table in range(tables)
    )
