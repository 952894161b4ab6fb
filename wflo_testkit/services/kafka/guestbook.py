"""The guestbook of an external cluster: a topic per run, whose last record is the entry.

The broker stamps the records: clocks of other machines do not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflo_testkit.guestbook import Guest
from wflo_testkit.model import Server
from wflo_testkit.services.kafka.admin import TIMEOUT, Admin
from wflo_testkit.services.kafka.names import GUEST, guest_topic
from wflo_testkit.services.kafka.quick import quick_client
from wflo_testkit.services.kafka.reader import last_records
from wflo_testkit.services.kafka.server import KafkaServer

if TYPE_CHECKING:
    from kafka import KafkaProducer

# Compacted: the last record of a key stays, however long ago it was written.
_CONFIGS = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact"}
_KEY = b"guest"


class KafkaGuestbook:
    """A guestbook.Guestbook."""

    def __init__(self, server: Server) -> None:
        assert isinstance(server, KafkaServer)
        self._server = server
        self._admin = Admin(server)
        self._producer: KafkaProducer | None = None

    def sign(self, guest: Guest) -> float:
        """Make the topic unless it is there, and send the entry; its time is the broker's."""
        topic = guest_topic(guest.run)
        if topic not in self._admin.topics():
            self._admin.create({topic: {"num_partitions": 1, "configs": _CONFIGS}})
        from kafka.errors import KafkaError

        try:
            sent = self._connected().send(topic, guest.to_text().encode(), key=_KEY)
            return float(sent.get(timeout=TIMEOUT).timestamp) / 1000
        except KafkaError as error:
            raise self._admin.denied(error) from None

    def guests(self) -> list[Guest]:
        """Return the last entry of each run that has a topic here."""
        topics = [name for name in self._admin.topics() if name.startswith(GUEST)]
        found = last_records(self._server.bootstrap_servers, topics, TIMEOUT)
        return [
            Guest(run=guest.run, owner=guest.owner, lease=guest.lease, seen=each.timestamp / 1000)
            for each in found
            if (guest := Guest.from_text(each.value)) is not None
        ]

    def strike(self, run: str) -> None:
        self._admin.delete([guest_topic(run)])

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close(timeout=TIMEOUT)
        self._admin.close()

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            self._admin.connect()  # loads the library
            from kafka import KafkaProducer

            self._producer = KafkaProducer(
                bootstrap_servers=self._server.bootstrap_servers,
                client_id="wflo-testkit",
                max_block_ms=int(TIMEOUT * 1000),
                kafka_client=quick_client,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        return self._producer
