"""Owners of brokers, and a service without a container."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.installed import install
from wflo_testkit import services, settings
from wflo_testkit.errors import TestkitError
from wflo_testkit.run.config import RunConfig
from wflo_testkit.run.owner import RunOwner
from wflo_testkit.settings import Settings


@pytest.fixture
def desks_installed(pytester: pytest.Pytester, fresh_environment: pytest.MonkeyPatch) -> Path:
    """The folder in which the service `desks` is installed, for the suites of one test."""
    return install(pytester, fresh_environment)


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
