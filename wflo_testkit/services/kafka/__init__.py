"""Kafka: the table row from which its fixtures, settings and reports follow."""

from __future__ import annotations

from wflo_testkit.service import LeaseKind, LogLines, Service, conveniences, lazy
from wflo_testkit.services.kafka.handle import KafkaTopics, topics
from wflo_testkit.services.kafka.probe import probe
from wflo_testkit.services.kafka.server import KafkaServer
from wflo_testkit.services.kafka.spec import OPTIONS, external, spec

__all__ = ["SERVICE", "KafkaServer", "KafkaTopics"]

SERVICE = Service(
    name="kafka",
    spec=spec,
    probe=probe,
    warm=lazy(f"{__name__}.warm_image:recipe"),
    server=KafkaServer,
    external=external,
    isolation=lazy(f"{__name__}.isolation:KafkaIsolation"),
    leases=(
        LeaseKind(
            name="topics",
            doc="Topics, consumer groups and transactional ids that only this test has.",
            handle=topics,
        ),
    ),
    conveniences=conveniences(
        f"{__name__}.clients",
        "topics",
        "kafka",
        ("kafka",),
        producer="A KafkaProducer, flushed and closed at the end.",
        consumer="A factory of consumers: kafka_consumer(*topics, group=None).",
        admin="A KafkaAdminClient.",
    ),
    options=OPTIONS,
    start_seconds=2.0,
    log=LogLines(
        # The topics behind groups and transactions: the kit has them made.
        kits=r"\bINFO\b.*__(?:transaction_state|consumer_offsets)"
        r"|Auto topic creation failed for __|\bwflo-(?:warm-up|testkit)\b",
        lease="wflo-[0-9a-f]+-(?:p[0-9]+|[0-9a-f]{8})-",
    ),
)
