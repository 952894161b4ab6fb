"""Containers that carry the kit's labels, made and removed around one test."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wflo_testkit import catalog
from wflo_testkit.cli import main
from wflo_testkit.runtime import daemon, images, labels

Run = Callable[..., int]

HOST = f"planted-{secrets.token_hex(4)}"
DEAD = f"{HOST} 4194305 1 {labels.owner().split(' ')[3]}"
"""An owner, here as these tests see it, whose process id no Linux gives out (proc(5), pid_max)."""


@pytest.fixture(autouse=True)
def nobody_else_knows_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is planted here is not swept up by another run on this machine."""
    monkeypatch.setattr(labels, "_host", lambda: HOST)


@pytest.fixture
def api() -> Iterator[Any]:
    """docker-py's low-level client of the daemon that the kit would use."""
    client = daemon.connect()
    yield client.client.api
    client.client.close()


@pytest.fixture
def run_id() -> str:
    """The id of a run that nobody else has, so that no other run's things are touched."""
    return secrets.token_hex(6)


@pytest.fixture
def light_image(api: Any) -> str:
    """An image that is here and starts fast: the reaper's, which ends when it is told nothing."""
    client = daemon.connect()
    try:
        return images.resolve(client.client, catalog.official("ryuk")).reference
    finally:
        client.client.close()


@pytest.fixture
def plant(api: Any, run_id: str, light_image: str) -> Iterator[Callable[..., str]]:
    """plant(kind, owner): a created container with the kit's labels; returns its id."""
    made: list[str] = []

    def plant(kind: str = "server", owner: str = DEAD, **config: Any) -> str:
        marks = {
            labels.KIT: kind,
            labels.RUN: run_id,
            labels.OWNER: owner,
            labels.SERVER: "store",
        }
        container = api.create_container(
            light_image, name=f"wflo-test-{secrets.token_hex(4)}", labels=marks, **config
        )
        made.append(container["Id"])
        return str(container["Id"])

    yield plant
    from docker.errors import NotFound

    for each in made:
        with contextlib.suppress(NotFound):
            api.remove_container(each, force=True, v=True)


@pytest.fixture
def empty_project(tmp_path: Path, fresh_environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An empty project as the working folder, whose pytest looks for no plugin but the kit's."""
    fresh_environment.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    fresh_environment.setenv("PYTEST_PLUGINS", "wflo_testkit.plugin")
    fresh_environment.chdir(tmp_path)
    return fresh_environment


@pytest.fixture
def command() -> Run:
    """command("ps", "--json") -> exit code, as on the kit's command line."""
    return lambda *arguments: main.main(arguments)
