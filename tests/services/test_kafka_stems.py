"""What the names of a test begin with: a pattern on it hears this test's topics, and no other's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer

from tests.conftest import Run
from tests.services.asker import Asker
from tests.services.test_kafka_topics import (
    admin,
    collects_them_here,  # noqa: F401 - a fixture
    send,
    under,
)
from wflo_testkit.errors import IsolationFailed
from wflo_testkit.services.kafka import KafkaTopics, demand, pool
from wflo_testkit.wait import wait_until

# kafka-python 3.0.12 leaves the socket of a connection under way open when a consumer is closed.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

BY_PATTERN = """
import re
import pytest

@pytest.mark.parametrize("n", range(3))
def test_a_pattern_on_the_stem_finds_the_topic(kafka_topics, kafka_producer, kafka_consumer, n):
    topic = kafka_topics.create("orders")
    kafka_producer.send(topic, b"%d" % n).get(timeout=10)
    consumer = kafka_consumer()
    consumer.subscribe(pattern=f"^{re.escape(kafka_topics.stem)}.*")
    heard = next(consumer)
    assert (heard.topic, heard.value) == (topic, b"%d" % n)
"""


@pytest.fixture
def subscribed() -> Iterator[Callable[[KafkaTopics], KafkaConsumer]]:
    """Return a consumer of all topics that begin with a test's stem."""
    made = []

    def make(handle: KafkaTopics) -> KafkaConsumer:
        consumer = KafkaConsumer(
            bootstrap_servers=handle.bootstrap_servers,
            group_id=handle.group("by-pattern"),
            auto_offset_reset="earliest",
            consumer_timeout_ms=10_000,
        )
        made.append(consumer)
        consumer.subscribe(pattern=f"^{re.escape(handle.stem)}.*")
        return consumer

    yield make
    for each in made:
        each.close(autocommit=False)


@pytest.mark.usefixtures("kept_servers")
def test_a_pattern_finds_what_a_suite_creates(run_suite: Run) -> None:
    run_suite(BY_PATTERN).assert_outcomes(passed=3)


def test_a_pattern_hears_this_tests_topics_and_no_others(
    kafka_asker: Asker, subscribed: Callable[[KafkaTopics], KafkaConsumer]
) -> None:
    with kafka_asker.lease() as one, kafka_asker.lease() as two:
        topics = {
            handle: [handle.create("orders"), handle.create("pay", partitions=2)]
            for handle in (one, two)
        }
        for handle, names in topics.items():
            for name in names:
                send(handle, name, handle.stem.encode())
        for handle, names in topics.items():
            consumer = subscribed(handle)
            heard = [next(consumer), next(consumer)]

            assert {record.topic for record in heard} == set(names)
            assert {record.value for record in heard} == {handle.stem.encode()}
            assert all(name.startswith(handle.stem) for name in consumer.subscription())


def test_every_name_begins_with_the_stem(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle:
        plain = [handle.create(f"orders-{n % 3}") for n in range(20)]
        others = [
            handle.create("orders", partitions=2),
            handle.create("orders", cleanup_policy="compact"),
            handle.unique_name("orders"),
            handle.group("orders"),
            handle.transactional_id("orders"),
        ]

        assert [name for name in plain + others if not name.startswith(handle.stem)] == []
        assert len(set(plain)) == 20
        assert not set(plain) & set(others)


@pytest.mark.slow
def test_a_name_of_ones_own_is_free_whatever_was_made_ahead(kafka_asker: Asker) -> None:
    """Also where a topic of that very base lies ready."""

    def made_beside(base: str) -> set[str]:
        """Make a topic as a test's own code does; return those that lay ready."""
        with kafka_asker.lease() as handle, admin(handle) as client:
            ahead = under(client, handle.stem)
            client.create_topics([handle.unique_name(base)], wait_for_metadata=True)
            handle.create(base)
        return {name for name in ahead if name.endswith(f"-{base}")}

    assert wait_until(lambda: made_beside("receipts"), timeout=60, catch=())


def test_no_stem_begins_another(kafka_asker: Asker) -> None:
    """Neither with topics made ahead nor when the pool has run dry."""
    stems = []
    for _ in range(3 * pool.SIZE):
        with kafka_asker.lease() as handle:
            stems.append(handle.stem)

    assert len(set(stems)) == len(stems)
    assert [(a, b) for a in stems for b in stems if a != b and a.startswith(b)] == []


def test_a_base_name_that_comes_back_is_in_the_names_of_topics(kafka_asker: Asker) -> None:
    def one_more() -> str:
        with kafka_asker.lease() as handle:
            return str(handle.create("invoices"))

    wait_until(lambda: one_more().endswith("-invoices"), timeout=20)


def numbered(number: int) -> str:
    return f"p{number}-"


class Cluster:
    """Stands in for a cluster: notes what it is asked to make."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []

    def make(self, names: list[str]) -> None:
        self.requests.append(names)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def stems(cluster: Cluster) -> Iterator[pool.Pool]:
    """A pool over a cluster that is not there."""
    made = pool.Pool(cluster.make, numbered)
    yield made
    made.close()


def after(stems: pool.Pool, *tests: tuple[str, ...]) -> pool.Stem:
    """Have tests ask for topics of these bases; return what the next one is given."""
    stems.fill()
    for bases in tests:
        stem = settled(stems).take()
        for base in bases:
            stems.topic(stem.text, base)
    return settled(stems).take()


def settled(stems: pool.Pool) -> pool.Pool:
    wait_until(lambda: not stems._filling, timeout=5, poll=0.001)
    return stems


def test_a_fake_cluster_that_fails_is_met_by_the_asker() -> None:
    def fails(_names: list[str]) -> None:
        raise IsolationFailed("no more topics")

    empty = pool.Pool(fails, numbered)
    empty.fill()

    with pytest.raises(IsolationFailed, match="no more topics"):
        empty.topic(empty.take().text, "orders")
    empty.close()


SHOP = ("orders", "payments", "refunds")
"""What each test of a suite asks for."""


def test_a_fake_cluster_is_asked_for_what_the_last_tests_asked_for(
    stems: pool.Pool, cluster: Cluster
) -> None:
    stem = after(stems, *[SHOP] * (pool.SIZE + 1))
    cluster.requests.clear()
    found = [stems.topic(stem.text, base) for base in SHOP]

    assert found == [f"{stem.text}-{n}-{base}" for n, base in enumerate(SHOP, 1)]
    assert stem.count == 0  # nothing was made for nobody
    assert cluster.requests == []


def test_a_fake_cluster_is_asked_in_batches(stems: pool.Pool, cluster: Cluster) -> None:
    after(stems, *[SHOP] * 10 * pool.SIZE)

    assert len(cluster.requests) < 10 * 3
    assert max(map(len, cluster.requests)) <= 2 * pool.SIZE * demand.MOST


def test_a_fake_cluster_gets_topics_without_a_name_for_bases_that_do_not_come_back(
    stems: pool.Pool, cluster: Cluster
) -> None:
    stem = after(stems, *[(f"base-{n}",) for n in range(2 * pool.SIZE)])

    assert [name for names in cluster.requests for name in names if "base" in name] == []
    assert stems.topic(stem.text, "another") == f"{stem.text}-1"


def test_a_fake_cluster_makes_nothing_for_tests_that_create_nothing(
    stems: pool.Pool, cluster: Cluster
) -> None:
    assert after(stems, *[()] * 3 * pool.SIZE).count == 0
    assert len(cluster.requests) == 1  # before anything was known


def test_a_test_that_asks_a_fake_cluster_for_many_waits_few_times(
    stems: pool.Pool, cluster: Cluster
) -> None:
    stem = after(stems)
    found = {stems.topic(stem.text, "orders") for _ in range(50)}
    mine = [names for names in cluster.requests if names[0].startswith(stem.text)]

    assert len(found) == 50
    assert len(mine) <= 8  # the pool's own among them
    assert max(map(len, mine)) <= 2 * pool.SIZE * demand.MOST


@given(st.lists(st.lists(st.sampled_from(SHOP), max_size=9), min_size=1, max_size=40))
def test_a_guess_is_enough_for_each_of_the_last_leases(leases: list[list[str]]) -> None:
    guess = demand.Demand()
    for asked in leases:
        guess.watch(asked)
    expected = guess.expected()
    recent = leases[-demand.RECENT :]

    assert len(expected) <= demand.MOST
    for base in {*expected} - {demand.NAMELESS}:
        assert sum(base in asked for asked in recent) > 1
    for asked in recent:
        stem = pool.Stem("p1-")
        for made in stem.names(expected):
            stem.put(*made[1:])
        served = [stem.pick(base) for base in asked]

        assert None not in served or len(expected) == demand.MOST


def test_a_fake_pool_whose_topics_lack_the_stem_would_be_noticed(stems: pool.Pool) -> None:
    """What the pattern listens to must be able to be wrong: one clause switched off."""
    with mock.patch.object(pool, "pooled", lambda _stem, number, _base: f"elsewhere-{number}"):
        stem = stems.take()

        assert not stems.topic(stem.text, "orders").startswith(stem.text)
