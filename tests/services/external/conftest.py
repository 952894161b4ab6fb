"""Servers that play somebody else's, and suites that use them until they are killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lifecycle.runs import Launched
from tests.services.asker import asker
from tests.services.external.suites import launch
from wflo_testkit.broker.broker import Broker
from wflo_testkit.model import Server

Start = Callable[..., Launched]


@pytest.fixture
def server(request: pytest.FixtureRequest, service_core: Broker) -> Server:
    """Somebody else's server of the kind that the test names, by default a Redis."""
    return asker(service_core, getattr(request, "param", "redis")).server


@pytest.fixture
def start(tmp_path: Path, fresh_environment: pytest.MonkeyPatch) -> Iterator[Start]:
    """start(server, name): a suite that holds a part of it; killed at the end of the test.

    ago: seconds by which its clock is slow, so that it has begun so much earlier.
    """
    launched: list[Launched] = []

    def start(server: Server, name: str, ago: float = 0) -> Launched:
        launched.append(launch(server, tmp_path / name, BEGAN_AGO=str(ago)))
        return launched[-1]

    yield start
    for each in launched:
        each.end()
