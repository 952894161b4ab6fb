"""What the settings make of Kafka: its configuration, its addresses, its probe, an external one."""

from __future__ import annotations

import struct

import pytest

from tests.services.answering import answering
from tests.services.asker import Asker, asker, run_of_its_own
from tests.services.test_kafka_topics import admin, send
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import SettingError
from wflo_testkit.model import MAIN
from wflo_testkit.probing import NotReady
from wflo_testkit.services.kafka import SERVICE, KafkaServer
from wflo_testkit.services.kafka.probe import probe
from wflo_testkit.services.kafka.spec import variable


def test_properties_become_the_variables_that_the_image_reads() -> None:
    assert variable("auto.create.topics.enable") == "KAFKA_AUTO_CREATE_TOPICS_ENABLE"
    assert variable("a.b_c-d") == "KAFKA_A_B__C___D"


def test_given_properties_win_over_the_kits() -> None:
    spec = SERVICE.spec(
        "kafka", {"properties": {"offsets.topic.num.partitions": 3, "x.y": True}, "heap": "1g"}
    )

    assert spec.environment["KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS"] == "3"
    assert spec.environment["KAFKA_X_Y"] == "true"
    assert spec.environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert spec.environment["KAFKA_HEAP_OPTS"] == "-Xms1g -Xmx1g"


@pytest.mark.parametrize("text", ["host", "host:", ":9092", "host:port", "kafka://h:1", "a:1,,b:2"])
def test_addresses_that_cannot_be_used_are_named(text: str) -> None:
    with pytest.raises(SettingError, match="is not host:port"):
        SERVICE.spec("kafka", {"bootstrap_servers": text})


def test_a_cluster_of_several_brokers_keeps_all_its_addresses() -> None:
    server = SERVICE.external(SERVICE.spec("kafka", {"bootstrap_servers": "a:1, [::1]:2"}))

    assert isinstance(server, KafkaServer)
    assert server.bootstrap_servers == server.internal_bootstrap_servers == "a:1, [::1]:2"
    assert (server.host, server.port) == ("a", 1)


def test_both_sides_have_their_address(kafka_started: Asker) -> None:
    server = kafka_started.server

    assert isinstance(server, KafkaServer)
    assert server.env() == {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{server.port}"}
    assert server.internal_env() == {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9093"}


@pytest.mark.slow
def test_topics_are_made_by_naming_them_on_request_only(service_core: Broker) -> None:
    lenient = asker(service_core, "kafka", name="lenient", auto_create_topics=True)
    with lenient.lease() as handle, lenient.opened("producer", handle) as producer:
        topic = handle.unique_name("by-naming")
        producer.send(topic, b"one").get(timeout=10)

        assert [record.value for record in handle.read(topic)] == [b"one"]
    lenient.broker.discard(lenient.server.key)


def test_on_an_external_cluster_a_run_leaves_nothing(kafka_asker: Asker) -> None:
    with kafka_asker.lease() as watching, admin(watching) as client:
        theirs = watching.create("theirs")
        before = set(client.list_topics())
        with run_of_its_own() as broker:
            external = asker(broker, "kafka", bootstrap_servers=kafka_asker.server.url)
            with external.lease() as handle:
                topic = handle.create("orders")
                send(handle, topic, b"one")
                with external.opened("consumer", handle) as make:
                    consumer = make(topic, group="readers")
                    next(consumer)
                    consumer.commit()
            with external.lease(keep=True) as kept:
                kept.create("evidence")
            # The broker makes its own topics when it is first asked for groups.
            made = {name for name in client.list_topics() if not name.startswith("__")}
            made -= before

            assert made == {topic, kept.unique_name("evidence")}  # nothing was made ahead
        groups = [group["group_id"] for group in client.list_groups()]

        assert theirs in client.list_topics()
        assert not made & set(client.list_topics())
        assert handle.group("readers") not in groups


def frame(body: bytes) -> bytes:
    return struct.pack(">ii", len(body) + 4, 1) + body


def broker_at(port: int) -> KafkaServer:
    return KafkaServer(service="kafka", name="kafka", host="127.0.0.1", ports={MAIN: port})


VERSIONS = frame(struct.pack(">hi", 0, 0))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed before an answer"),
        (VERSIONS, "closed before an answer"),
        (frame(struct.pack(">hi", 35, 0)) + frame(b"\0" * 8), "error 35"),
        (VERSIONS + frame(struct.pack(">ii", 0, 0)), "no broker has joined"),
        (b"HTTP/1.1 400 Bad Request", "not a Kafka broker"),
    ],
)
def test_a_fake_broker_that_is_not_ready_is_told_from_one_that_is(
    answer: bytes, words: str
) -> None:
    with answering(answer) as port, pytest.raises(NotReady, match=words):
        probe(broker_at(port))
    with answering(VERSIONS + frame(struct.pack(">ii", 0, 1))) as port:
        probe(broker_at(port))
