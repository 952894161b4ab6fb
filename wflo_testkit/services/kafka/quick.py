"""Network clients for kafka-python that ask a cluster for no more than they must, and at once."""

# ruff: noqa: SLF001 - what kafka-python could be told from outside is told so

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wflo_testkit.wait import clock

if TYPE_CHECKING:
    from wflo_testkit.model import Server

BACKOFF_MILLISECONDS = 10
_OTHERWISE = (AttributeError, ImportError)
"""What a later kafka-python may raise, if it is made otherwise; its clients then ask for all."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a client has found out about a cluster: its brokers, and the requests that they know."""

    brokers: Any
    versions: Any


_known: dict[tuple[str, str], Known] = {}
"""Container and address -> what the first client there has found out; the same in every thread."""


def quick_client(**configs: Any) -> Any:
    """Return what kafka-python's setting `kafka_client` asks for.

    A new client learns of a topic by its second look at the cluster. kafka-python 3.0.12 pauses
    100 ms before that, whatever `retry_backoff_ms` says, and asks for the topic to be made,
    whatever `allow_auto_create_topics` says: neither reaches its view of the cluster.
    """
    from kafka.net.compat import KafkaNetClient

    client = KafkaNetClient(**configs)
    client.cluster.config["retry_backoff_ms"] = BACKOFF_MILLISECONDS
    if "allow_auto_create_topics" in configs:
        client.cluster.config["allow_auto_create_topics"] = configs["allow_auto_create_topics"]
    return client


def producing(server: Server) -> Callable[..., Any]:
    """Return the same for a producer on `server`, which the first record waits less for.

    By itself it connects twice, asks both times what the broker can do, then who the brokers are,
    and then for no topic, because its sender has yet to hear of it (measured: 23 ms to the first
    acknowledged record, 11 ms so).
    """

    def client(**configs: Any) -> Any:
        """Stand in for KafkaNetClient, which a producer makes."""
        made = quick_client(**configs)
        with contextlib.suppress(*_OTHERWISE):
            _tell_of_topics(made.cluster)
            if not server.is_external:  # whose brokers may come and go
                _share(made._manager, (server.container_id, configs["bootstrap_servers"]))
        return made

    return client


def _tell_of_topics(cluster: Any) -> None:
    """Let the cluster's next look be for the topic that the test's thread asks about."""
    find = cluster.partitions_for_topic

    def partitions_for_topic(topic: str) -> set[int] | None:
        """Stand in for ClusterMetadata.partitions_for_topic, which `send` asks first."""
        found: set[int] | None = find(topic)
        if found is None:
            cluster.add_topic(topic)
        return found

    cluster.partitions_for_topic = partitions_for_topic


def _share(manager: Any, key: tuple[str, str]) -> None:
    """Let a client begin with what another one has found out, or keep what this one will."""
    if known := _known.get(key):
        _introduce(manager, known)
        return
    find_out = manager.bootstrap

    def bootstrap(*given: Any) -> None:
        """Stand in for KafkaConnectionManager.bootstrap, which asks a cluster what it is."""
        find_out(*given)
        with contextlib.suppress(*_OTHERWISE):
            _known[key] = Known(manager.cluster._brokers, _answered(manager.broker_version_data))

    manager.bootstrap = bootstrap


def _introduce(manager: Any, known: Known) -> None:
    from kafka.future import Future

    manager.broker_version_data = known.versions
    manager.cluster._brokers = known.brokers
    manager.cluster._need_update = False
    manager.cluster._last_successful_refresh_ms = clock.monotonic() * 1000  # library's, too
    manager._bootstrap_future = Future().success(True)


def _answered(versions: Any) -> Any:
    """Return `versions` without the request for them, which a connection then does without."""
    from kafka.protocol.broker_version_data import BrokerVersionData
    from kafka.protocol.metadata import ApiVersionsRequest

    every = versions.api_versions.items()
    others = {key: each for key, each in every if key != ApiVersionsRequest.API_KEY}
    return BrokerVersionData(versions.broker_version, others)
