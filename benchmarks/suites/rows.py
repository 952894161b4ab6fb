"""100 tests; each commits a row into some tables and reads them back."""

import os

import pytest

from benchmarks.suites.models import rows_of

TABLES = int(os.environ["BENCH_TABLES"])


@pytest.mark.parametrize("number", range(100))
def test_rows(connection, number):  # type: ignore[no-untyped-def]
    for statement in rows_of(number, tables=TABLES):
        connection.execute(statement)
    connection.commit()
    for table in range(TABLES):
        query = f"SELECT name FROM t{table} WHERE id = {number}"
        assert connection.execute(query).fetchall() == [(f"row {number}",)]
