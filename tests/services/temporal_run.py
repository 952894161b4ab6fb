"""A Temporal server behind a real broker, as tests of it need one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.services.asker import Asker, asker, row
from wflo_testkit.broker.core import Core
from wflo_testkit.runtime.session import Session


@contextmanager
def started(**settings: Any) -> Iterator[Asker]:
    """Start a server with these settings in a run of its own, removed at the end."""
    core = Core({"temporal": row("temporal")}, Session(secrets.token_hex(4)))
    try:
        yield asker(core, "temporal", **settings)
    finally:
        core.close()


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
