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
from wflo_testkit.runtime.inputs import archive
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.warm import making, warm_images, work
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order
from wflo_testkit.wait import wait_until

# Java writes its archive by itself, at the end of a training run: minutes on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KAFKA = services.table()["kafka"]
RUN = r"""#!/bin/bash
set -e
for word; do export "$word"; done
config=/opt/kafka/config
/opt/kafka/bin/kafka-run-class.sh kafka.docker.KafkaDockerWrapper setup \
    --default-configs-dir /etc/kafka/docker --mounted-configs-dir /mnt/shared/config \
    --final-configs-dir $config
. /etc/kafka/docker/launch
"""
"""Starts a broker by the class of Kafka's own that writes the settings of the official image: none
of the files ends with a newline, and a level for the root logger takes its appenders away."""
LIKE_OFFICIAL = r"""
FROM {base}
USER root
RUN apt-get update && apt-get install -y openjdk-{java}-jre-headless busybox && apt-get clean \
 && update-alternatives --set java $(ls -d /usr/lib/jvm/java-{java}-*/bin/java)
# An archive of its own, in a flag that the kit has to replace.
RUN sed -i 's|-XX:AOTCache=[^ ]*|-XX:SharedArchiveFile=/opt/kafka/kafka.jsa|' \
    /etc/kafka/docker/launch
RUN mkdir /opt/busybox && busybox --install -s /opt/busybox
ENV PATH=/opt/busybox:$PATH
COPY run /etc/kafka/docker/run
USER appuser
"""
"""The local image, which is Debian's, made like the official one: Java, tools, files."""
ON_ALPINE = r"""
FROM eclipse-temurin:{java}-jre-alpine AS java
FROM {base}
COPY --from=java /opt/java/openjdk /opt/java/openjdk
"""
"""The official image with another Java, the way in which those images are meant to be used."""
SILENT = {"KAFKA_LOG4J_ROOT_LOGLEVEL": "OFF"}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    return Notes(UserFolder(tmp_path_factory.mktemp("machine") / "warm"))


@pytest.fixture(scope="module", params=[25, 21], ids=["Java 25", "Java 21, like the official"])
def spec(client: docker.DockerClient, request: pytest.FixtureRequest) -> Iterator[Spec]:
    """A broker under a certain Java; an image with that is built if the usual one has another.

    The log of the older one, which is the official image's, is silenced.
    """
    spec = spec_of("kafka")
    if request.param == 21:
        spec = dataclasses.replace(spec, environment={**spec.environment, **SILENT})
    usual = images.resolve(client, spec.image).reference
    if java_of(client, usual) == request.param:
        yield spec
        return
    tag = f"wflo-test-java:{secrets.token_hex(6)}"
    client.images.build(
        fileobj=context(client, usual, request.param),
        custom_context=True,
        tag=tag,
        network_mode="host",
        rm=True,
    )
    yield dataclasses.replace(spec, image=tag)
    client.images.remove(tag, force=True)


def context(client: docker.DockerClient, base: str, java: int) -> io.BytesIO:
    """Return what an image with another Java than that of `base` is built from."""
    is_alpine = output_of(client, base, "sh", "-c", "command -v apk || true").strip()
    text = (ON_ALPINE if is_alpine else LIKE_OFFICIAL).format(base=base, java=java)
    return io.BytesIO(archive({"Dockerfile": text, "run": RUN}))


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

    broker = begin(KAFKA, machine)
    server = broker.servers.get(spec)
    granted = broker.owner("main").lease(Ask(key=server.key, kind="topics", mode="", params={}))
    assert isinstance(granted, Grant)
    topic = broker.owner("main").call(
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


GLUED = r"""
cat >/tmp/wflo-warm/assemble.sh <<'END'
{
    printf %s "$(cat $warm/formatted.properties)"
    echo "advertised.listeners=$1"
} >$warm/server.properties
END
"""
"""The last setting and the listeners in one line."""


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ('mkdir "$(cat /tmp/wflo-warm/storage)/__cluster_metadata-0"', "a broker has used"),
        (GLUED, "lacks settings"),
        ("head -c 100 /dev/zero >/tmp/wflo-warm/classes", "exited with code"),
    ],
    ids=["used storage", "settings in one line", "broken archive"],
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
    assert warm_images.find(client, damaged.key) == ""
    assert images_of(client, damaged.key) == []


def test_a_broker_that_ends_ends_the_making(
    client: docker.DockerClient, ordered: Order, notes: Notes
) -> None:
    """At once, and with the end of its log."""
    fatal = "export KAFKA_NUM_IO_THREADS=0\n"
    doomed = dataclasses.replace(
        ordered,
        key=secrets.token_hex(12),
        # A silent log would keep what it ended of to itself.
        script=fatal + ordered.script.replace("export KAFKA_LOG4J_ROOT_LOGLEVEL=OFF\n", ""),
    )

    with pytest.raises(making.MakingFailed) as caught:
        making.make(client, doomed, notes)

    assert "num.io.threads" in caught.value.text


def test_a_making_that_takes_too_long_ends_by_itself(
    client: docker.DockerClient, ordered: Order, notes: Notes
) -> None:
    """Whoever began it may be dead by then."""
    slow = dataclasses.replace(
        ordered, key=secrets.token_hex(12), script="sleep 300", files={}, limit=2.0
    )

    with pytest.raises(making.MakingFailed, match="exited with code"):
        making.make(client, slow, notes)


def test_the_making_leaves_no_messages_of_its_own(client: docker.DockerClient, image: str) -> None:
    found = output_of(client, image, "sh", "-c", 'ls "$(cat /tmp/wflo-warm/storage)"')

    assert found.decode().split() == ["bootstrap.checkpoint", "meta.properties"]
