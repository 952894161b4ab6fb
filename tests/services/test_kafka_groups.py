"""Consumers: made by the factory, left open by a test, put out of their groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from kafka import KafkaConsumer

from tests.services.asker import Asker
from tests.services.test_kafka_topics import admin, send
from wflo_testkit.services.kafka import KafkaTopics
from wflo_testkit.wait import wait_until

Named = Callable[[KafkaTopics, str], str]


@pytest.fixture
def topics(kafka_asker: Asker) -> Iterator[KafkaTopics]:
    with kafka_asker.lease() as handle:
        yield handle


@contextmanager
def left_open(
    handle: KafkaTopics, topic: str, group: str, named: Named = KafkaTopics.group
) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=handle.bootstrap_servers,
        group_id=named(handle, group),
        client_id="forgotten",
        auto_offset_reset="earliest",
    )
    try:
        assert next(consumer).value == b"one"
        yield consumer
    finally:
        consumer.close(autocommit=False)


def test_a_consumer_begins_at_the_first_record(kafka_asker: Asker, topics: KafkaTopics) -> None:
    topic = topics.create("orders")
    send(topics, topic, b"one", b"two")
    with kafka_asker.opened("consumer", topics) as make:
        consumer = make(topic, group="readers")

        assert [next(consumer).value, next(consumer).value] == [b"one", b"two"]
        assert consumer.config["group_id"] == topics.group("readers")


def test_consumers_without_a_group_each_read_everything(
    kafka_asker: Asker, topics: KafkaTopics
) -> None:
    topic = topics.create("orders")
    send(topics, topic, b"one")
    with kafka_asker.opened("consumer", topics) as make:
        assert [next(make(topic)).value for _ in range(2)] == [b"one", b"one"]


def test_a_group_named_in_full_is_taken_as_it_is(kafka_asker: Asker, topics: KafkaTopics) -> None:
    with kafka_asker.opened("consumer", topics) as make:
        assert make(group=topics.group("g")).config["group_id"] == topics.group("g")


def test_the_factorys_consumers_are_closed_without_a_warning(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as handle:
        topic = handle.create("orders")
        send(handle, topic, b"one")
        with kafka_asker.opened("consumer", handle) as make:
            closed, left = make(topic, group="a"), make(topic, group="b")
            next(closed)
            next(left)
            closed.close()

    assert kafka_asker.warnings == []


@pytest.mark.parametrize("named", [KafkaTopics.group, KafkaTopics.unique_name])
def test_a_consumer_left_open_is_put_out_and_named(
    kafka_asker: Asker, topics: KafkaTopics, named: Named
) -> None:
    with kafka_asker.lease() as handle:
        topic = handle.create("orders")
        send(handle, topic, b"one")
        opened = left_open(handle, topic, "careless", named)
        opened.__enter__()
    with admin(topics) as client:
        [group] = client.describe_groups([handle.group("careless")]).values()
    opened.__exit__(None, None, None)

    assert kafka_asker.warnings == [
        "a consumer (client 'forgotten') was left open in the group 'careless'"
    ]
    assert group["members"] == []


def test_other_tests_consumers_are_left_alone(kafka_asker: Asker, topics: KafkaTopics) -> None:
    topic = topics.create("orders")
    send(topics, topic, b"one")
    with left_open(topics, topic, "mine"):
        with kafka_asker.lease() as other:
            other.group("theirs")
        with admin(topics) as client:
            [group] = client.describe_groups([topics.group("mine")]).values()

            assert len(group["members"]) == 1
    assert kafka_asker.warnings == []


def test_groups_of_ended_tests_are_deleted_behind(kafka_asker: Asker, topics: KafkaTopics) -> None:
    with mock.patch("wflo_testkit.services.kafka.janitor.BATCH", 1), admin(topics) as client:
        with kafka_asker.lease() as handle:
            topic = handle.create("orders")
            send(handle, topic, b"one")
            with left_open(handle, topic, "gone") as consumer:
                consumer.commit()
        name = handle.group("gone")
        wait_until(lambda: name not in [g["group_id"] for g in client.list_groups()], timeout=20)
