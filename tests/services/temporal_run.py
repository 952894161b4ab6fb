"""A Temporal server behind a real broker, as tests of it need one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.services.asker import Asker, asker, row
from wflo_testkit.broker.broker import Broker
from wflo_testkit.runtime.docker_session import DockerSession


@contextmanager
def started(**settings: Any) -> Iterator[Asker]:
    """Start a server with these settings in a run of its own, removed at the end."""
    broker = Broker({"temporal": row("temporal")}, DockerSession(secrets.token_hex(4)))
    try:
        yield asker(broker, "temporal", **settings)
    finally:
        broker.close()


@pytest.fixture(scope="module")
def temporal() -> Iterator[Asker]:
    with started() as running:
        yield running


@pytest.fixture(autouse=True)
def no_warnings_from_before(request: pytest.FixtureRequest) -> None:
    if "temporal" in request.fixturenames:
        request.getfixturevalue("temporal").warnings.clear()


@contextmanager
def client_and_worker(asked: Asker, handle: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what `temporal_client` and `temporal_worker` are for a test."""
    with asked.opened("client", handle) as client, asked.opened("worker", handle) as worker:
        yield client, worker
