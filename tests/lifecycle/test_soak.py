"""Endurance: hand-outs of every kind stay private, however many there are."""

from __future__ import annotations

import pytest

from tests.conftest import Run

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

LEASES = 1000


def test_a_thousand_hand_outs_of_each_kind_stay_private(run_suite: Run) -> None:
    result = run_suite(
        f"""
        import psycopg, pytest

        @pytest.mark.parametrize("n", range({LEASES}))
        def test_private(postgres_database, redis_client, kafka_topics, temporal_namespace, n):
            with psycopg.connect(postgres_database.url) as connection:
                connection.execute("create table trace (id int)")
            assert redis_client.set("trace", n, nx=True)
            new = {{kafka_topics.create("t"), temporal_namespace.namespace}}
            assert SEEN.isdisjoint(new)
            SEEN.update(new)

        SEEN = set()
        """,
        "-n",
        "2",
    )
    result.assert_outcomes(passed=LEASES)
