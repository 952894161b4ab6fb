"""Owners of brokers, and a service without a container."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from wflo_testkit import services, settings
from wflo_testkit.errors import TestkitError
from wflo_testkit.run.config import RunConfig
from wflo_testkit.run.owner import RunOwner
from wflo_testkit.settings import Settings


@pytest.fixture
def desks_installed(
    pytester: pytest.Pytester, fresh_environment: pytest.MonkeyPatch, root: Path
) -> Path:
    """The folder in which the service `desks` is installed, for the suites of one test."""
    site = pytester.mkdir("site")
    (site / "desks.py").write_text((root / "tests/broker/desks.py").read_text())
    metadata = site / "desks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: desks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[wflo_testkit.services]\ndesks = desks:SERVICE\n")
    fresh_environment.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    return site


@pytest.fixture
def owner(desks_installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunOwner]:
    """The owner of a run whose broker knows desks; it has not begun."""
    monkeypatch.syspath_prepend(str(desks_installed))
    run = secrets.token_hex(4)

    def configure() -> RunConfig:
        table = services.table()
        loaded = Settings.load(
            settings.every(table),
            settings.words(table),
            rootdir=desks_installed,
            environ={},
            command_line={"debug": True},
        )
        return RunConfig.of(run, desks_installed, loaded)

    made = RunOwner(run, configure)
    yield made
    with contextlib.suppress(TestkitError):
        made.close()
