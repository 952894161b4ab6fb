"""Warm images of a kit version that one test module has to itself: no others are touched."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from tests.services.bystander import bystander
from tests.warm.parts import Processes, remove_all_of
from wflo_testkit import catalog
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.warming import Warming
from wflo_testkit.runtime import daemon, images
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.warm import making
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order
from wflo_testkit.service import Service

__all__ = ["bystander"]

Begin = Callable[..., Broker]


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = daemon.connect().client
    yield client
    client.close()


@pytest.fixture(scope="module")
def kit(client: docker.DockerClient) -> Iterator[str]:
    """The version that these tests pretend to be; at the end its images go, and what made them."""
    kit = f"test-{secrets.token_hex(6)}"
    yield kit
    remove_all_of(client, kit)


@pytest.fixture(scope="module", autouse=True)
def makers_of_equal_weight() -> Iterator[None]:
    """Behind the other tests of a busy machine they would take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "SHARES", 1024)
        yield


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    """The notes of a machine that has none yet."""
    return Notes(UserFolder(tmp_path / "warm"))


@pytest.fixture
def own_images(tmp_path: Path, fresh_environment: pytest.MonkeyPatch) -> Notes:
    """The notes that the runs of one test find; what they make, no other test's runs can use."""
    fresh_environment.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fresh_environment.setenv("WFLO_TESTKIT_WARM_IMAGES", "1")
    # A key that nobody else has: a parameter of a class that Postgres leaves to others.
    unique = json.dumps({"wflo.test": secrets.token_hex(6)})
    fresh_environment.setenv("WFLO_TESTKIT_POSTGRES_ARGUMENTS", unique)
    return Notes(UserFolder(tmp_path / "cache" / "wflo-testkit" / "warm"))


@pytest.fixture
def order(client: docker.DockerClient, kit: str) -> Order:
    """A quick image that nobody has ordered yet: a word in a file of a small image."""
    base = images.resolve(client, catalog.official("redis"))
    return Order(
        key=secrets.token_hex(12),
        name="words",
        reference=base.reference,
        base=base.id,
        kit=kit,
        script="echo made >/word",
        check="[ -s /word ]",
        files={},
        limit=60.0,
        password="",
    )


@pytest.fixture
def begin(kit: str) -> Iterator[Begin]:
    """Begin a run in this process: begin(service, notes) -> its broker; warm if there are notes."""
    begun: list[Broker] = []

    def begin(service: Service, notes: Notes | None, *, may_make: bool = False) -> Broker:
        warming = Warming(kit, notes, may_make=may_make) if notes is not None else None
        session = DockerSession(secrets.token_hex(4))
        begun.append(Broker({service.name: service}, session, None, warming))
        return begun[-1]

    yield begin
    for broker in begun:
        broker.close()


@pytest.fixture
def processes(root: Path) -> Iterator[Processes]:
    """Makers in processes of their own, killed at the end."""
    processes = Processes(root)
    yield processes
    processes.close()
