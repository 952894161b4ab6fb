"""Containers of the kit without pytest's fixtures in between."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.services.third_party import notes_service
from wflo_testkit.broker.broker import Broker
from wflo_testkit.model import Spec
from wflo_testkit.runtime.docker_session import DockerSession


@pytest.fixture
def session() -> Iterator[DockerSession]:
    """A run of its own, removed with everything in it."""
    session = DockerSession(secrets.token_hex(4))
    yield session
    session.close()


@pytest.fixture
def broker(session: DockerSession) -> Broker:
    """A broker that knows the notes service only."""
    return Broker({"notes": notes_service.SERVICE}, session)


@pytest.fixture
def spec() -> Spec:
    """A small server that starts in a quarter of a second."""
    return notes_service.spec("notes", {"image": "", "memory": "16mb"})
