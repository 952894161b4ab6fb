"""`reset()` of Kafka topics: those that `create` returned are there and new, nothing else is."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from unittest import mock

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from tests.services.asker import Asker
from wflo_testkit.errors import IsolationFailed, TestkitError
from wflo_testkit.services.kafka import groups, importing
from wflo_testkit.services.kafka.admin import Admin
from wflo_testkit.services.kafka.pool import Pool

# kafka-python 3.0.12 leaves the socket of a connection under way open when a consumer is closed.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def collects_them_here() -> Iterator[None]:
    """Where they are ignored, and not in any later test."""
    yield
    gc.collect()


def values(handle: Any, topic: str) -> list[bytes]:
    return [record.value for record in handle.read(topic)]


def is_empty(handle: Any, topic: str) -> bool:
    with pytest.raises(TestkitError, match="0 of 1 records"):
        handle.read(topic, timeout=0.3)
    return True


def producer_of(handle: Any) -> KafkaProducer:
    return KafkaProducer(
        bootstrap_servers=handle.bootstrap_servers, kafka_client=importing.quick_client
    )


def under(client: KafkaAdminClient, handle: Any) -> set[str]:
    return {name for name in client.list_topics() if name.startswith(handle.stem)}


def test_records_go_and_offsets_begin_at_nothing(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle, kafka_asker.opened("producer", handle) as producer:
        plain = handle.create("orders")
        wide = handle.create("wide", partitions=3, cleanup_policy="compact")
        for number in range(4):
            for topic in (plain, wide):
                sent = producer.send(topic, key=b"k", value=b"%d" % number, partition=0)
                assert sent.get(timeout=10).offset == 0
            assert values(handle, plain) == values(handle, wide) == [b"%d" % number]
            handle.reset()
            assert is_empty(handle, plain)
    assert kafka_asker.warnings == []


def test_topics_that_the_test_has_made_itself_go_and_settings_too(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle, kafka_asker.opened("admin", handle) as client:
        made = handle.create("wide", partitions=2, retention_ms=60000)
        before = under(client, handle)
        client.create_topics([handle.unique_name("mine"), handle.stem + "theirs"])
        client.create_partitions({made: 3})
        client.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, made, {"retention.ms": "70000"})]
        )
        handle.reset()

        assert under(client, handle) == before
        [told] = client.describe_topics([made])
        assert len(told["partitions"]) == 2
        found = str(client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, made)]))
        assert "60000" in found
        assert "70000" not in found


def test_a_record_in_a_topic_that_nobody_has_asked_for_goes(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle, kafka_asker.opened("admin", handle) as client:
        [unseen, *_] = under(client, handle)
        with closing(producer_of(handle)) as producer:
            producer.send(unseen, b"stray").get(timeout=10)
        handle.reset()

        assert is_empty(handle, unseen)
        assert unseen in under(client, handle)


def test_the_kits_consumers_begin_at_the_first_record_again(kafka_asker: Asker) -> None:
    with (
        kafka_asker.lease() as handle,
        kafka_asker.opened("producer", handle) as producer,
        kafka_asker.opened("consumer", handle) as consumer,
    ):
        topic = handle.create("orders")
        subscribed = consumer(topic, group="billing")
        by_pattern = consumer(group="audit")
        by_pattern.subscribe(pattern=f"^{handle.stem}.*")
        assigned = consumer()
        assigned.assign([TopicPartition(topic, 0)])
        consumer(topic).close()
        for number in range(3):
            producer.send(topic, b"%d" % number)
            producer.send(topic, b"more").get(timeout=10)
            for each in (subscribed, by_pattern, assigned):
                record = next(each)
                assert (record.offset, record.value) == (0, b"%d" % number)
            subscribed.commit()
            handle.reset()
    assert kafka_asker.warnings == []


def test_another_consumer_is_put_out_and_its_group_goes(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle, kafka_asker.opened("admin", handle) as client:
        topic, group = handle.create("orders"), handle.stem + "theirs"
        theirs = KafkaConsumer(
            topic,
            bootstrap_servers=handle.bootstrap_servers,
            group_id=group,
            client_id="app",
            kafka_client=importing.quick_client,
        )
        with closing(producer_of(handle)) as producer:
            producer.send(topic, b"one").get(timeout=10)
        theirs.poll(timeout_ms=5000)
        theirs.commit()
        handle.reset()

        told = kafka_asker.warnings.pop()
        assert told.startswith("at reset(): a consumer (client 'app")
        assert "in the group 'theirs'" in told
        assert group not in {each["group_id"] for each in client.list_groups()}
        theirs.close(autocommit=False)


def test_two_at_once_do_not_meet(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as one, kafka_asker.lease() as two:
        first, second = one.create("orders"), two.create("orders")
        with closing(producer_of(one)) as producer:
            producer.send(first, b"one").get(timeout=10)
            producer.send(second, b"two").get(timeout=10)
        one.reset()

        assert is_empty(one, first)
        assert values(two, second) == [b"two"]


def test_after_its_test_the_error_says_so(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle:
        pass

    with pytest.raises(IsolationFailed, match="was used after it had been given back"):
        handle.reset()


def test_each_step_left_out_is_noticed(kafka_asker: Asker) -> None:
    with mock.patch.object(Admin, "delete", return_value=None), pytest.raises(IsolationFailed):
        test_records_go_and_offsets_begin_at_nothing(kafka_asker)
    with mock.patch.object(groups, "put_out", return_value=[]), pytest.raises(IndexError):
        test_another_consumer_is_put_out_and_its_group_goes(kafka_asker)
    with mock.patch.object(Pool, "unseen", return_value=[]), pytest.raises(AssertionError):
        test_a_record_in_a_topic_that_nobody_has_asked_for_goes(kafka_asker)
    kafka_asker.warnings.clear()
