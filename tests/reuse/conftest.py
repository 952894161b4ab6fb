"""A cache folder, and so a set of kept servers, for each test alone; removed with all in it."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.reuse.parts import Processes, remove_all_of
from tests.services.bystander import bystander
from tests.services.third_party import notes_service
from wflo_testkit.broker.core import Core
from wflo_testkit.broker.reuse import Reuse
from wflo_testkit.model import Spec
from wflo_testkit.runtime.reuse.home import Home
from wflo_testkit.runtime.reuse.shelf import Shelf
from wflo_testkit.runtime.session import Session
from wflo_testkit.service import Service

__all__ = ["bystander"]

Begin = Callable[..., Core]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    home = Home()
    yield home
    remove_all_of(home)


@pytest.fixture
def spec() -> Spec:
    """A small server that starts in a quarter of a second."""
    return notes_service.spec("notes", {"image": "", "memory": "16mb"})


@pytest.fixture
def shelf(home: Home) -> Shelf:
    """The kept servers as a run sees them that has asked for none."""
    home.prepare()
    return Shelf("onlooker", "somewhere", 3600.0)


@pytest.fixture
def begin(home: Home) -> Iterator[Begin]:
    """Begin a run in this process: begin(service=..., project=..., max_idle=...) -> its broker."""
    begun: list[Core] = []

    def begin(
        service: Service = notes_service.SERVICE,
        *,
        project: str = "here",
        max_idle: float = 3600.0,
        run: str = "",
        **changed: object,
    ) -> Core:
        session = Session(run or secrets.token_hex(4))
        shelf = Shelf(session.run, project, max_idle)
        row = dataclasses.replace(service, **changed)  # type: ignore[arg-type]
        begun.append(Core({row.name: row}, session, Reuse(shelf)))
        return begun[-1]

    yield begin
    for core in begun:
        core.close()


@pytest.fixture
def processes(home: Home, root: Path) -> Iterator[Processes]:
    """Runs in processes of their own, killed at the end."""
    processes = Processes(root)
    yield processes
    processes.close()
