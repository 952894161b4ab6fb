"""The Kafka image's contract: configuration from variables and files, listeners, tools, end."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from tests.images.conftest import Box
from wflo_testkit.model import MAIN
from wflo_testkit.probing import NotReady
from wflo_testkit.services.kafka.probe import probe
from wflo_testkit.services.kafka.server import KafkaServer
from wflo_testkit.wait import wait_until

with warnings.catch_warnings():
    # kafka-python 3.0 reads its schemas by a function that Python 3.11 calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
    from kafka.admin import NewTopic
    from kafka.errors import KafkaError

# A container or two for each test; what every image declares is checked in test_declarations.py.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

Run = Callable[..., Box]

# A complete broker: one variable outside the exclude list drops the default file entirely.
BROKER = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,BROKER://:9093,CONTROLLER://:9094",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": (
        "BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
    ),
    "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
}
WAITING = ["sh", "-c", "until [ -s /tmp/x.sh ]; do sleep 0.02; done; exec sh /tmp/x.sh"]
STARTED = "Kafka Server started"
STARTING = 120
"""Seconds for a start on a busy machine: the published image starts Java twice."""
PROPERTIES = "cat /opt/kafka/config/server.properties"


@pytest.fixture
def broker(run: Run) -> Callable[..., tuple[Box, str]]:
    """Start a broker that advertises its mapped port; return it and its address."""

    def start(environment: dict[str, str] | None = None, **options: Any) -> tuple[Box, str]:
        variables = BROKER | (environment or {})
        box = run("kafka", WAITING, ports=(9092,), environment=variables, **options)
        address = f"127.0.0.1:{box.port(9092)}"
        advertised = f"PLAINTEXT://{address},BROKER://localhost:9093"
        box.put(
            "/tmp/x.sh",
            f"exec /etc/kafka/docker/run KAFKA_ADVERTISED_LISTENERS={advertised}\n",
        )
        box.wait_for_log(STARTED, STARTING)
        return box, address

    return start


def admin(address: str) -> KafkaAdminClient:
    """Return an admin client once the broker takes it."""
    return wait_until(
        lambda: KafkaAdminClient(bootstrap_servers=address),
        timeout=60,
        describe="Kafka answers",
        catch=(KafkaError, OSError),
    )


def wait_for_answer(box: Box) -> None:
    """Wait for a broker whose log is silent: any level for the root logger silences the published
    image's, whose appenders go with it."""
    server = KafkaServer(
        service="kafka", name="kafka", host="127.0.0.1", ports={MAIN: box.port(9092)}
    )

    def answers() -> bool:
        """Tell whether it does, whatever address it advertises."""
        probe(server)
        return True

    def exited() -> None:
        box.container.reload()
        assert box.container.status == "running", box.logs()

    wait_until(answers, timeout=STARTING, catch=(NotReady, OSError), give_up=exited)


def test_a_client_outside_writes_and_reads(broker: Callable[..., tuple[Box, str]]) -> None:
    """Over the advertised address, with a group."""
    _, address = broker()
    client = admin(address)
    client.create_topics([NewTopic("t", num_partitions=1, replication_factor=1)])
    client.close()
    producer = KafkaProducer(bootstrap_servers=address)
    producer.send("t", b"hello").get(timeout=20)
    producer.close()
    options = {"group_id": "g", "auto_offset_reset": "earliest", "consumer_timeout_ms": 20_000}
    consumer = KafkaConsumer("t", bootstrap_servers=address, **options)

    message = next(iter(consumer))
    consumer.close()

    assert message.value == b"hello"


def test_the_default_configuration(run: Run) -> None:
    """Without any variable a single node serves localhost:9092."""
    box = run("kafka")
    box.wait_for_log(STARTED, STARTING)

    properties = box.sh(PROPERTIES)

    assert "log.dirs=/tmp/kraft-combined-logs" in properties
    assert "advertised.listeners=PLAINTEXT://localhost:9092" in properties
    assert "5L6g3nShT-eMCtK--X86sw" in box.sh("cat /tmp/kraft-combined-logs/meta.properties")


def test_any_variable_drops_the_default_file(run: Run) -> None:
    """What is left is too little for a broker, which says so and exits."""
    box = run("kafka", environment={"KAFKA_NUM_PARTITIONS": "3"})

    assert box.exit_code(STARTING) != 0
    assert "process.roles" in box.logs()


def test_excluded_variables_keep_the_default_file(run: Run) -> None:
    excluded = {
        "KAFKA_HEAP_OPTS": "-Xmx300m",
        "KAFKA_JVM_PERFORMANCE_OPTS": "-XX:+UseSerialGC",
        "KAFKA_LOG4J_ROOT_LOGLEVEL": "OFF",
        "KAFKA_OPTS": "-Dseen=yes",
    }
    box = run("kafka", ports=(9092,), environment=excluded)
    wait_for_answer(box)

    words = box.sh("tr '\\0' ' ' < /proc/1/cmdline")

    assert "log.dirs=/tmp/kraft-combined-logs" in box.sh(PROPERTIES)
    assert "-Xmx300m" in words
    assert "-Dseen=yes" in words
    assert "-XX:+UseSerialGC" in words


def test_names_of_variables(broker: Callable[..., tuple[Box, str]]) -> None:
    """One underscore is a dot, two are an underscore, three a hyphen."""
    names = {"KAFKA_X_ONE": "1", "KAFKA_X__TWO": "2 = two", "KAFKA_X___THREE": "3"}
    box, _ = broker(names)

    lines = box.sh(PROPERTIES).splitlines()

    assert {"x.one=1", "x_two=2 = two", "x-three=3"} <= set(lines)


def test_variables_come_after_a_mounted_file(create: Callable[..., Box]) -> None:
    """So they win; the file's other entries stay."""
    box = create("kafka", environment={"KAFKA_NUM_PARTITIONS": "7"})
    entries = [
        "process.roles=broker,controller",
        "node.id=1",
        "controller.quorum.voters=1@localhost:9093",
        "listeners=PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners=PLAINTEXT://localhost:9092",
        "controller.listener.names=CONTROLLER",
        "num.partitions=2",
    ]
    box.put("/mnt/shared/config/server.properties", "\n".join(entries) + "\n", 0o644)
    box.container.start()
    box.wait_for_log(STARTED, STARTING)

    lines = box.sh(PROPERTIES).splitlines()

    assert lines.index("num.partitions=2") < lines.index("num.partitions=7")


def test_listeners_follow_from_the_advertised_ones(run: Run) -> None:
    """The controller's among them, without which no broker starts."""
    variables = {name: value for name, value in BROKER.items() if name != "KAFKA_LISTENERS"}
    advertised = {
        "KAFKA_ADVERTISED_LISTENERS": (
            "PLAINTEXT://somewhere:19092,BROKER://localhost:9093,CONTROLLER://localhost:9094"
        )
    }
    box = run("kafka", environment=variables | advertised)
    # Before that the file is the one that the image ships.
    box.wait_for_log(STARTED, STARTING)

    [line] = [row for row in box.sh(PROPERTIES).splitlines() if row.startswith("listeners=")]

    assert ":19092,BROKER://" in line
    assert "somewhere" not in line


@pytest.mark.parametrize("variables", [{}, BROKER], ids=["the default file", "from variables"])
def test_the_file_of_settings_has_no_newline_at_its_end(
    run: Run, variables: dict[str, str]
) -> None:
    """Whoever appends to it has to begin a line."""
    box = run("kafka", environment=variables)
    box.wait_for_log(STARTED, STARTING)

    last = box.sh("tail -c 1 /opt/kafka/config/server.properties | od -An -tx1")

    assert last != "0a"
    assert last.strip()


def test_a_cluster_id_of_ones_own(broker: Callable[..., tuple[Box, str]]) -> None:
    _, address = broker({"CLUSTER_ID": "4L6g3nShT-eMCtK--X86sw"})
    client = admin(address)

    described = client.describe_cluster()
    client.close()

    assert described["cluster_id"] == "4L6g3nShT-eMCtK--X86sw"


def test_storage_in_the_volume_outlives_a_restart(
    broker: Callable[..., tuple[Box, str]],
) -> None:
    """Formatted storage is taken as it is."""
    box, _ = broker({"KAFKA_LOG_DIRS": "/var/lib/kafka/data"})
    before = box.sh("cat /var/lib/kafka/data/meta.properties")
    box.container.stop(timeout=20)
    box.container.start()
    wait_until(lambda: box.logs().count(STARTED) == 2, timeout=STARTING)

    assert before == box.sh("cat /var/lib/kafka/data/meta.properties")


def test_two_log_folders_are_formatted_too(broker: Callable[..., tuple[Box, str]]) -> None:
    """What is no plain single folder is left to Kafka's own tool."""
    box, _ = broker({"KAFKA_LOG_DIRS": "/tmp/a,/tmp/b"})

    assert box.sh("grep -c directory.id /tmp/a/meta.properties") == "1"
    assert box.sh("grep -c directory.id /tmp/b/meta.properties") == "1"


def test_two_brokers_have_folders_of_different_ids(
    broker: Callable[..., tuple[Box, str]],
) -> None:
    script = "grep directory.id /tmp/kafka-logs/meta.properties"

    assert broker()[0].sh(script) != broker()[0].sh(script)


def test_levels_of_loggers(broker: Callable[..., tuple[Box, str]]) -> None:
    box, _ = broker({"KAFKA_LOG4J_LOGGERS": "kafka.server=DEBUG,org.apache.kafka=INFO"})

    assert " DEBUG " in box.logs()


def test_files_users_and_tools(run: Run) -> None:
    box = run("kafka", ["sleep", "60"], init=True)

    assert box.sh("id -un") == "appuser"
    assert box.sh("touch /opt/kafka/config/x && echo writable") == "writable"
    assert box.sh("command -v bash && command -v sh") != ""
    box.sh("test -x /etc/kafka/docker/run && test -f /etc/kafka/docker/log4j2.yaml")
    box.sh("test -f /etc/kafka/docker/server.properties && ls /opt/kafka/libs/kafka-clients-*.jar")


def test_command_line_tools(broker: Callable[..., tuple[Box, str]]) -> None:
    box, _ = broker()
    tool = "/opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:9093"

    box.sh(f"{tool} --create --if-not-exists --topic t")

    assert "t" in box.sh(f"{tool} --list").split()


def test_it_stops_at_once(broker: Callable[..., tuple[Box, str]]) -> None:
    """The JVM reports the signal as 128 + 15."""
    box, _ = broker()

    assert box.terminate() in (0, 143)
