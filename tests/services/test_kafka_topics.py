"""Topics that only one test has, ready when they are handed out."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest import mock

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from tests.services.asker import Asker
from wflo_testkit.errors import IsolationFailed, TestkitError
from wflo_testkit.services.kafka import KafkaTopics
from wflo_testkit.services.kafka.admin import Admin
from wflo_testkit.wait import wait_until

# kafka-python 3.0.12 leaves the socket of a connection under way open when a consumer is closed.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(scope="module", autouse=True)
def collects_them_here() -> Iterator[None]:
    """Where they are ignored, and not in any later test."""
    yield
    gc.collect()


@contextmanager
def admin(handle: KafkaTopics) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=handle.bootstrap_servers)
    yield client
    client.close()


def send(handle: KafkaTopics, topic: str, *values: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=handle.bootstrap_servers, retries=0)
    try:
        for value in values:
            producer.send(topic, value).get(timeout=10)
    finally:
        producer.close()


def under(client: KafkaAdminClient, stem: str) -> set[str]:
    """Return the topics whose names begin with `stem`."""
    return {name for name in client.list_topics() if name.startswith(stem)}


def test_two_tests_at_once_get_topics_of_their_own(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as one, kafka_asker.lease() as two:
        first, second = one.create("orders"), two.create("orders")
        send(one, first, b"mine")
        send(two, second, b"yours")

        assert [record.value for record in one.read(first)] == [b"mine"]
        assert [record.value for record in two.read(second)] == [b"yours"]


def test_threads_never_share_a_topic(kafka_asker: Asker) -> None:
    def test(n: int) -> list[str]:
        with kafka_asker.lease() as handle:
            return [handle.create(f"orders-{n % 3}") for _ in range(4)]

    with ThreadPoolExecutor(4) as threads:
        topics = [topic for names in threads.map(test, range(32)) for topic in names]

    assert len(set(topics)) == 128


def test_a_topic_is_ready_when_it_is_handed_out(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle:
        for partitions in (1, 3):
            send(handle, handle.create("at-once", partitions=partitions), b"no retries")


def test_topics_that_lie_ready_are_ready_too(kafka_asker: Asker) -> None:
    """Not only handed-out ones: the pool asks for leaders before it shelves a batch."""
    made: list[str] = []
    create = Admin.create

    def noting(self: Admin, topics: dict[str, dict[str, int]]) -> None:
        create(self, topics)
        made.extend(topics)

    with mock.patch.object(Admin, "create", noting), kafka_asker.lease() as handle:
        for _ in range(20):
            handle.create("batch")
        wait_until(lambda: len(made) > 20, timeout=10)
        with admin(handle) as client:
            found = client.describe_topics(list(made))

        assert all(part["leader_id"] == 1 for topic in found for part in topic["partitions"])


def test_a_topic_with_settings_has_them_and_carries_its_name(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle:
        topic = handle.create("audit", partitions=3, cleanup_policy="compact", retention_ms=1000)
        again = handle.create("audit", partitions=3)
        with admin(handle) as client:
            [described] = client.describe_topics([topic])
            configs = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])

        assert topic == f"{handle.stem}audit"
        assert again == f"{handle.stem}audit-2"
        assert len(described["partitions"]) == 3
        assert "compact" in str(configs)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"cleanup_policy": "no-such"}, "Invalid value no-such"),
        ({"no_such_setting": 1}, "Unknown topic config name: no.such.setting"),
        ({"partitions": 0}, "Number of partitions"),
    ],
)
def test_what_the_cluster_refuses_is_said_in_its_words(
    kafka_asker: Asker, arguments: dict[str, str], cause: str
) -> None:
    with kafka_asker.lease() as handle, pytest.raises(IsolationFailed) as caught:
        handle.create("bad", **arguments)

    assert f"refused the topic '{handle.stem}bad'" in caught.value.text
    assert cause in caught.value.text


def test_names_are_the_same_for_equal_bases_and_differ_between_tests(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as one, kafka_asker.lease() as two:
        for kind in ("unique_name", "group", "transactional_id"):
            name = getattr(one, kind)("orders")

            assert name == getattr(one, kind)("orders")
            assert name.endswith("-orders")
            assert name != getattr(two, kind)("orders")


def test_reading_begins_at_the_first_record_each_time(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle:
        topic = handle.create("many", partitions=3)
        send(handle, topic, *(b"%d" % n for n in range(9)))
        for _ in range(2):
            records = handle.read(topic, count=9)

            assert sorted(record.value for record in records) == [b"%d" % n for n in range(9)]
        assert len(handle.read(topic, count=4)) == 4


def test_too_few_records_are_told_with_those_that_came(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle:
        topic = handle.create("few")
        send(handle, topic, b"one", b"two")
        with pytest.raises(TestkitError) as caught:
            handle.read(topic, count=3, timeout=0.5)
        with pytest.raises(TestkitError, match="nothing arrived"):
            handle.read(handle.create("none"), timeout=0.2)

    assert "no more has come to this one" in caught.value.text
    assert f"2 of 3 records arrived in '{topic}' within 0.5 s" in caught.value.text
    assert "arrived: b'one', b'two'" in caught.value.text


def test_reading_a_topic_that_is_not_there_says_so(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle, pytest.raises(TestkitError, match="there is no topic"):
        handle.read("misspelt", timeout=1)


def test_records_of_open_and_aborted_transactions_can_be_left_out(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle:
        topic = handle.create("ledger")
        producer = KafkaProducer(
            bootstrap_servers=handle.bootstrap_servers,
            transactional_id=handle.transactional_id("ledger"),
        )
        producer.init_transactions()
        ends = ((b"no", producer.abort_transaction), (b"yes", producer.commit_transaction))
        for value, end in ends:
            producer.begin_transaction()
            producer.send(topic, value)
            producer.flush()
            end()
        producer.close()

        assert [r.value for r in handle.read(topic, committed_only=True)] == [b"yes"]
        assert [r.value for r in handle.read(topic, count=2)] == [b"no", b"yes"]


def test_a_misspelt_topic_is_an_error_and_is_not_made(kafka_asker: Asker) -> None:
    from kafka.errors import KafkaTimeoutError

    with kafka_asker.lease() as handle:
        with (
            mock.patch("wflo_testkit.services.kafka.clients._MILLISECONDS", 300),
            kafka_asker.opened("producer", handle) as producer,
            pytest.raises(KafkaTimeoutError),
        ):
            producer.send("misspelt", b"")
        with admin(handle) as client:
            assert "misspelt" not in client.list_topics()


def test_topics_of_ended_tests_are_deleted_behind(kafka_asker: Asker) -> None:
    with (
        mock.patch("wflo_testkit.services.kafka.janitor.BATCH", 1),
        kafka_asker.lease() as watching,
        admin(watching) as client,
    ):
        with kafka_asker.lease() as handle:
            mine = {handle.create("gone"), handle.create("gone-too", partitions=2)}
            own = handle.unique_name("by-the-app")
            client.create_topics([own], wait_for_metadata=True)
            mine.add(own)

            assert mine <= under(client, handle.stem)
        wait_until(lambda: not under(client, handle.stem), timeout=20)


def test_kept_topics_stay(kafka_asker: Asker) -> None:
    with mock.patch("wflo_testkit.services.kafka.janitor.BATCH", 1):
        with kafka_asker.lease(keep=True) as kept:
            topic = kept.create("evidence")
            send(kept, topic, b"seen")
        with kafka_asker.lease() as other:
            other.create("gone")

    assert [record.value for record in kept.read(topic)] == [b"seen"]


def test_threads_of_one_test_that_ask_for_the_same_name_get_different_topics(
    kafka_asker: Asker,
) -> None:
    with kafka_asker.lease() as handle, ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _n: handle.create("orders", partitions=2), range(16)))

    assert len(set(made)) == 16
