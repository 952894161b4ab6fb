"""Kafka as a user's suite meets it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import Run
from tests.services.asker import Asker

pytestmark = pytest.mark.usefixtures("kept_servers")

EVERYTHING = """
import pytest

@pytest.mark.parametrize("n", range(8))
def test_event(kafka_topics, kafka_producer, kafka_consumer, n):
    topic = kafka_topics.create("orders")
    kafka_producer.send(topic, b"%d" % n).get(timeout=10)
    assert [r.value for r in kafka_topics.read(topic, count=1, timeout=10)] == [b"%d" % n]
    assert next(kafka_consumer(topic, group="readers")).value == b"%d" % n

def test_admin(kafka_topics, kafka_admin):
    assert kafka_topics.create("orders") in kafka_admin.list_topics()
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two workers"])
def test_every_fixture_works(run_suite: Run, workers: tuple[str, ...]) -> None:
    run_suite(EVERYTHING, *workers).assert_outcomes(passed=9)


@pytest.mark.slow
def test_what_is_left_open_is_warned_about_by_the_tests_name(run_suite: Run) -> None:
    result = run_suite(
        """
        left = []

        def test_forgets(kafka_topics, kafka_producer):
            from kafka import KafkaConsumer
            topic = kafka_topics.create("orders")
            kafka_producer.send(topic, b"one").get(timeout=10)
            left.append(KafkaConsumer(topic, bootstrap_servers=kafka_topics.bootstrap_servers,
                group_id=kafka_topics.group("careless"), auto_offset_reset="earliest"))
            next(left[0])

        def test_closes_it():
            left.pop().close()
        """,
        "-W",
        "default",
    )
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*test_forgets: a consumer * left open in the group 'careless'*"])


INSIDE = """
import subprocess
import pytest

def from_inside(server, topics, script):
    inside = ["docker", "run", "--rm", "--network", server.network]
    for name, value in topics.internal_env().items():
        inside += ["-e", f"{name}={value}"]
    inside += ["--entrypoint", "sh", server.image, "-c", script]
    return subprocess.run(inside, capture_output=True, text=True, timeout=60)

def check(server, topics, producer):
    topic = topics.create("orders")
    producer.send(topic, b"seen from inside").get(timeout=10)
    done = from_inside(server, topics,
        "/opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server $KAFKA_BOOTSTRAP_SERVERS"
        f" --topic {topic} --from-beginning --max-messages 1 --timeout-ms 20000")
    assert done.stdout.strip() == "seen from inside", done.stderr

def test_shared(kafka_server, kafka_topics, kafka_producer):
    check(kafka_server, kafka_topics, kafka_producer)
"""
OWN = """
@pytest.mark.wflo(kafka="own_server")
def test_own(kafka_topics, kafka_producer, kafka_server):
    assert kafka_topics.bootstrap_servers != kafka_server.bootstrap_servers
    assert kafka_topics.internal_bootstrap_servers.startswith("kafka-")
    check(kafka_server, kafka_topics, kafka_producer)
"""


@pytest.mark.slow
def test_a_container_of_the_network_uses_the_internal_address(run_suite: Run) -> None:
    run_suite(INSIDE).assert_outcomes(passed=1)


@pytest.mark.slow
def test_it_reaches_the_server_of_one_test_as_well(run_suite: Run) -> None:
    run_suite(INSIDE + OWN, "--wflo-fresh").assert_outcomes(passed=2)  # on one network


@pytest.mark.slow
def test_two_runs_at_once_on_one_cluster_stay_apart(run_suite: Run, kafka_started: Asker) -> None:
    option = f"--wflo-kafka-bootstrap-servers={kafka_started.server.url}"
    source = """
    import pytest

    @pytest.mark.parametrize("n", range(10))
    def test(kafka_topics, kafka_producer, n):
        topic = kafka_topics.create("orders", partitions=2)
        kafka_producer.send(topic, b"%d" % n).get(timeout=10)
        assert [r.value for r in kafka_topics.read(topic, count=1)] == [b"%d" % n]
        with pytest.raises(Exception, match="of 2 records"):
            kafka_topics.read(topic, count=2, timeout=2)
    """
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(run_suite, source, option, "-n", "2") for _ in range(2)]
        for each in runs:
            each.result().assert_outcomes(passed=10)
