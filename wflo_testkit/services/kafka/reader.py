"""Reads topics from their beginning, beside whatever groups there are."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import TestkitError
from wflo_testkit.services.kafka import importing
from wflo_testkit.wait import Deadline

if TYPE_CHECKING:
    from kafka import KafkaConsumer
    from kafka.consumer.fetcher import ConsumerRecord

SHOWN = 5


def read(
    bootstrap_servers: str, topic: str, count: int, timeout: float, *, committed_only: bool
) -> list[ConsumerRecord]:
    """Return the first `count` records of `topic`; see KafkaTopics.read."""
    deadline = Deadline(timeout)
    importing.load()
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        bootstrap_timeout_ms=max(1, int(timeout * 1000)),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
        isolation_level="read_committed" if committed_only else "read_uncommitted",
        kafka_client=importing.quick_client,
        metrics_enabled=False,
    )
    try:
        _assign_all(consumer, topic)
        return _records(consumer, topic, count, deadline)
    finally:
        consumer.close(autocommit=False)


def _assign_all(consumer: KafkaConsumer, topic: str) -> None:
    from kafka import TopicPartition

    partitions = consumer.partitions_for_topic(topic)
    if not partitions:
        raise TestkitError(
            f"there is no topic {topic!r} to read",
            cause="the cluster does not know it, and topics are not made by naming them",
            fix="make it: kafka_topics.create(...) returns the name to use",
        )
    consumer.assign([TopicPartition(topic, partition) for partition in sorted(partitions)])
    consumer.seek_to_beginning()


def _records(
    consumer: KafkaConsumer, topic: str, count: int, deadline: Deadline
) -> list[ConsumerRecord]:
    records: list[Any] = []
    while len(records) < count:
        if deadline.passed:
            raise _too_few(topic, records, count, deadline.seconds, _offsets(consumer))
        # At least a millisecond: with 0 the client only looks at what it has already.
        for batch in consumer.poll(timeout_ms=max(1, int(deadline.left * 1000))).values():
            records.extend(batch)
    return records[:count]


def _offsets(consumer: KafkaConsumer) -> int:
    """Return how many offsets the topic has: one for each record, and for what ends a transaction.

    0 where nobody answers any more.
    """
    from kafka.errors import KafkaError

    with suppress(KafkaError):
        return sum(consumer.end_offsets(list(consumer.assignment()), timeout_ms=1000).values())
    return 0


def _too_few(
    topic: str, records: list[Any], count: int, seconds: float, offsets: int
) -> TestkitError:
    """Return the error that tells what arrived. offsets: that the topic has by now."""
    remedy = "flush the producer, and look which topic it writes to: no more has come to this one"
    if offsets > len(records):
        remedy = f"raise `timeout`: the topic has {offsets} offsets, of records and transactions"
    values = ", ".join(repr(record.value) for record in records[:SHOWN])
    more = f", and {len(records) - SHOWN} more" if len(records) > SHOWN else ""
    return TestkitError(
        f"{len(records)} of {count} records arrived in {topic!r} within {seconds:g} s",
        cause=f"arrived: {values}{more}" if records else "nothing arrived",
        fix=remedy,
    )
