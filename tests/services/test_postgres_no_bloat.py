"""Ten thousand recycles leave a server as quick and as small as a thousand."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.services.postgres_server import Asker, query, started
from tests.services.test_postgres_recycling import schema, settled
from wflo_testkit.services.postgres.isolation import PostgresIsolation
from wflo_testkit.services.postgres.recycling import restore

RECYCLES, PART = 10_000, 1_000
TABLES = 2
SLOWER = 1.5
"""How much slower a part may be than the second one: this machine's own speed varies by a third."""
_SIZE = """SELECT sum(pg_database_size(oid)) / count(*), pg_total_relation_size('pg_authid')
    + pg_total_relation_size('pg_auth_members') + pg_total_relation_size('pg_shdepend')
    FROM pg_database WHERE datname LIKE 'wflo%'"""


@pytest.fixture
def asker() -> Iterator[Asker]:
    with started() as server:
        isolation = PostgresIsolation(server, uuid.uuid4().hex[:8])
        yield Asker(isolation, server, schema)
        isolation.close()


def hand_out(asker: Asker) -> float:
    """Be a test that writes; return the seconds that its database took, out and back."""
    began = time.perf_counter()
    with asker.database() as handle:
        out = time.perf_counter()
        with psycopg.connect(handle.url) as connection:
            connection.execute("INSERT INTO orders (what) VALUES ('x'); DELETE FROM customers")
        back = time.perf_counter()
    return time.perf_counter() - back + out - began


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_hand_out_stays_flat_over_ten_thousand_recycles(asker: Asker) -> None:
    parts, sizes = [], []
    for _part in range(RECYCLES // PART):
        parts.append(statistics.median(hand_out(asker) for _each in range(PART)))
        figures = settled(asker)
        sizes.append(tuple(map(int, query(asker.server, _SIZE)[0])))
    print("medians of each thousand, ms:", *(f"{1000 * part:.2f}" for part in parts))
    print("replaced because:", dict(asker.isolation._pool.reasons))
    print("bytes of a database, of the catalogs of roles:", *sizes)

    assert figures["recycled"] >= 0.99 * RECYCLES
    assert max(parts[1:]) <= SLOWER * parts[1]
    (database, roles), (largest, most) = sizes[0], map(max, zip(*sizes, strict=True))
    assert largest <= database + TABLES * restore.GROWTH  # the dead rows that it may keep
    assert most <= roles + 128 * 1024  # what is not vacuumed yet
