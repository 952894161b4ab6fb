"""The process that makes images after a run: who starts it, what it is told, how it ends."""

from __future__ import annotations

import dataclasses
import os
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path

import docker
import pytest

from tests.cases import quick
from tests.services.third_party import notes_service
from tests.warm.conftest import Begin
from wflo_testkit.broker.warming import Warming
from wflo_testkit.model import Recipe, Spec
from wflo_testkit.runtime.address import resolve
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.runtime.warm import helper, warm_images
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order
from wflo_testkit.wait import wait_until


def recipe(spec: Spec, _password: str) -> Recipe:
    return Recipe(script="echo made >/word", check="[ -s /word ]", start=spec)


SERVICE = dataclasses.replace(notes_service.SERVICE, warm=recipe)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Order]]:
    """What helpers would have been started for."""
    begun: list[Sequence[Order]] = []
    monkeypatch.setattr(helper, "begin", lambda orders, _endpoint: begun.append(orders))
    return begun


def spec_of() -> Spec:
    return notes_service.spec("notes", {"image": "", "memory": f"{secrets.randbelow(900) + 16}mb"})


@pytest.mark.slow
def test_a_run_orders_what_it_has_missed_once_and_at_its_end(
    begin: Begin, notes: Notes, begun: list[Sequence[Order]]
) -> None:
    broker = begin(SERVICE, notes, may_make=True)
    broker.servers.get(spec_of())
    broker.servers.get(dataclasses.replace(spec_of(), unique="another"))
    before = list(begun)
    broker.close()

    assert before == []
    [orders] = begun
    assert [order.name for order in orders] == ["notes"]


@pytest.mark.parametrize("reason", quick(["not allowed", "failed before"], ("not allowed",)))
def test_nothing_is_ordered_that_may_not_be_made(
    begin: Begin, notes: Notes, begun: list[Sequence[Order]], reason: str
) -> None:
    first = begin(SERVICE, notes, may_make=reason != "not allowed")
    first.servers.get(spec_of())
    first.close()
    if reason == "failed before":
        [[order]] = begun
        notes.failed(order.key, "notes", "no room")
        second = begin(SERVICE, notes, may_make=True)
        second.servers.get(spec_of())
        second.close()

    assert len(begun) == (0 if reason == "not allowed" else 1)


def test_the_helper_makes_what_it_is_told_in_a_session_of_its_own(
    client: docker.DockerClient, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    order = dataclasses.replace(order, password="of this image alone")
    endpoint = resolve()
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")  # as a test might
    process = helper.begin([order], endpoint)
    monkeypatch.delenv("DOCKER_HOST")

    assert os.getsid(process.pid) == process.pid, "signals to a group do not reach it"
    told = Path(f"/proc/{process.pid}/cmdline").read_text()
    told += Path(f"/proc/{process.pid}/environ").read_text(errors="replace")
    assert order.password not in told
    wait_until(lambda: warm_images.find(client, order.key), timeout=120, describe="the image")
    assert Notes().password(warm_images.find(client, order.key)) == order.password
    wait_until(lambda: has_ended(process), timeout=60, describe="the helper's end")


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Reap the helper, which its starter is not going to do."""
    return os.waitpid(process.pid, os.WNOHANG)[0] == process.pid


def test_without_a_home_folder_servers_start_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)

    assert Warming.of_user("1.0", may_make=True) is None


def test_no_helper_is_started_that_could_write_nothing_down(
    begin: Begin, begun: list[Sequence[Order]], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("where a folder would have to be")
    broker = begin(SERVICE, Notes(UserFolder(tmp_path / "file" / "warm")), may_make=True)
    broker.servers.get(spec_of())
    broker.close()

    assert begun == []
