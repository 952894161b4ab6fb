"""The Redis image's contract: command, users, protected mode, end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from tests.images.conftest import Box
from wflo_testkit.wait import wait_until

Run = Callable[..., Box]
THROWAWAY = ["redis-server", "--save", "", "--appendonly", "no", "--databases", "1024"]


def connect(box: Box) -> redis.Redis:
    """Return a client once the server answers."""
    client = redis.Redis(port=box.port(6379), host="127.0.0.1", socket_timeout=5)
    wait_until(client.ping, timeout=20, describe="Redis answers", catch=redis.RedisError)
    return client


def setting(box: Box, name: str) -> str:
    with connect(box) as client:
        return str(client.config_get(name)[name])


def test_it_answers_from_outside_without_a_password(run: Run) -> None:
    """Debian's binary would refuse: its protected mode is on unless it is told otherwise."""
    assert setting(run("redis", ports=(6379,)), "protected-mode") == "no"


def test_the_command_for_tests(run: Run) -> None:
    box = run("redis", THROWAWAY, ports=(6379,))

    assert setting(box, "databases") == "1024"
    assert setting(box, "save") == ""


def test_options_alone_are_options_of_the_server(run: Run) -> None:
    box = run("redis", ["--databases", "3"], ports=(6379,))

    assert setting(box, "databases") == "3"


def test_a_configuration_file_alone(create: Callable[..., Box]) -> None:
    box = create("redis", ["/tmp/redis.conf"], ports={"6379/tcp": ("127.0.0.1", None)})
    box.put("/tmp/redis.conf", "databases 5\n", 0o644)
    box.container.start()

    assert setting(box, "databases") == "5"


@pytest.mark.parametrize("how", ["option", "file"])
def test_protected_mode_can_be_asked_for(create: Callable[..., Box], how: str) -> None:
    command = ["--protected-mode", "yes"] if how == "option" else ["/tmp/redis.conf"]
    box = create("redis", command)
    box.put("/tmp/redis.conf", "protected-mode yes\n", 0o644)
    box.container.start()
    box.wait_for_log("Ready to accept connections")

    answer = box.sh("redis-cli config get protected-mode")
    assert answer.split() == ["protected-mode", "yes"]


def test_a_password(run: Run) -> None:
    box = run("redis", ["redis-server", "--requirepass", "s3cret"], ports=(6379,))
    box.wait_for_log("Ready to accept connections")

    address = {"host": "127.0.0.1", "port": box.port(6379)}
    with redis.Redis(**address) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    with redis.Redis(**address, password="s3cret") as client:
        assert client.ping()


def test_root_is_dropped_and_the_data_folder_owned(run: Run) -> None:
    """The folder is a fresh mount of root's, over the volume that the image declares.

    The official image gives it to the user alone, the local one to the group, too.
    """
    box = run("redis", ports=(6379,), tmpfs={"/data": "rw"})
    connect(box).close()

    assert box.sh("stat -c '%u' /proc/1") == "999"
    assert box.sh("stat -c '%g' /proc/1") == box.sh("id -g redis") != "0"
    assert box.sh("stat -c '%u' /data") == "999"
    assert box.sh("stat -c '%g' /data") in ("0", box.sh("id -g redis"))


def test_root_can_be_kept(run: Run) -> None:
    box = run("redis", ports=(6379,), environment={"SKIP_DROP_PRIVS": "1"})
    connect(box).close()

    assert box.sh("stat -c %u /proc/1") == "0"


def test_without_capabilities_root_stays(run: Run) -> None:
    """Dropping root would fail, so it is not tried."""
    box = run("redis", ports=(6379,), cap_drop=["SETUID", "SETGID"])
    connect(box).close()

    assert box.sh("stat -c %u /proc/1") == "0"


def test_another_user_will_do(run: Run) -> None:
    box = run("redis", THROWAWAY, ports=(6379,), user="4711:4711")

    assert setting(box, "databases") == "1024"


def test_other_commands_run_as_they_are(run: Run) -> None:
    box = run("redis", ["redis-cli", "--version"])

    assert box.exit_code() == 0
    assert box.logs().startswith("redis-cli 8.")


def test_it_stops_at_once(run: Run) -> None:
    box = run("redis", ports=(6379,))

    with connect(box):
        assert box.terminate() == 0
