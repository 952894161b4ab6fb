"""Reads topics from their beginning, beside whatever groups there are."""

from __future__ import annotations

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
            raise _too_few(topic, records, count, deadline.seconds)
        # At least a millisecond: with 0 the client only looks at what it has already.
        for batch in consumer.poll(timeout_ms=max(1, int(deadline.left * 1000))).values():
            records.extend(batch)
    return records[:count]


def _too_few(topic: str, records: list[Any], count: int, seconds: float) -> TestkitError:
    values = ", ".join(repr(record.value) for record in records[:SHOWN])
    more = f", and {len(records) - SHOWN} more" if len(records) > SHOWN else ""
    return TestkitError(
        f"{len(records)} of {count} records arrived in {topic!r} within {seconds:g} s",
        cause=f"arrived: {values}{more}" if records else "nothing arrived",
        fix="was the producer flushed, and does it write to this topic? else raise `timeout`",
    )
