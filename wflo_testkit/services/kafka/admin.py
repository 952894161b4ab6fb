"""The kit's own connection to a cluster: one, kept open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from wflo_testkit.errors import IsolationFailed, MissingExtra, ServiceUnavailable
from wflo_testkit.services.kafka import importing
from wflo_testkit.services.kafka.names import ALL
from wflo_testkit.services.kafka.server import KafkaServer
from wflo_testkit.wait import WaitTimeout, wait_until

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

T = TypeVar("T")
TIMEOUT = 15.0
"""Seconds for a connection, an answer, or for topics to get their leaders."""
# Error codes of Kafka's protocol (Apache Kafka, protocol guide).
_UNKNOWN = 3
_DENIED = (29, 30, 31)  # topic, group, cluster
_REMEDIES = {
    17: "give it a legal name: letters, digits, '.', '_' and '-'",
    37: "correct the number of partitions that `create` was called with",
    38: "correct the replication factor: no more than the cluster has brokers",
    40: "correct the settings that `create` was called with",
}
"""What to do about some of them; the others' own words say it."""


class Admin:
    """Makes and deletes topics and groups. Safe to use from several threads."""

    def __init__(self, server: KafkaServer) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._client: KafkaAdminClient | None = None

    def connect(self) -> KafkaAdminClient:
        """Return the connected client. Raises IsolationFailed, MissingExtra."""
        with self._lock:
            if self._client is None:
                self._client = self._connected()
            return self._client

    def ask(self, what: str, work: Callable[[KafkaAdminClient], T]) -> T:
        """Return `work(client)`; an error of the library becomes IsolationFailed naming `what`."""
        client = self.connect()
        from kafka.errors import KafkaError

        try:
            return work(client)
        except (KafkaError, WaitTimeout, OSError) as error:
            raise self._failed(what, error) from None

    def create(self, topics: Mapping[str, Mapping[str, Any]]) -> None:
        """Make topics in one request: name -> num_partitions, configs.

        Returns when each partition has a leader that answers, so that a producer's first record
        meets no NOT_LEADER_OR_FOLLOWER and no UNKNOWN_TOPIC_OR_PARTITION (KAFKA-15780).
        """
        self.ask(
            f"could not make the topics {', '.join(list(topics)[:3])}",
            lambda client: self._create(client, topics),
        )

    def delete(self, topics: Iterable[str]) -> None:
        """Delete topics; those that are gone already are fine."""
        if names := list(topics):
            answer = self.ask(
                "could not delete topics", lambda c: c.delete_topics(names, raise_errors=False)
            )
            self._raise_refused(answer, but=_UNKNOWN)

    def topics(self) -> list[str]:
        """Return the names of all topics of the cluster."""
        return list(self.ask("could not list topics", lambda c: c.list_topics()))

    def close(self) -> None:
        """Drop the connection."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> KafkaAdminClient:
        try:
            importing.load()
            from kafka import KafkaAdminClient
            from kafka.errors import KafkaError
        except ModuleNotFoundError as error:
            what = "a set of topics of a test's own"
            raise MissingExtra.of(what, "kafka-python", "kafka", error) from None
        milliseconds = int(TIMEOUT * 1000)
        try:
            return KafkaAdminClient(
                bootstrap_servers=self._server.bootstrap_servers,
                client_id="wflo-testkit",
                request_timeout_ms=milliseconds,
                bootstrap_timeout_ms=milliseconds,
                # Every thread of the broker asks over this one connection; past the library's
                # default of five requests at once it refuses instead of waiting.
                max_in_flight_requests_per_connection=256,
                # For a new topic that does not answer yet; by default a tenth of a second.
                retry_backoff_ms=10,
            )
        except (KafkaError, OSError) as error:
            raise self._failed("the kit could not connect", error) from None

    def _create(self, client: KafkaAdminClient, topics: Mapping[str, Mapping[str, Any]]) -> None:
        from kafka import TopicPartition
        from kafka.admin import OffsetSpec
        from kafka.errors import KafkaError

        answer = client.create_topics(
            {name: dict(options) for name, options in topics.items()}, raise_errors=False
        )
        self._raise_refused(answer)
        made = {each["name"]: each.get("topic_id") for each in answer["topics"]}

        def led() -> bool:
            found = client.describe_topics(list(topics))
            parts = [(each["name"], part) for each in found for part in each["partitions"]]
            if {name for name, _part in parts} != set(topics):
                return False
            # The broker may still know one of the same name that has just been deleted.
            if any(made[each["name"]] not in (None, each.get("topic_id")) for each in found):
                return False
            if any(part["error_code"] or part["leader_id"] < 0 for _name, part in parts):
                return False
            client.list_partition_offsets(
                {
                    TopicPartition(name, part["partition_index"]): OffsetSpec.EARLIEST
                    for name, part in parts
                }
            )
            return True

        wait_until(led, timeout=TIMEOUT, poll=0.01, describe="leaders", catch=KafkaError)

    def _raise_refused(self, answer: Mapping[str, Any], *, but: int = 0) -> None:
        for topic in answer["topics"]:
            code = topic["error_code"]
            cause = topic.get("error_message") or f"error {code}"
            if code in _DENIED:
                raise self.denied(cause)
            if code not in (0, but):
                raise IsolationFailed(
                    f"Kafka {self._server.name} refused the topic {topic['name']!r}",
                    cause=cause,
                    looked_at=self._server.bootstrap_servers,
                    fix=_REMEDIES.get(code),
                )

    def denied(self, cause: str | Exception) -> ServiceUnavailable:
        """Return the error of an external cluster that does not let the kit do its work."""
        place = self._server.bootstrap_servers
        return ServiceUnavailable(
            f"the Kafka cluster {self._server.name} does not let the kit make what tests need",
            cause=cause,
            looked_at=place,
            fix=f"grant it: kafka-acls.sh --bootstrap-server {place} --add --allow-principal "
            f"User:ANONYMOUS --operation All --topic {ALL} --group {ALL} --transactional-id {ALL} "
            "--resource-pattern-type prefixed; or unset kafka_bootstrap_servers, and the kit "
            "starts a broker",
        )

    def _failed(self, what: str, error: Exception) -> IsolationFailed | ServiceUnavailable:
        from kafka.errors import AuthorizationError

        if isinstance(error, AuthorizationError):
            return self.denied(error)
        return IsolationFailed(
            f"Kafka {self._server.name}: {what}",
            cause=error.__cause__ if isinstance(error, WaitTimeout) and error.__cause__ else error,
            looked_at=self._server.bootstrap_servers,
            fix=_remedy(error),
        )


def _remedy(error: Exception) -> str:
    """Return what to do, as far as an error tells what has happened."""
    from kafka import errors

    if isinstance(error, (WaitTimeout, errors.KafkaTimeoutError, errors.RequestTimedOutError)):
        return "look what keeps the broker from answering: a pause, a full disk, a busy machine"
    if isinstance(error, (OSError, errors.KafkaConnectionError, errors.NodeNotReadyError)):
        return "look whether the broker still runs: a test may have stopped it"
    return "see the broker's log"
