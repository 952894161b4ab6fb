"""Events on topics and in groups that only the running test knows."""

from collections.abc import Callable

import pytest
from kafka import KafkaConsumer, KafkaProducer

from wflo.events import Event, EventConsumer, EventPublisher, replay

SECONDS = 15
Listen = Callable[..., EventConsumer]


@pytest.fixture
def topic(kafka_topics) -> str:
    """A topic with three partitions."""
    return kafka_topics.create("events", partitions=3)


@pytest.fixture
def dead_topic(kafka_topics) -> str:
    """A topic for what cannot be handled."""
    return kafka_topics.create("dead-letters")


@pytest.fixture
def publisher(kafka_producer: KafkaProducer, topic: str) -> EventPublisher:
    """Publishes to the test's topic."""
    return EventPublisher(kafka_producer, topic)


@pytest.fixture
def consumer_of(kafka_consumer) -> Callable[[str, str], KafkaConsumer]:
    """Make a consumer of a topic in a group, from the group's place or else the beginning."""
    return lambda topic, group: kafka_consumer(topic, group=group, enable_auto_commit=False)


@pytest.fixture
def listen(consumer_of, kafka_producer: KafkaProducer, topic: str, dead_topic: str) -> Listen:
    """Make the service's consumer of the test's topic for a handler."""

    def make(handler: Callable[[Event], object], group: str = "wflo") -> EventConsumer:
        letters = EventPublisher(kafka_producer, dead_topic)
        return EventConsumer(consumer_of(topic, group), handler, letters, attempts=2)

    return make


def refuse(event: Event) -> None:
    """A handler that never succeeds."""
    raise ValueError(f"cannot handle {event.kind}")


class TestEventProducer:
    """Publishing."""

    def test_publish_returns_when_the_broker_has_the_event(
        self, publisher: EventPublisher, topic: str, kafka_topics
    ) -> None:
        """The returned offset is the record's, and the record is there."""
        metadata = publisher.publish(Event("run-1", "started"))

        (record,) = kafka_topics.read(topic, count=1, timeout=SECONDS)
        assert (metadata.topic, metadata.offset) == (topic, 0), "wrong place"
        assert (record.partition, record.offset) == (metadata.partition, 0), "wrong place"

    def test_an_executions_events_share_a_partition(
        self, publisher: EventPublisher, topic: str, kafka_topics
    ) -> None:
        """The execution is the key, so its events land in one of the three partitions."""
        for number in range(6):
            publisher.publish(Event("run-1", f"step-{number}"))

        records = kafka_topics.read(topic, count=6, timeout=SECONDS)
        assert {record.key for record in records} == {b"run-1"}, "the key is not the execution"
        assert len({record.partition for record in records}) == 1, "events were scattered"

    def test_payload_survives_the_wire(
        self, publisher: EventPublisher, topic: str, kafka_topics
    ) -> None:
        """Nested and non-ASCII payloads arrive as they were sent."""
        event = Event("run-1", "completed", {"text": "größer als ½", "costs": [0.1, None]})
        publisher.publish(event)

        (record,) = kafka_topics.read(topic, count=1, timeout=SECONDS)
        assert Event.decode(record.value) == event, "the event changed on the way"


class TestEventConsumer:
    """Consuming in a group."""

    def test_handler_gets_every_event(self, publisher: EventPublisher, listen: Listen) -> None:
        """A new group starts at the beginning, also with events from before it existed."""
        seen: list[Event] = []
        sent = [Event("run-1", "started"), Event("run-1", "completed")]
        for event in sent:
            publisher.publish(event)

        assert listen(seen.append).run(count=2, seconds=SECONDS) == 2, "events are missing"
        assert seen == sent, "not what was sent"

    def test_handled_events_are_not_repeated(
        self, publisher: EventPublisher, listen: Listen
    ) -> None:
        """A restarted consumer goes on where its group stopped."""
        seen: list[str] = []
        publisher.publish(Event("run-1", "first"))
        before = listen(lambda event: seen.append(event.kind))
        before.run(count=1, seconds=SECONDS)
        before.consumer.close()

        publisher.publish(Event("run-1", "second"))
        listen(lambda event: seen.append(event.kind)).run(count=1, seconds=SECONDS)
        assert seen == ["first", "second"], "the group lost its place"

    def test_crash_before_the_end_repeats_the_event(
        self, publisher: EventPublisher, listen: Listen
    ) -> None:
        """An event whose handler never came back is given to the next consumer."""

        def crash(event: Event) -> None:
            raise KeyboardInterrupt

        publisher.publish(Event("run-1", "started"))
        crashing = listen(crash)
        with pytest.raises(KeyboardInterrupt):
            crashing.run(count=1, seconds=SECONDS)
        crashing.consumer.close()

        seen: list[Event] = []
        assert listen(seen.append).run(count=1, seconds=SECONDS) == 1, "the event was lost"
        assert seen == [Event("run-1", "started")], "another event came"

    def test_each_group_gets_everything(self, publisher: EventPublisher, listen: Listen) -> None:
        """Two groups read the same events independently."""
        seen: dict[str, list[Event]] = {"billing": [], "audit": []}
        publisher.publish(Event("run-1", "started"))

        for group, events in seen.items():
            listen(events.append, group).run(count=1, seconds=SECONDS)
        expected = [Event("run-1", "started")]
        assert seen == {"billing": expected, "audit": expected}, "a group missed something"


class TestEventFlow:
    """Order, dead letters and replay."""

    def test_order_is_kept_per_execution(self, publisher: EventPublisher, listen: Listen) -> None:
        """Events of four executions, published in turns, arrive in order for each of them."""
        runs, steps = [f"run-{number}" for number in range(4)], list(range(5))
        for step in steps:
            for run in runs:
                publisher.publish(Event(run, "step", {"number": step}))
        seen: dict[str, list[int]] = {run: [] for run in runs}

        def remember(event: Event) -> None:
            seen[event.execution_id].append(event.payload["number"])

        listen(remember).run(count=20, seconds=SECONDS)
        assert seen == dict.fromkeys(runs, steps), "events overtook each other"

    def test_failing_events_become_dead_letters(
        self, publisher: EventPublisher, listen: Listen, dead_topic: str, topic: str, kafka_topics
    ) -> None:
        """What a handler refuses twice is kept with its cause and origin."""
        calls: list[Event] = []

        def count_and_refuse(event: Event) -> None:
            calls.append(event)
            refuse(event)

        place = publisher.publish(Event("run-1", "odd"))
        listen(count_and_refuse).run(count=1, seconds=SECONDS)

        (letter,) = kafka_topics.read(dead_topic, count=1, timeout=SECONDS)
        assert len(calls) == 2, "not tried as often as told"
        assert (letter.key, Event.decode(letter.value).kind) == (b"run-1", "odd"), "wrong letter"
        assert dict(letter.headers) == {
            "error": b"ValueError('cannot handle odd')",
            "origin": f"{topic}/{place.partition}/{place.offset}".encode(),
        }, "cause or origin is missing"

    def test_dead_letters_can_be_replayed(
        self, publisher: EventPublisher, listen: Listen, dead_topic: str, consumer_of
    ) -> None:
        """After a repair, replayed letters are handled like new events."""
        publisher.publish(Event("run-1", "odd"))
        broken = listen(refuse)
        broken.run(count=1, seconds=SECONDS)
        broken.consumer.close()

        letters = consumer_of(dead_topic, "replay")
        assert replay(letters, publisher, count=1, seconds=SECONDS) == 1, "no letter was found"
        seen: list[Event] = []
        listen(seen.append).run(count=1, seconds=SECONDS)
        assert seen == [Event("run-1", "odd")], "the replayed event did not arrive"
