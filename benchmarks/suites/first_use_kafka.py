"""The first record out and in: the kit's fixtures and bare kafka-python."""

import os
import time

import pytest
from kafka import KafkaConsumer, KafkaProducer

from benchmarks.stopwatch import asked, note

TURNS = range(int(os.environ["BENCH_TIMES"]))


@pytest.mark.parametrize("turn", TURNS)
def test_acknowledged(kafka_topics, kafka_producer, turn):  # type: ignore[no-untyped-def]
    kafka_producer.send(kafka_topics.create("orders"), b"tea").get(timeout=10)
    note("acknowledged", time.monotonic() - asked())


@pytest.mark.parametrize("turn", TURNS)
def test_bare_acknowledged(kafka_topics, turn):  # type: ignore[no-untyped-def]
    topic = kafka_topics.create("orders")
    began = time.monotonic()
    producer = KafkaProducer(bootstrap_servers=kafka_topics.bootstrap_servers)
    producer.send(topic, b"tea").get(timeout=10)
    note("acknowledged, bare", time.monotonic() - began)
    producer.close()


@pytest.mark.parametrize("turn", TURNS)
def test_received(kafka_topics, kafka_producer, kafka_consumer, turn):  # type: ignore[no-untyped-def]
    topic = kafka_topics.create("orders")
    kafka_producer.send(topic, b"tea").get(timeout=10)
    began = time.monotonic()
    assert next(kafka_consumer(topic)).value == b"tea"
    note("received", time.monotonic() - began)


@pytest.mark.parametrize("turn", TURNS)
def test_bare_received(kafka_topics, kafka_producer, turn):  # type: ignore[no-untyped-def]
    topic = kafka_topics.create("orders")
    kafka_producer.send(topic, b"tea").get(timeout=10)
    began = time.monotonic()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=kafka_topics.bootstrap_servers,
        group_id=kafka_topics.group("bare"),
        auto_offset_reset="earliest",
    )
    assert next(consumer).value == b"tea"
    note("received, bare", time.monotonic() - began)
    consumer.close(autocommit=False)
