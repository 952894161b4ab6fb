"""A warm Kafka: formatted storage that no broker has used, and an archive that Java takes."""

from __future__ import annotations

import dataclasses
import io
import re
import secrets
from collections.abc import Iterator

import docker
import pytest

from tests.warm.conftest import Begin
from tests.warm.parts import images_of
from tests.warm.test_keys import spec_of
from wflo_testkit import services
from wflo_testkit.broker.api import Ask
from wflo_testkit.broker.warming import order_of
from wflo_testkit.model import Grant, Server, Spec
from wflo_testkit.runtime import images
from wflo_testkit.runtime.reuse.home import Home
from wflo_testkit.runtime.warm import making, stock, work
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order
from wflo_testkit.wait import wait_until

# Java writes its archive by itself, at the end of a training run: minutes on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KAFKA = services.table()["kafka"]
OLDER = r"""
FROM {base}
USER root
RUN apt-get update && apt-get install -y openjdk-21-jre-headless && apt-get clean \
 && update-alternatives --set java $(ls -d /usr/lib/jvm/java-21-*/bin/java)
# As the official image does it: an archive of its own, in a flag that the kit has to replace.
RUN sed -i 's|-XX:AOTCache=[^ ]*|-XX:SharedArchiveFile=/opt/kafka/kafka.jsa|' \
    /etc/kafka/docker/launch
USER appuser
"""
"""The Java of the official image, from Debian's packages."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    return Notes(Home(tmp_path_factory.mktemp("machine") / "warm"))


@pytest.fixture(scope="module", params=[25, 21], ids=["Java 25", "Java 21"])
def spec(client: docker.DockerClient, request: pytest.FixtureRequest) -> Iterator[Spec]:
    """A broker under a certain Java; an image with that is built if the usual one has another."""
    spec = spec_of("kafka")
    usual = images.resolve(client, spec.image).reference
    if java_of(client, usual) == request.param:
        yield spec
        return
    tag = f"wflo-test-java:{secrets.token_hex(6)}"
    text = OLDER.format(base=usual).encode()
    client.images.build(fileobj=io.BytesIO(text), tag=tag, network_mode="host", rm=True)
    yield dataclasses.replace(spec, image=tag)
    client.images.remove(tag, force=True)


def output_of(client: docker.DockerClient, image: str, *command: str) -> bytes:
    """Run a command; docker-py's own `run(remove=True)` leaves the image's volumes behind."""
    container = client.containers.create(image, list(command))
    try:
        container.start()
        container.wait(timeout=60)
        return bytes(container.logs())
    finally:
        container.remove(force=True, v=True)


def java_of(client: docker.DockerClient, image: str) -> int:
    said = output_of(client, image, "java", "-version")
    found = re.search(rb'"(\d+)', said)
    assert found is not None, said
    return int(found[1])


@pytest.fixture(scope="module")
def ordered(client: docker.DockerClient, spec: Spec, kit: str) -> Order:
    return order_of(spec, KAFKA, images.resolve(client, spec.image), kit)


@pytest.fixture(scope="module")
def image(client: docker.DockerClient, ordered: Order, machine: Notes) -> str:
    return work.get(client, ordered, machine)[0]


def test_a_broker_from_it_takes_and_gives_messages(
    begin: Begin, machine: Notes, image: str, spec: Spec
) -> None:
    from kafka import KafkaConsumer, KafkaProducer

    core = begin(KAFKA, machine)
    server = core.servers.get(spec)
    granted = core.owner("main").lease(Ask(key=server.key, kind="topics", mode="", params={}))
    assert isinstance(granted, Grant)
    topic = core.owner("main").call(
        granted.id, "create", {"name": "tea", "partitions": 1, "configs": {}}
    )
    with KafkaProducer(bootstrap_servers=f"{server.host}:{server.port}") as producer:
        producer.send(topic, b"green").get(timeout=30)
    consumer = KafkaConsumer(
        topic, bootstrap_servers=f"{server.host}:{server.port}", auto_offset_reset="earliest"
    )
    [records] = consumer.poll(timeout_ms=30_000).values()
    consumer.close()

    assert image
    assert server.origin.endswith(", warm")
    assert [record.value for record in records] == [b"green"]


def test_java_is_started_as_the_image_does_it_but_with_the_new_archive(
    client: docker.DockerClient, begin: Begin, machine: Notes, image: str, spec: Spec
) -> None:
    words = command_of(client, begin(KAFKA, machine).servers.get(spec))
    cold = command_of(client, begin(KAFKA, None).servers.get(spec))

    def unlike(these: list[str], those: list[str]) -> list[str]:
        return [word for word in these if word not in those and not word.endswith(".properties")]

    assert image
    [added] = unlike(words, cold)
    assert re.fullmatch("-XX:(AOTCache|SharedArchiveFile)=/tmp/wflo-warm/classes", added)
    assert all(re.match("-XX:(AOTCache|SharedArchiveFile)=", word) for word in unlike(cold, words))


def command_of(client: docker.DockerClient, server: Server) -> list[str]:
    """Return the command line of a broker, without the path of Java."""

    def words() -> list[str]:
        """Return them once they come whole: Docker may lose what a short command prints."""
        done = client.containers.get(server.container_id).exec_run(["cat", "/proc/1/cmdline"])
        found = [word for word in done.output.decode().split("\0") if word][1:]
        return found if "kafka.Kafka" in found else []

    return wait_until(words, timeout=30)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ('mkdir "$(cat /tmp/wflo-warm/storage)/__cluster_metadata-0"', "a broker has used"),
        ("head -c 100 /dev/zero >/tmp/wflo-warm/classes", "exited with code"),
    ],
    ids=["used storage", "broken archive"],
)
def test_an_image_that_cannot_serve_is_caught(
    client: docker.DockerClient,
    image: str,
    ordered: Order,
    notes: Notes,
    damage: str,
    complaint: str,
) -> None:
    damaged = dataclasses.replace(
        ordered, key=secrets.token_hex(12), base=image, script=damage, files={}
    )

    with pytest.raises(making.MakingFailed) as caught:
        making.make(client, damaged, notes)

    assert complaint in caught.value.text
    assert stock.find(client, damaged.key) == ""
    assert images_of(client, damaged.key) == []


def test_the_making_leaves_no_messages_of_its_own(client: docker.DockerClient, image: str) -> None:
    found = output_of(client, image, "sh", "-c", 'ls "$(cat /tmp/wflo-warm/storage)"')

    assert found.decode().split() == ["bootstrap.checkpoint", "meta.properties"]
