"""What to run for Kafka, from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wflo_testkit.errors import SettingError
from wflo_testkit.model import MAIN, Spec
from wflo_testkit.service import Option
from wflo_testkit.services.kafka.server import INTERNAL_PORT, KafkaServer

PORT = 9092
CONTROLLER_PORT = 9094

OPTIONS = (
    Option(
        key="kafka_bootstrap_servers",
        default="",
        help="an external cluster, as host:port[,host:port]; plain text, no authentication",
    ),
    Option(
        key="kafka_auto_create_topics",
        default=False,
        help="whether the kit's server makes a topic when it is first named, misspelt or not",
    ),
    Option(
        key="kafka_heap",
        default="256m",
        help="memory of the broker's heap, in the JVM's notation",
        on_command_line=False,
    ),
    Option(
        key="kafka_properties",
        default={},
        help='properties of the broker, over the kit\'s own: {"message.max.bytes" = 5000000}',
        on_command_line=False,
    ),
)

START = "/tmp/wflo-start.sh"  # noqa: S108 - in the container; writable by the broker's user
# The advertised port is known only once the container runs: it waits for this script.
# An advertised localhost may be ::1 for a client; `{host}` is an address.
ADVERTISED = f"PLAINTEXT://{{host}}:{{port:main}},BROKER://{{name}}:{INTERNAL_PORT}"
SCRIPT = f"#!/bin/sh\nexec /etc/kafka/docker/run KAFKA_ADVERTISED_LISTENERS={ADVERTISED}\n"
# Under these flags the class archive of the local image was made; with others it is not used.
_JVM_FLAGS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def spec(name: str, settings: Mapping[str, Any]) -> Spec:
    """Return what to run for the server `name`; nothing if `bootstrap_servers` names a cluster.

    Raises SettingError for `bootstrap_servers` that cannot be used.
    """
    timeout = float(settings.get("startup_timeout") or 60)
    if servers := settings.get("bootstrap_servers"):
        addresses(servers)
        return Spec(service="kafka", name=name, external=servers, startup_timeout=timeout)
    from wflo_testkit.catalog import official

    return Spec(
        service="kafka",
        name=name,
        networked=False,
        image=settings.get("image") or official("kafka"),
        command=("sh", "-c", f"until [ -s {START} ]; do sleep 0.02; done; exec sh {START}"),
        environment=_environment(settings),
        ports={MAIN: PORT},
        files={START: SCRIPT},
        startup_timeout=timeout,
    )


def external(spec: Spec) -> KafkaServer:
    """Return the cluster that `spec.external` names; connects to nothing."""
    host, port = addresses(spec.external)[0]
    return KafkaServer.outside(spec, host, port, options={"bootstrap_servers": spec.external})


def addresses(text: str) -> list[tuple[str, int]]:
    """Read host:port[,host:port]. Raises SettingError."""
    found = []
    for each in text.split(","):
        host, colon, port = each.strip().rpartition(":")
        if not (host and colon and port.isascii() and port.isdigit()) or "/" in each:
            raise SettingError(
                "the address of the external Kafka cluster cannot be used",
                cause=f"{each.strip()!r} is not host:port",
                looked_at="setting kafka_bootstrap_servers, or the variable that sets it",
                fix="write it as host:port, several with commas",
            )
        found.append((host.strip("[]"), int(port)))
    return found


def _environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the broker's whole configuration.

    Whole, because the image drops its own server.properties as soon as one setting is given.
    """
    properties = {
        **_KRAFT,
        **_SINGLE,
        "auto.create.topics.enable": settings.get("auto_create_topics") or False,
        **(settings.get("properties") or {}),
    }
    heap = settings.get("heap") or "256m"
    return {
        "CLUSTER_ID": "d2Zsby10ZXN0a2l0AAAAAA",
        "KAFKA_HEAP_OPTS": f"-Xms{heap} -Xmx{heap}",
        "KAFKA_JVM_PERFORMANCE_OPTS": _JVM_FLAGS,
        **{variable(key): word(value) for key, value in properties.items()},
    }


def variable(key: str) -> str:
    """Return the variable from which the image makes the property `key` (a.b_c-d)."""
    name = key.replace("_", "__").replace("-", "___").replace(".", "_")
    return f"KAFKA_{name.upper()}"


def word(value: Any) -> str:
    """Return a value as Kafka's properties have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


# No host names in `listeners`: 3.9 refuses 0.0.0.0 there (KAFKA-18281).
_KRAFT: dict[str, Any] = {
    "node.id": 1,
    "process.roles": "broker,controller",
    "controller.quorum.voters": f"1@localhost:{CONTROLLER_PORT}",
    "controller.listener.names": "CONTROLLER",
    "listeners": f"PLAINTEXT://:{PORT},BROKER://:{INTERNAL_PORT},CONTROLLER://:{CONTROLLER_PORT}",
    "listener.security.protocol.map": ("BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    "inter.broker.listener.name": "BROKER",
}
# One broker, data that nobody keeps. The rebalance delay is 3 s by default, and the internal
# topics have 50 partitions.
_SINGLE: dict[str, Any] = {
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "group.initial.rebalance.delay.ms": 0,
    "log.flush.interval.messages": 9223372036854775807,
    "log.cleaner.dedupe.buffer.size": 2097152,
    "log.segment.delete.delay.ms": 1000,
}
