"""Events of executions on Kafka: publish, consume with dead letters, replay."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any, Self

from kafka import KafkaConsumer, KafkaProducer

ACK_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an execution; travels as JSON."""

    execution_id: str
    kind: str
    payload: dict[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the record's value."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read a record's value. Raises ValueError or TypeError when it is no event."""
        return cls(**json.loads(value))


class EventPublisher:
    """Publishes to one topic; each call returns the record's metadata once the broker has it."""

    def __init__(self, producer: KafkaProducer, topic: str) -> None:
        self._producer, self.topic = producer, topic

    def publish(self, event: Event) -> Any:
        """Send `event`, keyed by execution: its events share a partition and keep their order."""
        key = event.execution_id.encode()
        return self._producer.send(self.topic, key=key, value=event.encode()).get(ACK_SECONDS)

    def forward(self, record: Any, **notes: str) -> Any:
        """Send a record that came from another topic as it is, with `notes` as its headers."""
        headers = [(name, note.encode()) for name, note in notes.items()]
        sent = self._producer.send(self.topic, record.value, key=record.key, headers=headers)
        return sent.get(ACK_SECONDS)


@dataclass(frozen=True, slots=True)
class EventConsumer:
    """Hands events to `handler`; what fails `attempts` times goes to the dead letters."""

    consumer: KafkaConsumer
    handler: Callable[[Event], object]
    dead_letters: EventPublisher
    attempts: int = 3

    def run(self, count: int, seconds: float) -> int:
        """Process up to `count` records for at most `seconds`; return how many there were."""
        return sum(self._process(record) for record in _records(self.consumer, count, seconds))

    def _process(self, record: Any) -> int:
        for attempt in range(1, self.attempts + 1):
            try:
                self.handler(Event.decode(record.value))
                break
            except Exception as error:  # noqa: BLE001 - whatever a handler raises
                if attempt == self.attempts:
                    origin = f"{record.topic}/{record.partition}/{record.offset}"
                    self.dead_letters.forward(record, error=repr(error), origin=origin)
        return 1


def replay(letters: KafkaConsumer, target: EventPublisher, count: int, seconds: float) -> int:
    """Send up to `count` dead letters back to `target`; return how many there were."""
    return sum(1 for letter in _records(letters, count, seconds) if target.forward(letter))


def _records(consumer: KafkaConsumer, count: int, seconds: float) -> Iterator[Any]:
    """Yield records, each committed once the next is asked for: a crash in between repeats it.

    One record a poll, so that a commit never covers a record that nobody has seen.
    """
    deadline = monotonic() + seconds
    while count > 0 and (rest := deadline - monotonic()) > 0:
        for batch in consumer.poll(timeout_ms=int(rest * 1000), max_records=1).values():
            yield from batch
            consumer.commit()
            count -= 1
