"""An account that may not do what the kit needs is told what to grant, and that is enough."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.services.asker import Asker, asker, run_of_its_own
from tests.services.external.planted import begin_workflow
from tests.services.external.witness import assert_gone, left_by
from tests.services.temporal_run import started
from tests.services.test_kafka_topics import send
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import IsolationFailed, ServiceUnavailable
from wflo_testkit.model import Server
from wflo_testkit.wait import wait_until

ANYBODY = "User:ANONYMOUS"
INTERNAL = ("__consumer_offsets", "__transaction_state")


@contextmanager
def external(service: str, **address: str) -> Iterator[tuple[Asker, str]]:
    """Use a server by its address, in a run of its own; yields who asks, and the run's id."""
    with run_of_its_own() as broker:
        yield asker(broker, service, **address), broker._session.run


@pytest.fixture(scope="module")
def strict_kafka(service_core: Broker) -> Server:
    """A cluster whose anonymous users may use everything but make nothing."""
    from kafka.admin import (
        ACL,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        KafkaAdminClient,
        ResourcePattern,
        ResourceType,
    )

    server = asker(
        service_core,
        "kafka",
        name="strict",
        properties={
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "true",
        },
    ).server
    cluster = ResourcePattern(ResourceType.CLUSTER, "kafka-cluster")
    everything = ResourcePattern(ResourceType.TOPIC, "*", ACLResourcePatternType.LITERAL)
    # The first rule about a resource takes it from everybody: the broker needs these itself.
    rules = [(cluster, name) for name in ("ALTER", "CLUSTER_ACTION", "DESCRIBE")]
    rules += [(everything, name) for name in ("DESCRIBE", "READ")]
    rules += [(ResourcePattern(ResourceType.TOPIC, name), "ALL") for name in INTERNAL]
    client = KafkaAdminClient(bootstrap_servers=server.url)  # type: ignore[attr-defined]
    client.create_acls(
        [
            ACL(ANYBODY, "*", ACLOperation[name], ACLPermissionType.ALLOW, resource)
            for resource, name in rules
        ]
    )
    client.close()
    return server


@pytest.mark.slow
def test_on_a_cluster_that_lets_nobody_make_topics_the_grant_is_named_and_enough(
    strict_kafka: Server,
) -> None:
    from kafka.admin import KafkaAdminClient

    with external("kafka", bootstrap_servers=strict_kafka.url) as (asked, run):
        # The cluster has stored the rules, and heeds them a moment later.
        error = wait_until(lambda: _refusal(asked), timeout=30, poll=0.2)
        words = shlex.split((error.fix or "").removeprefix("grant it: ").partition(";")[0])
        client = KafkaAdminClient(bootstrap_servers=strict_kafka.url)
        client.create_acls(_acls(words))
        client.close()
        wait_until(lambda: _makes_a_topic(asked), timeout=30, poll=0.2, catch=ServiceUnavailable)
        with asked.lease() as handle:
            topic = handle.create("orders")
            send(handle, topic, b"one")
            with asked.opened("consumer", handle) as make:
                consumer = make(topic, group="readers")
                assert next(consumer).value == b"one"
                consumer.commit()

    assert words[:3] == ["kafka-acls.sh", "--bootstrap-server", strict_kafka.url]
    assert_gone(strict_kafka, run)


def _acls(words: list[str]) -> list[Any]:
    """Read kafka-acls.sh's own arguments, as far as the kit names them."""
    from kafka.admin import (
        ACL,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePattern,
        ResourceType,
    )

    given = dict(zip(words[4::2], words[5::2], strict=True))
    kinds = {
        "--topic": ResourceType.TOPIC,
        "--group": ResourceType.GROUP,
        "--transactional-id": ResourceType.TRANSACTIONAL_ID,
    }
    pattern = ACLResourcePatternType[given["--resource-pattern-type"].upper()]
    operation = ACLOperation[given["--operation"].upper()]
    return [
        ACL(
            given["--allow-principal"],
            "*",
            operation,
            ACLPermissionType.ALLOW,
            ResourcePattern(kind, given[option], pattern),
        )
        for option, kind in kinds.items()
    ]


@pytest.fixture(scope="module")
def closed_temporal() -> Iterator[Asker]:
    """A server that registers no namespaces: its limit for that is nought."""
    with started(
        name="closed",
        namespaces=0,
        dynamic_config={
            "frontend.rps.namespaceReplicationInducingAPIs": 0,
            "frontend.namespaceRPS.maxNamespaceReplicationInducingAPIs": 0,
        },
    ) as asked:
        yield asked


@pytest.mark.slow
def test_where_no_namespace_can_be_registered_one_for_all_tests_will_do(
    closed_temporal: Asker,
) -> None:
    address = closed_temporal.server.url
    with external("temporal", address=address) as (asked, run):
        with pytest.raises(IsolationFailed) as caught, asked.lease():
            pass
        assert "temporal_namespace" in (caught.value.fix or "")
    assert_gone(closed_temporal.server, run)

    with (
        external("temporal", address=address, namespace="default") as (asked, run),
        asked.lease() as handle,
    ):
        assert handle.namespace == "default"
        begin_workflow(closed_temporal.server, handle.workflow_id("order"))
        assert left_by(closed_temporal.server, run)
    assert_gone(closed_temporal.server, run)


def _refusal(asked: Asker) -> ServiceUnavailable | None:
    try:
        _makes_a_topic(asked)
    except ServiceUnavailable as error:
        return error
    return None


def _makes_a_topic(asked: Asker) -> bool:
    with asked.lease() as handle:
        return bool(handle.create("first"))
