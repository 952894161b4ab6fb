"""conftest.py of the usual way: generic containers of Testcontainers, log lines to wait for.

Kafka's container waits for a script with its published port, as Testcontainers' own class does.
"""

import io
import os
import tarfile
from collections.abc import Iterator

import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

START = "/tmp/start.sh"
KAFKA = {
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
}


def running(container: DockerContainer, line: str) -> Iterator[DockerContainer]:
    with container.waiting_for(LogMessageWaitStrategy(line)) as started:
        yield started


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[DockerContainer]:
    made = DockerContainer(os.environ["BENCH_POSTGRES"]).with_exposed_ports(5432)
    made.with_env("POSTGRES_PASSWORD", "test")
    yield from running(made, "PostgreSQL init process complete")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[DockerContainer]:
    made = DockerContainer(os.environ["BENCH_REDIS"]).with_exposed_ports(6379)
    yield from running(made, "Ready to accept connections")


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[DockerContainer]:
    made = DockerContainer(os.environ["BENCH_KAFKA"]).with_exposed_ports(9092)
    made.with_command(["sh", "-c", f"until [ -s {START} ]; do sleep 0.1; done; exec sh {START}"])
    for name, value in KAFKA.items():
        made.with_env(name, value)
    with made as started:
        port = started.get_exposed_port(9092)
        advertised = f"PLAINTEXT://127.0.0.1:{port},BROKER://localhost:9093"
        script = f"exec /etc/kafka/docker/run KAFKA_ADVERTISED_LISTENERS={advertised}\n"
        started.get_wrapped_container().put_archive("/", archive(script.encode()))
        LogMessageWaitStrategy("Kafka Server started").wait_until_ready(started)
        yield started


@pytest.fixture(scope="session")
def temporal_server() -> Iterator[DockerContainer]:
    made = DockerContainer(os.environ["BENCH_TEMPORAL"]).with_exposed_ports(7233)
    made.with_command(["server", "start-dev", "--ip", "0.0.0.0"])
    yield from running(made, "Server:")


def archive(script: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(START.lstrip("/"))
        member.size, member.mode = len(script), 0o755
        tar.addfile(member, io.BytesIO(script))
    return buffer.getvalue()
