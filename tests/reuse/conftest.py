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
from wflo_testkit.broker.broker import Broker
from wflo_testkit.broker.reuse import Reuse
from wflo_testkit.model import Spec
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.runtime.reuse.kept_servers import KeptServers
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.service import Service

__all__ = ["bystander"]

Begin = Callable[..., Broker]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UserFolder]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    home = UserFolder()
    yield home
    remove_all_of(home)


@pytest.fixture
def spec() -> Spec:
    """A small server that starts in a quarter of a second."""
    return notes_service.spec("notes", {"image": "", "memory": "16mb"})


@pytest.fixture
def kept_servers(home: UserFolder) -> KeptServers:
    """The kept servers as a run sees them that has asked for none."""
    home.prepare()
    return KeptServers("onlooker", "somewhere", 3600.0)


@pytest.fixture
def begin(home: UserFolder) -> Iterator[Begin]:
    """Begin a run in this process: begin(service=..., project=..., max_idle=...) -> its broker."""
    begun: list[Broker] = []

    def begin(
        service: Service = notes_service.SERVICE,
        *,
        project: str = "here",
        max_idle: float = 3600.0,
        run: str = "",
        **changed: object,
    ) -> Broker:
        session = DockerSession(run or secrets.token_hex(4))
        kept_servers = KeptServers(session.run, project, max_idle)
        row = dataclasses.replace(service, **changed)  # type: ignore[arg-type]
        begun.append(Broker({row.name: row}, session, Reuse(kept_servers)))
        return begun[-1]

    yield begin
    for broker in begun:
        broker.close()


@pytest.fixture
def processes(home: UserFolder, root: Path) -> Iterator[Processes]:
    """Runs in processes of their own, killed at the end."""
    processes = Processes(root)
    yield processes
    processes.close()
