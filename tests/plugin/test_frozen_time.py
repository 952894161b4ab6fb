"""Every fixture works, and ends, while a test has stopped the clock."""

from __future__ import annotations

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.usefixtures("kept_servers")
AUTO = ("-o", "asyncio_mode=auto", "-W", "default", "--timeout", "60")

FREEZING = """
import time
import pytest
from freezegun import freeze_time
import time_machine

freezes = {
    "freezegun": lambda: freeze_time("2024-01-01"),
    "time-machine": lambda: time_machine.travel("2024-01-01", tick=False),
}[HOW]

@pytest.fixture
def frozen():
    with freezes():
        yield

def stands_still():
    return time.time() == 1704067200.0
"""
# The four places from which a test may freeze: fixtures end before or after the clock goes on.
SYNC = """
def test_with({names}):
    with freezes():
        use({names})

@freezes()
def test_decorated({names}):
    use({names})

def test_around(frozen, {names}):
    use({names})

def test_inside({names}, frozen):
    use({names})
"""
ASYNC = SYNC.replace("def test", "async def test").replace("    use(", "    await use(")

USES = {
    "postgres and redis": (
        SYNC,
        "postgres_engine, postgres_session, redis_client",
        """
        from sqlalchemy import text

        def use(engine, session, redis):
            assert stands_still()
            with engine.begin() as connection:
                connection.execute(text("create table orders (id int)"))
            session.execute(text("insert into orders values (1)"))
            session.commit()
            redis.set("tea", "hot", ex=60)
            assert redis.get("tea") == b"hot"
            assert redis.blpop("nothing", timeout=0.05) is None
        """,
    ),
    "postgres and redis, async": (
        ASYNC,
        "postgres_async_engine, postgres_async_session, redis_async_client",
        """
        from sqlalchemy import text

        async def use(engine, session, redis):
            assert stands_still()
            async with engine.begin() as connection:
                await connection.execute(text("create table orders (id int)"))
            await session.execute(text("insert into orders values (1)"))
            await session.commit()
            await redis.set("tea", "hot", ex=60)
            assert await redis.get("tea") == b"hot"
        """,
    ),
    "kafka": (
        SYNC,
        "kafka_topics, kafka_producer, kafka_consumer, kafka_admin",
        """
        def use(topics, producer, consumer, admin):
            assert stands_still()
            topic, wide = topics.create("orders"), topics.create("wide", partitions=3)
            producer.send(wide, b"tea").get(timeout=10)
            producer.send(topic, b"tea").get(timeout=10)
            assert topics.read(topic)[0].value == b"tea"
            readers = consumer(topic, group="readers")
            assert next(readers).value == b"tea"
            readers.commit()
            assert topic in admin.list_topics()
            with pytest.raises(Exception, match="1 of 2 records"):
                topics.read(topic, count=2, timeout=1)
        """,
    ),
    "temporal": (
        ASYNC,
        "temporal_namespace, temporal_client, temporal_worker",
        """
        from temporalio import workflow

        @workflow.defn(sandboxed=False)
        class Tea:
            @workflow.run
            async def run(self) -> str:
                await workflow.sleep(0.01)
                return "hot"

        async def use(namespace, client, worker):
            assert stands_still()
            queue = namespace.task_queue()
            async with worker(workflows=[Tea]):
                assert await client.execute_workflow(Tea.run, id="tea", task_queue=queue) == "hot"
            await client.start_workflow("Nobodys", id="left", task_queue=queue)
        """,
    ),
}
QUICK = {("postgres and redis", "freezegun")}
LEFT = {"temporal": 4}
"""Warnings of what is left open: the kit ends a workflow in each test."""


def suite(case: str, how: str) -> str:
    """Return the source of four tests that use the fixtures of `case`, frozen by `how`."""
    from textwrap import dedent

    places, names, use = USES[case]
    return "\n".join([f"HOW = {how!r}", FREEZING, dedent(use), places.format(names=names)])


@pytest.mark.parametrize(
    ("case", "how"),
    [
        pytest.param(case, how, marks=() if (case, how) in QUICK else pytest.mark.slow)
        for case in USES
        for how in ("freezegun", "time-machine")
    ],
)
def test_every_fixture_works(case: str, how: str, run_suite: Run) -> None:
    result = run_suite(suite(case, how), *AUTO)

    result.assert_outcomes(passed=4, warnings=LEFT.get(case, 0))


WHOLE = "from freezegun import freeze_time\nfreeze_time('2024-01-01').start()\n"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["postgres and redis", "kafka"])
def test_a_whole_run_may_be_frozen_by_a_conftest(case: str, run_suite: Run) -> None:
    run_suite(suite(case, "freezegun"), *AUTO, conftest=WHOLE).assert_outcomes(passed=4)


@pytest.mark.slow
def test_a_server_is_started_while_the_clock_stands_still(run_suite: Run) -> None:
    source = """
    import pytest
    from freezegun import freeze_time

    @pytest.fixture(autouse=True)
    def frozen():
        with freeze_time("2024-01-01"):
            yield

    @pytest.mark.wflo(redis="own_server", kafka="own_server")
    def test_own(redis_client, kafka_topics):
        assert redis_client.ping()
        assert kafka_topics.create("orders", partitions=2)
    """
    run_suite(source, *AUTO).assert_outcomes(passed=1)


KAFKA_STOPS = """
import time
from wflo_testkit.services.kafka.importing import RunningTime
RunningTime.monotonic = property(lambda self: time.monotonic)
"""
LOOPS_STOP = """
import asyncio
from wflo_testkit import aio
aio._loop_class = lambda: asyncio.SelectorEventLoop
"""


A_LOOP = """
import asyncio
from freezegun import freeze_time
from wflo_testkit.aio import run_apart

@freeze_time("2024-01-01")
def test_a_wait_on_a_loop_of_the_kit():
    run_apart(lambda: asyncio.sleep(0.01), timeout=10)
"""


def test_a_wait_on_a_loop_of_the_kit_ends(run_suite: Run) -> None:
    run_suite(A_LOOP).assert_outcomes(passed=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "mutant"),
    [(suite("kafka", "freezegun"), KAFKA_STOPS), (A_LOOP, LOOPS_STOP)],
    ids=["kafka", "loops"],
)
def test_without_a_clock_of_its_own_it_is_noticed(source: str, mutant: str, run_suite: Run) -> None:
    source = source.replace("timeout=10", "timeout=2")

    result = run_suite(source, *AUTO, "-x", conftest=mutant)

    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 1
