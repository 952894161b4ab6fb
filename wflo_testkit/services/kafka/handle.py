"""One test's private part of a Kafka cluster: topics, groups and transactional ids."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wflo_testkit.model import Json
from wflo_testkit.reset import Reset
from wflo_testkit.service import Lease, TestContext, plain
from wflo_testkit.services.kafka.names import under
from wflo_testkit.services.kafka.server import KafkaServer, environment
from wflo_testkit.services.kafka.spec import word

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

READ_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaTopics:
    """Topics and names that no other test has; holds no live connection.

    bootstrap_servers: host:port for a client on this machine; internal_bootstrap_servers: for a
    container on the kit's network. stem: what all names of this test begin with, and no name of
    another test; topics under it that this test did not `create` are empty. resets: see `reset`.
    """

    bootstrap_servers: str
    internal_bootstrap_servers: str
    stem: str
    call: Callable[..., Json] = field(repr=False, compare=False)
    tell: Callable[[], None] = field(repr=False, compare=False)
    resets: Reset = field(default_factory=Reset, repr=False, compare=False)

    def reset(self) -> None:
        """Begin anew: topics that `create` returned are there and new, nothing else is.

        Records, settings and committed offsets are gone, and so are topics that the test has made
        itself. The kit's own consumers begin at the first record again; others are put out of
        their groups and warned about. Raises IsolationFailed.
        """
        self.resets()

    @property
    def url(self) -> str:
        """The same as `bootstrap_servers`: Kafka has no URLs."""
        return self.bootstrap_servers

    @property
    def internal_url(self) -> str:
        """The same as `internal_bootstrap_servers`."""
        return self.internal_bootstrap_servers

    def create(self, name: str, partitions: int = 1, **configs: object) -> str:
        """Make a topic that can be used at once, and return its name: a new one at each call.

        configs: settings of the topic, "_" for ".": `cleanup_policy="compact"`.
        It begins with `stem`. A topic with one partition and no settings was made ahead: then its
        name may lack `name`, which is for people to read. Use what is returned.
        Raises IsolationFailed for what the cluster refuses.
        """
        settings = {key.replace("_", "."): word(value) for key, value in configs.items()}
        return str(self.call("create", name=name, partitions=partitions, configs=settings))

    def unique_name(self, base: str) -> str:
        """Return a topic name for code that makes its topics itself; the same for equal bases."""
        return self._named(base)

    def group(self, base: str) -> str:
        """Return the id of a consumer group; the same for equal bases."""
        return self._named(base)

    def transactional_id(self, base: str) -> str:
        """Return an id for a transactional producer; the same for equal bases."""
        return under(self.stem, base)

    def _named(self, base: str) -> str:
        """Let the kit know that a group may have come to be: else it need not look for any."""
        self.tell()
        return under(self.stem, base)

    def read(
        self,
        topic: str,
        count: int = 1,
        timeout: float = READ_TIMEOUT,
        *,
        committed_only: bool = False,
    ) -> list[ConsumerRecord]:
        """Return the first `count` records of `topic`, from the beginning of each partition.

        In no group, so that it disturbs none and can be repeated. Records are kafka-python's:
        `value` and `key` are bytes. timeout: seconds to wait for them.
        committed_only: leave out what open and aborted transactions wrote.
        Raises TestkitError with the records that did arrive when they are too few.
        """
        from wflo_testkit.services.kafka.reader import read

        return read(self.bootstrap_servers, topic, count, timeout, committed_only=committed_only)

    def env(self) -> dict[str, str]:
        """Return KAFKA_BOOTSTRAP_SERVERS for a client on this machine."""
        return environment(self.bootstrap_servers)

    def internal_env(self) -> dict[str, str]:
        """Return the same for a container on the kit's network."""
        return environment(self.internal_bootstrap_servers)


def topics(lease: Lease, test: TestContext) -> AbstractContextManager[KafkaTopics]:
    """Build the handle from what the isolation said."""
    server = lease.server
    assert isinstance(server, KafkaServer)
    return plain(
        KafkaTopics(
            bootstrap_servers=server.bootstrap_servers,
            internal_bootstrap_servers=server.internal_bootstrap_servers,
            stem=lease.data["stem"],
            call=lease.call,
            tell=lease.calling_once("told"),
            resets=Reset(lease.call, test.warn),
        )
    )
