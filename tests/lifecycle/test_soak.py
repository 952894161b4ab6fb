"""Endurance: runs killed at random moments leave nothing, and hand-outs stay private."""

from __future__ import annotations

import random
import signal

import pytest

from tests.conftest import Run
from tests.lifecycle.conftest import Launch
from wflo_testkit.wait import pause

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

KILLS = 25
SEED = 20261121
LEASES = 1000


@pytest.mark.parametrize("guard", ["Ryuk", "watchdog"])
def test_a_kill_at_any_moment_leaves_nothing(launch: Launch, guard: str) -> None:
    moments = random.Random(SEED)
    for _ in range(KILLS):
        run = launch("-n", "2", guard=guard, tests=2)
        # From the start of Python to tests that rest: creating, starting, leasing, running.
        pause(moments.uniform(0.2, 6.0))
        run.die(signal.SIGKILL, everybody=True)

        assert run.is_gone(), run.run
        run.end()


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
