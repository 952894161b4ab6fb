"""`kafka_producer`, `kafka_consumer` and `kafka_admin`: kafka-python's, closed by the kit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Any

from wflo_testkit.service import TestContext
from wflo_testkit.services.kafka import importing
from wflo_testkit.services.kafka.handle import KafkaTopics

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

READ_TIMEOUT = 5.0
"""Seconds for an unknown topic, for the next record of an iteration, or for a last flush.

The library's own are a minute, for ever and for ever: a test wants to know sooner.
"""
_MILLISECONDS = int(READ_TIMEOUT * 1000)


def producer(handle: KafkaTopics, test: TestContext) -> Iterator[KafkaProducer]:
    """Yield a producer of bytes; flushed and closed at the end."""
    importing.load()
    from kafka import KafkaProducer

    made = KafkaProducer(
        bootstrap_servers=handle.bootstrap_servers,
        max_block_ms=_MILLISECONDS,
        kafka_client=importing.quick_client,
        allow_auto_create_topics=bool(test.settings.get("auto_create_topics", False)),
        metrics_enabled=False,
    )
    try:
        with handle.resets.taking_part(lambda: made.flush(timeout=READ_TIMEOUT)):
            yield made
    finally:
        made.close(timeout=READ_TIMEOUT)


def consumer(handle: KafkaTopics, _test: TestContext) -> Iterator[Callable[..., KafkaConsumer]]:
    """Yield `kafka_consumer(*topics, group=None, **kw)`, which makes consumers.

    They begin at a topic's first record. group: a base name for `KafkaTopics.group`, or what that
    returned; by default each consumer has a group of its own. kw: KafkaConsumer's. Iterating
    ends after READ_TIMEOUT without a record. All are closed at the end.
    """
    importing.load()
    consumers = consumer_class()
    made: list[Any] = []

    def make(*topics: str, group: str | None = None, **given: Any) -> KafkaConsumer:
        base = group or f"consumer-{len(made) + 1}"
        settings = {
            "bootstrap_servers": handle.bootstrap_servers,
            "group_id": base if base.startswith(handle.stem) else handle.group(base),
            "auto_offset_reset": "earliest",
            "consumer_timeout_ms": _MILLISECONDS,
            "kafka_client": importing.quick_client,
            "allow_auto_create_topics": False,
            "metrics_enabled": False,
        }
        made.append(consumers(*topics, **settings | given))
        return made[-1]

    def leave() -> None:
        for each in made:
            each.leave()

    def anew() -> None:
        for each in made:
            each.begin_anew()

    try:
        with handle.resets.taking_part(leave, anew):
            yield make
    finally:
        for each in made:
            each.close(autocommit=False)


@cache
def consumer_class() -> type[Any]:  # noqa: C901 - a class of small methods
    """Return the class; made at first use, since it needs kafka-python to be imported."""
    from kafka import KafkaConsumer

    class ResettableConsumer(KafkaConsumer):  # type: ignore[misc]
        """A KafkaConsumer that knows what it has subscribed to; not in the middle of a `poll`."""

        _wanted: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        _is_open = True

        def __init__(self, *topics: str, **settings: Any) -> None:
            super().__init__(*topics, **settings)
            if topics:
                self._wanted = (topics,), {}

        def subscribe(self, *given: Any, **named: Any) -> None:
            super().subscribe(*given, **named)
            self._wanted = given, named

        def unsubscribe(self) -> None:
            super().unsubscribe()
            self._wanted = None

        def close(self, *given: Any, **named: Any) -> None:
            self._is_open = False
            super().close(*given, **named)

        def leave(self) -> None:
            """Leave its group, if it is in one."""
            if self._is_open and self._wanted is not None:
                super().unsubscribe()

        def begin_anew(self) -> None:
            """Go to the first record of what was subscribed, or assigned by hand."""
            if not self._is_open:
                return
            if self._wanted is not None:
                super().subscribe(*self._wanted[0], **self._wanted[1])
            elif assigned := self.assignment():
                self.seek_to_beginning(*assigned)

    return ResettableConsumer


def admin(handle: KafkaTopics, _test: TestContext) -> Iterator[KafkaAdminClient]:
    """Yield an admin client; closed at the end."""
    importing.load()
    from kafka import KafkaAdminClient

    made = KafkaAdminClient(
        bootstrap_servers=handle.bootstrap_servers, kafka_client=importing.quick_client
    )
    with closing(made):
        yield made
