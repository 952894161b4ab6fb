"""What can have happened to a kept server since it was written down."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable

from tests.reuse.parts import docker, write
from wflo_testkit.model import Server
from wflo_testkit.runtime.reuse.user_folder import UserFolder

Damage = Callable[[Server, UserFolder], None]


def stop(server: Server, _home: UserFolder) -> None:
    docker("kill", server.container_id)


def remove(server: Server, _home: UserFolder) -> None:
    docker("rm", "-fv", server.container_id)


def pause(server: Server, _home: UserFolder) -> None:
    docker("pause", server.container_id)


def restart(server: Server, _home: UserFolder) -> None:
    docker("restart", "-t", "0", server.container_id)


def rewrite(home: UserFolder, **changed: object) -> None:
    """Change what the one record says, in its own fields or those of the server."""
    [path] = home.files("*.json")
    record = json.loads(path.read_text())
    for name, value in changed.items():
        (record if name in record else record["server"])[name] = value
    write(home, path.name, json.dumps(record))


def take_its_port(server: Server, home: UserFolder) -> None:
    """Put another container, not made for this, where the record says the server is."""
    docker("rm", "-fv", server.container_id)
    name = f"wflo-test-foreign-{home.id}-{secrets.token_hex(4)}"
    publish = f"127.0.0.1:{server.port}:6379"
    foreign = docker("run", "-d", "--name", name, "-p", publish, server.image, *PLAIN)
    rewrite(home, container_id=foreign)


def point_elsewhere(_server: Server, home: UserFolder) -> None:
    rewrite(home, host="192.0.2.1")


def name_another_daemon(_server: Server, home: UserFolder) -> None:
    rewrite(home, daemon="tcp://192.0.2.1:2375")


def newer_image(_server: Server, home: UserFolder) -> None:
    rewrite(home, image_id="sha256:" + "0" * 64)


def garble(_server: Server, home: UserFolder) -> None:
    [path] = home.files("*.json")
    write(home, path.name, path.read_text()[:100])


def add_a_field(_server: Server, home: UserFolder) -> None:
    """Write what a later version of the kit might."""
    rewrite(home, invented_later="x")


def take_a_field_away(_server: Server, home: UserFolder) -> None:
    [path] = home.files("*.json")
    record = json.loads(path.read_text())
    del record["server"]["host"]
    write(home, path.name, json.dumps(record))


def give_a_field_another_type(_server: Server, home: UserFolder) -> None:
    rewrite(home, ports=[1])


def open_to_all(_server: Server, home: UserFolder) -> None:
    home.files("*.json")[0].chmod(0o644)


PLAIN = ("redis-server", "--save", "", "--protected-mode", "no")
