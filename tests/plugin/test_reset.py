"""`reset()` as suites use it: for each example of Hypothesis, from another process, too late."""

from __future__ import annotations

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.usefixtures("kept_servers")

MODELS = """
import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)

@pytest.fixture(scope="session")
def postgres_schema():
    return Base.metadata
"""

HYPOTHESIS = (
    MODELS
    + """
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import func, select, text

quiet = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None,
    database=None,
)

@quiet
@given(st.integers(1, 9))
def test_insert(postgres_database, postgres_session, i):
    postgres_database.reset()
    postgres_session.add(Order(id=i))
    postgres_session.commit()
    assert postgres_session.scalar(select(func.count(Order.id))) == 1

@quiet
@given(st.integers(1, 9))
def test_by_hand_truncate(postgres_session, i):
    postgres_session.execute(text("truncate orders"))
    postgres_session.expunge_all()
    postgres_session.add(Order(id=i))
    postgres_session.commit()
    assert postgres_session.scalar(select(func.count(Order.id))) == 1

@quiet
@given(st.integers(1, 9))
def test_savepoint(postgres_database, postgres_session, i):
    postgres_database.reset()
    with postgres_session.begin_nested() as nested:
        postgres_session.add(Order(id=i))
        postgres_session.flush()
        assert postgres_session.scalar(select(func.count(Order.id))) == 1
        nested.rollback()

@quiet
@given(st.integers(1, 9))
@pytest.mark.wflo(postgres="rollback")
def test_rollback(postgres_database, postgres_session, i):
    postgres_database.reset()
    postgres_session.add(Order(id=i))
    postgres_session.commit()
    assert postgres_session.scalar(select(func.count(Order.id))) == 1

@quiet
@given(st.integers(1, 9))
def test_redis(redis_database, redis_client, i):
    redis_database.reset()
    assert redis_client.incr("n") == 1

def test_stateful(request):
    class M(RuleBasedStateMachine):
        @initialize()
        def anew(self):
            request.getfixturevalue("redis_database").reset()
            self.count = 0

        @rule()
        def count_up(self):
            self.count += 1
            assert request.getfixturevalue("redis_client").incr("n") == self.count

    few = settings(max_examples=3, stateful_step_count=3, deadline=None, database=None)
    run_state_machine_as_test(M, settings=few)
"""
)

ELSEWHERE = (
    MODELS
    + """
import subprocess, sys, pickle
import psycopg
from wflo_testkit.errors import IsolationFailed

PROGRAM = '''
import pickle, sys, psycopg
postgres, redis = pickle.load(sys.stdin.buffer)
with psycopg.connect(postgres.url) as connection:
    connection.execute("INSERT INTO orders VALUES (1)")
postgres.reset()
redis.reset()
'''

def elsewhere(*handles):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM], input=pickle.dumps(handles),
        capture_output=True,
    )

def test_another_process(postgres_database, redis_database, redis_client):
    redis_client.set("k", "v")
    done = elsewhere(postgres_database, redis_database)
    assert done.returncode == 0, done.stderr.decode()
    assert redis_client.get("k") is None
    with psycopg.connect(postgres_database.url) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)

@pytest.mark.wflo(postgres="create")
def test_another_process_without_the_schema(postgres_database, redis_database):
    done = elsewhere(postgres_database, redis_database)
    assert b"the test's process applies the schema" in done.stderr

kept = []

def test_keeps_its_handles(postgres_database, redis_database):
    kept.extend((postgres_database, redis_database))

def test_too_late():
    for handle in kept:
        with pytest.raises(IsolationFailed, match="after it had been given back"):
            handle.reset()
"""
)

FAILING = (
    MODELS
    + """
import psycopg
names = []

def test_fails(postgres_database):
    names.append(postgres_database.name)
    postgres_database.reset()
    with psycopg.connect(postgres_database.url) as connection:
        connection.execute("INSERT INTO orders VALUES (7)")
    assert 0

def test_what_is_kept_is_what_it_was_at_the_end(postgres_server):
    with psycopg.connect(postgres_server.url.rpartition("/")[0] + f"/{names[0]}") as connection:
        assert connection.execute("SELECT id FROM orders").fetchall() == [(7,)]
"""
)

SEEDED = (
    MODELS
    + """
import psycopg
from wflo_testkit import scoped

ROWS = 10_000
LEAVES = [
    "INSERT INTO orders VALUES (20001), (20002)",
    "INSERT INTO orders VALUES (20001); DELETE FROM orders WHERE id = 1",
    "UPDATE orders SET id = id + 20000",
    "TRUNCATE orders",
    "CREATE TABLE more (id int)",
]

def seed(url):
    with psycopg.connect(url) as connection:
        connection.execute(f"INSERT INTO orders SELECT generate_series(1, {ROWS})")

shop = scoped("postgres_database", scope="module", schema=[Base.metadata, seed])

@pytest.fixture(autouse=True)
def clean_shop(shop):
    shop.reset()

@pytest.mark.parametrize("number", range(50))
def test(shop, number):
    with psycopg.connect(shop.url) as connection:
        found = connection.execute("SELECT id FROM orders ORDER BY id").fetchall()
        assert found == [(n + 1,) for n in range(ROWS)]
        assert connection.execute("SELECT to_regclass('more')").fetchone() == (None,)
        connection.execute(LEAVES[number % len(LEAVES)])
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_each_of_fifty_tests_sees_the_seed_and_nothing_else(run_suite: Run, workers: str) -> None:
    run_suite(SEEDED, "-n", workers).assert_outcomes(passed=50)


@pytest.mark.slow
def test_without_a_reset_the_second_meets_what_the_first_has_left(run_suite: Run) -> None:
    done = run_suite(SEEDED.replace("shop.reset()", "pass"), "--maxfail=1")

    done.assert_outcomes(passed=1, failed=1)


@pytest.mark.slow
def test_hypothesis_with_a_reset_for_each_example(run_suite: Run) -> None:
    run_suite(HYPOTHESIS).assert_outcomes(passed=6)


WORKERS = (
    MODELS
    + """
import pytest
from sqlalchemy import func, select, text

@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("more", ["insert into orders values (7)", "create table more (id int)"])
def test_each_process_sees_its_own(
    postgres_database, postgres_session, redis_database, redis_client, kafka_topics,
    kafka_producer, number, more
):
    topic = kafka_topics.create("orders")
    for _ in range(3):
        assert postgres_session.scalar(select(func.count(Order.id))) == 0
        postgres_session.add(Order(id=1))
        postgres_session.execute(text(more))
        postgres_session.commit()
        assert redis_client.incr("n") == 1
        assert kafka_producer.send(topic, b"x").get(timeout=10).offset == 0
        for each in (postgres_database, redis_database, kafka_topics):
            each.reset()
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["-p no:randomly", "-p randomly"])
def test_two_processes_that_reset_at_once_see_nothing_of_each_other(
    run_suite: Run, order: str
) -> None:
    run_suite(WORKERS, "-n", "2", *order.split()).assert_outcomes(passed=12)


@pytest.mark.slow
def test_without_it_the_second_example_meets_the_first_ones_rows(run_suite: Run) -> None:
    without = HYPOTHESIS.replace("postgres_database.reset()", "pass")
    done = run_suite(without.replace("redis_database.reset()", "pass"))

    done.assert_outcomes(passed=3, failed=3)


@pytest.mark.slow
def test_a_pickled_handle_resets_from_another_process_and_none_after_its_test(
    run_suite: Run,
) -> None:
    run_suite(ELSEWHERE).assert_outcomes(passed=4)


@pytest.mark.slow
def test_a_failed_tests_database_is_kept_as_it_was_at_its_end(run_suite: Run) -> None:
    run_suite(FAILING, "-v").assert_outcomes(passed=1, failed=1)
