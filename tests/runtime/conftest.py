"""Containers of the kit without pytest's fixtures in between."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.services.third_party import notes_service
from wflo_testkit.broker.core import Core
from wflo_testkit.model import Spec
from wflo_testkit.runtime.session import Session


@pytest.fixture
def session() -> Iterator[Session]:
    """A run of its own, removed with everything in it."""
    session = Session(secrets.token_hex(4))
    yield session
    session.close()


@pytest.fixture
def core(session: Session) -> Core:
    """A broker that knows the notes service only."""
    return Core({"notes": notes_service.SERVICE}, session)


@pytest.fixture
def spec() -> Spec:
    """A small server that starts in a quarter of a second."""
    return notes_service.spec("notes", {"image": "", "memory": "16mb"})
