"""Where the Unix sockets of servers are, who can get at them, and when there are none."""

from __future__ import annotations

import os
import platform
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.services.third_party import notes_service
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import StartFailed
from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime import sockets as module
from wflo_testkit.runtime.address import DEFAULT, Endpoint
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.runtime.sockets import Sockets


@pytest.fixture
def with_socket(spec: Spec) -> Spec:
    """A server that makes a socket in a folder that its image need not have."""
    command = (*spec.command, "--unixsocket", "/sockets/its.sock", "--unixsocketperm", "777")
    return replace(spec, command=command, sockets="/sockets")


@contextmanager
def started(spec: Spec, **options: Any) -> Iterator[Server]:
    broker = Broker(
        {"notes": notes_service.SERVICE}, DockerSession(secrets.token_hex(4), **options)
    )
    try:
        yield broker.owner("main").server(spec)
    finally:
        broker.close()


def test_the_socket_is_on_this_machine_while_the_server_is(with_socket: Spec) -> None:
    with started(with_socket) as server:
        assert Path(server.sockets, "its.sock").is_socket()
        assert notes_service.ask(server, "PING") == "PONG"  # by the port, too

    assert not Path(server.sockets).parent.exists()


def test_nobody_else_can_enter_the_folder_around_it(with_socket: Spec) -> None:
    with started(with_socket) as server:
        around = Path(server.sockets).parent.stat()

        assert stat.S_IMODE(around.st_mode) == 0o700
        assert around.st_uid == os.getuid()


def test_each_server_has_a_folder_of_its_own(with_socket: Spec) -> None:
    broker = Broker({"notes": notes_service.SERVICE}, DockerSession(secrets.token_hex(4)))
    try:
        owner = broker.owner("main")
        one = owner.server(with_socket)
        two = owner.server(replace(with_socket, name="others"))

        assert one.sockets != two.sockets
        assert all(Path(each.sockets, "its.sock").is_socket() for each in (one, two))
    finally:
        broker.close()


@pytest.mark.parametrize("options", [{"sockets": False}, {"keep": True, "reaper": False}])
def test_there_is_none_where_it_is_switched_off_or_the_server_outlives_the_run(
    with_socket: Spec, options: dict[str, Any]
) -> None:
    with started(replace(with_socket, networked=False), **options) as server:
        assert server.sockets == ""
        assert notes_service.ask(server, "PING") == "PONG"

    if options.get("keep"):
        import docker

        client = docker.from_env()
        client.containers.get(server.container_id).remove(force=True, v=True)
        client.close()


def test_a_spec_without_sockets_has_none(spec: Spec) -> None:
    with started(spec) as server:
        assert server.sockets == ""


def test_a_folder_that_the_daemon_does_not_find_is_done_without(
    with_socket: Spec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where this process is in a container and the daemon is not: paths differ."""
    names = iter(["first", "second"])

    def elsewhere() -> Path:
        """Make a folder and hide it from the daemon by another name."""
        made = tmp_path / next(names)
        made.mkdir()
        return made

    monkeypatch.setattr(module.folders, "make", elsewhere)
    monkeypatch.setattr(module.Path, "chmod", lambda path, _mode: path.rmdir())
    with started(with_socket) as server:
        assert server.sockets == ""
        assert notes_service.ask(server, "PING") == "PONG"

    assert not (tmp_path / "second").exists()


def test_a_server_starts_without_one_where_no_folder_can_be_made(
    with_socket: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.folders, "_ELSEWHERE", ("/nowhere",))
    monkeypatch.setattr("tempfile.tempdir", "/tmp/a,b")
    with started(with_socket) as server:
        assert server.sockets == ""
        assert notes_service.ask(server, "PING") == "PONG"


def test_another_error_of_the_daemon_is_not_taken_for_that(with_socket: Spec) -> None:
    wrong = replace(with_socket, command=("no-such-program",))
    with pytest.raises(StartFailed, match="no-such-program"), started(wrong):
        pass


def types_lent(made: Sockets, api: Any) -> list[str]:
    """Return of what type the mounts are that a container would get."""
    given: list[Any] = []
    made.create_with(api, "/sockets", lambda mounts: given.extend(mounts))  # type: ignore[arg-type,return-value]
    return [mount["Type"] for mount in given]


@pytest.mark.parametrize(
    ("address", "kernel"),
    [
        ("tcp://192.0.2.1:2375", platform.release()),
        ("unix:///var/run/docker.sock", "another-kernel"),
    ],
)
def test_a_fake_daemon_of_another_machine_gets_no_folder(address: str, kernel: str) -> None:
    made = Sockets(wanted=True, endpoint=lambda: Endpoint(address))
    api = SimpleNamespace(version=lambda: {"KernelVersion": kernel})

    assert types_lent(made, api) == ["tmpfs"]
    made.close()


def test_where_fake_selinux_keeps_containers_out_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "enforce").write_text("1")
    monkeypatch.setattr(module, "_SELINUX", tmp_path / "enforce")
    made = Sockets(wanted=True, endpoint=lambda: Endpoint(DEFAULT))
    api = SimpleNamespace(version=lambda: {"KernelVersion": platform.release()})

    assert types_lent(made, api) == ["tmpfs"]
    made.close()
