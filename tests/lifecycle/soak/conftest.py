"""A made-up machine for each test, and the daemon as the counters look at it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lifecycle.soak.machine import Machine
from wflo_testkit.runtime import daemon, labels


@pytest.fixture
def machine(
    tmp_path: Path, fresh_environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as temp:
        machine = Machine(tmp_path, Path(temp))
        monkeypatch.setattr(labels, "_host", lambda: machine.host)
        yield machine
        machine.close()


@pytest.fixture
def api() -> Iterator[Any]:
    """docker-py's low-level client."""
    client = daemon.connect().client
    yield client.api
    client.close()
