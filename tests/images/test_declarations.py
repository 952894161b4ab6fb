"""What each image declares: the same for the published one and its stand-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import docker
import pytest

from tests.images_at_hand import MAY_BE_BUILT
from wflo_testkit import catalog
from wflo_testkit.runtime import inputs
from wflo_testkit.runtime.images import ResolvedImage

SERVICES = [
    *(entry.name for entry in catalog.entries().values() if entry.role in ("service", "test")),
    *(
        pytest.param(entry.name, marks=MAY_BE_BUILT)
        for entry in catalog.entries().values()
        if entry.role == "version"
    ),
]

RABBITMQ_PORTS = {f"{port}/tcp" for port in (4369, 5671, 5672, 15691, 15692, 25672)}

Config = dict[str, Any]


@pytest.fixture
def config(
    client: docker.DockerClient, image_of: Callable[[str], ResolvedImage], name: str
) -> Config:
    """The image's configuration."""
    answer: Config = client.api.inspect_image(image_of(name).reference)["Config"]
    return answer


@pytest.mark.parametrize(
    ("name", "entrypoint"),
    [
        ("postgres", ["docker-entrypoint.sh"]),
        ("redis", ["docker-entrypoint.sh"]),
        ("temporal", ["temporal"]),
        ("ryuk", None),
        ("python", None),
        ("rabbitmq", ["docker-entrypoint.sh"]),
        ("rabbitmq-management", ["docker-entrypoint.sh"]),
        ("nginx", ["/docker-entrypoint.sh"]),
    ],
)
def test_entrypoint(config: Config, entrypoint: list[str] | None) -> None:
    """Kafka is not listed: its published image inherits one that runs its arguments."""
    assert entrypoint == (config["Entrypoint"] or None)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("postgres", ["postgres"]),
        ("redis", ["redis-server"]),
        ("kafka", ["/etc/kafka/docker/run"]),
        ("temporal", None),
        ("ryuk", ["/bin/ryuk"]),
        ("python", ["python3"]),
        ("rabbitmq", ["rabbitmq-server"]),
        ("rabbitmq-management", ["rabbitmq-server"]),
        ("nginx", ["nginx", "-g", "daemon off;"]),
    ],
)
def test_command(config: Config, command: list[str] | None) -> None:
    assert command == (config["Cmd"] or None)


@pytest.mark.parametrize(
    ("name", "ports"),
    [
        ("postgres", {"5432/tcp"}),
        ("redis", {"6379/tcp"}),
        ("kafka", {"9092/tcp"}),
        ("python", set()),
        ("rabbitmq", RABBITMQ_PORTS),
        ("rabbitmq-management", RABBITMQ_PORTS | {"15671/tcp", "15672/tcp"}),
        ("nginx", {"80/tcp"}),
    ],
)
def test_ports(config: Config, ports: set[str]) -> None:
    assert ports == set(config.get("ExposedPorts") or ())


@pytest.mark.parametrize(
    ("name", "volumes"),
    [
        ("postgres", {"/var/lib/postgresql/data"}),
        pytest.param("postgres-13", {"/var/lib/postgresql/data"}, marks=MAY_BE_BUILT),
        pytest.param("postgres-18", {"/var/lib/postgresql"}, marks=MAY_BE_BUILT),
        ("redis", {"/data"}),
        ("kafka", {"/etc/kafka/secrets", "/var/lib/kafka/data", "/mnt/shared/config"}),
        ("temporal", set()),
        ("ryuk", set()),
        ("python", set()),
        ("rabbitmq", {"/var/lib/rabbitmq"}),
        ("rabbitmq-management", {"/var/lib/rabbitmq"}),
        ("nginx", set()),
    ],
)
def test_volumes(config: Config, volumes: set[str]) -> None:
    assert volumes == set(config["Volumes"] or ())


@pytest.mark.parametrize(
    ("name", "users"),
    [
        ("postgres", {""}),
        ("redis", {""}),
        ("kafka", {"appuser"}),
        ("temporal", {"temporal"}),
        ("ryuk", {"", "root"}),
        ("python", {""}),
        ("rabbitmq", {""}),
        ("nginx", {""}),
    ],
)
def test_user(config: Config, users: set[str]) -> None:
    """Where no user is declared the entrypoint drops root by itself."""
    assert config["User"] in users


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("postgres", "LANG=en_US.utf8"),
        ("postgres", "PGDATA=/var/lib/postgresql/data"),
        ("postgres", "PG_MAJOR=17"),
        ("rabbitmq", "RABBITMQ_DATA_DIR=/var/lib/rabbitmq"),
        ("rabbitmq", "RABBITMQ_HOME=/opt/rabbitmq"),
        ("rabbitmq", "HOME=/var/lib/rabbitmq"),
        ("rabbitmq", "LANG=C.UTF-8"),
        ("nginx", "NGINX_VERSION=1.26.3"),
        pytest.param("postgres-13", "PG_MAJOR=13", marks=MAY_BE_BUILT),
        pytest.param("postgres-13", "PGDATA=/var/lib/postgresql/data", marks=MAY_BE_BUILT),
        pytest.param("postgres-18", "PG_MAJOR=18", marks=MAY_BE_BUILT),
        pytest.param("postgres-18", "PGDATA=/var/lib/postgresql/18/docker", marks=MAY_BE_BUILT),
    ],
)
def test_environment(config: Config, variable: str) -> None:
    assert variable in config["Env"]


@pytest.mark.parametrize("name", ["postgres"])
def test_postgres_stops_by_interrupt(config: Config) -> None:
    """SIGINT is the fast shutdown; SIGTERM would wait for every client."""
    assert config["StopSignal"] == "SIGINT"


@pytest.mark.parametrize("name", ["nginx"])
def test_nginx_stops_when_requests_are_answered(config: Config) -> None:
    """SIGQUIT is the graceful shutdown; SIGTERM cuts them off."""
    assert config["StopSignal"] == "SIGQUIT"


@pytest.mark.parametrize("name", ["redis"])
def test_redis_works_in_its_data_folder(config: Config) -> None:
    assert config["WorkingDir"] == "/data"


@pytest.mark.parametrize("name", ["ryuk"])
def test_ryuk_carries_the_label_that_spares_it(config: Config) -> None:
    assert config["Labels"]["org.testcontainers.ryuk"] == "true"


@pytest.mark.parametrize("name", SERVICES)
def test_no_image_carries_the_label_of_a_run(config: Config) -> None:
    """Ryuk also prunes images that match its filter."""
    assert "dev.wflo.testkit.run" not in (config["Labels"] or {})


@pytest.mark.parametrize("name", SERVICES)
def test_a_stand_in_names_what_it_was_built_from(
    config: Config, image_of: Callable[[str], ResolvedImage], name: str
) -> None:
    """The hash of its inputs; a published image has none."""
    labels = config["Labels"] or {}
    expected = inputs.digest(catalog.entries()[name]) if image_of(name).origin == "local" else None
    assert expected == labels.get(inputs.LABEL)


@pytest.mark.parametrize("name", SERVICES)
def test_no_certificate_of_the_build_host_stays_behind(
    client: docker.DockerClient, image_of: Callable[[str], ResolvedImage], name: str
) -> None:
    """Certificates of the host serve the download only."""
    history = client.api.history(image_of(name).reference)

    assert not [step for step in history if "/ca/" in step["CreatedBy"]]
