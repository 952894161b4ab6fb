"""Every word of a container reaches Docker, and what runs inside."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.containers import programs
from tests.containers.programs import PYTHON, python
from tests.containers.project import Project, described, inspected
from wflo_testkit import ready
from wflo_testkit.errors import ImageUnavailable, StartFailed
from wflo_testkit.services.container import ContainerServer
from wflo_testkit.services.container.words import WORDS

pytestmark = pytest.mark.slow
UNLIKE_DOCKER = {
    "startup_timeout", "build", "object", "ready", "after", "fill", "external", "replicas", "per",
    "pull_policy",
}  # fmt: skip
"""Words of the kit's own, which have files of tests of their own."""


@pytest.fixture(scope="module")
def words(running: Project) -> dict[str, Any]:
    folder = running.root / "conf"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/own.txt").write_text("from a folder")
    (folder / "tool").write_text("#!/bin/sh\necho it runs\n")
    (folder / "bytes").write_bytes(b"\xff\x00")
    (running.root / "one.env").write_text("FIRST=1\nSECOND='from the first file'\n")
    (running.root / "two.env").write_text("SECOND='from the second'\nTHIRD=3\n")
    (running.root / "data").mkdir()
    (running.root / "data/seed.txt").write_text("bound")
    return {
        **python(programs.REST),
        "entrypoint": ["env", "ENTERED=yes"],
        "ports": {"http": 8000, "admin": 9000},
        "environment": {"THIRD": "${HOME_OF_TESTS:-three}", "NUMBER": 5, "FLAG": True, "A": "$$B"},
        "env_file": ["one.env", "two.env"],
        "files": {"/etc/app": "conf", "/srv/one.txt": "conf/deep/own.txt"},
        "secrets": {"token": "open sesame"},
        "host_access": True,
        "user": "1000:1001",
        "working_dir": "/srv",
        "tmpfs": {"/scratch": "16m", "/other": "size=8m,mode=1777"},
        "volumes": {"files": "/data", "data": "/named", "./data": "/bound"},
        "memory": "256m",
        "cpus": 0.5,
        "pids": 100,
        "shm_size": "32m",
        "ulimits": {"nofile": 2048, "core": {"soft": 0, "hard": 1}},
        "platform": "linux/amd64",
        "healthcheck": {"test": "true", "interval": "30s", "retries": 2},
        "init": True,
        "stop_signal": "SIGINT",
        "stop_grace_period": "3s",
        "docker": {"labels": {"team": "shop"}, "cap_drop": ["MKNOD"], "oom_score_adj": 10},
        "ready": ready.log("the process is up"),
    }


@pytest.fixture(scope="module")
def app(running: Project, words: dict[str, Any]) -> ContainerServer:
    return running.start("app", **words)


@pytest.fixture(scope="module")
def seen(app: ContainerServer) -> Any:
    return inspected(app.container_id)


def test_each_word_is_tried_here_or_has_a_file_of_tests(words: dict[str, Any]) -> None:
    assert set(words) | UNLIKE_DOCKER | {"read_only"} == set(WORDS)


def test_limits_and_options_are_docker_s(seen: Any) -> None:
    host, config = seen["HostConfig"], seen["Config"]

    assert host["Memory"] == 256 << 20
    assert host["NanoCpus"] == 500_000_000
    assert host["PidsLimit"] == 100
    assert host["ShmSize"] == 32 << 20
    assert {each["Name"]: (each["Soft"], each["Hard"]) for each in host["Ulimits"]} == {
        "nofile": (2048, 2048),
        "core": (0, 1),
    }
    assert host["Init"] is True
    assert host["CapDrop"] == ["MKNOD"]
    assert host["OomScoreAdj"] == 10
    assert host["Tmpfs"] == {"/scratch": "size=16m", "/other": "size=8m,mode=1777"}
    assert "host.docker.internal:host-gateway" in host["ExtraHosts"]
    assert config["User"] == "1000:1001"
    assert config["WorkingDir"] == "/srv"
    assert config["Entrypoint"] == ["env", "ENTERED=yes"]
    assert config["StopSignal"] == "SIGINT"
    assert config["Labels"]["team"] == "shop"
    assert config["Healthcheck"]["Test"] == ["CMD-SHELL", "true"]
    assert config["Healthcheck"]["Interval"] == 30_000_000_000
    assert config["Healthcheck"]["Retries"] == 2


def test_the_kit_s_labels_are_there_besides(seen: Any, running: Project) -> None:
    assert seen["Config"]["Labels"]["dev.wflo.testkit.run"] == running.broker._session.run


def test_ports_are_published_on_loopback(seen: Any, app: ContainerServer) -> None:
    bound = seen["NetworkSettings"]["Ports"]

    assert bound["8000/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(app.ports["http"])}]
    assert bound["9000/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(app.ports["admin"])}]


def test_variables_come_from_files_and_the_table_in_that_order(seen: Any) -> None:
    own = dict(each.split("=", 1) for each in seen["Config"]["Env"])

    assert own["FIRST"] == "1"
    assert own["SECOND"] == "from the second"
    assert own["THIRD"] == "three"
    assert own["NUMBER"] == "5"
    assert own["FLAG"] == "true"
    assert own["A"] == "$B"


def test_files_are_there_and_scripts_can_be_run(app: ContainerServer, tmp_path: Path) -> None:
    app.copy_out("/etc/app/bytes", tmp_path / "bytes")

    assert app.exec("cat", "/etc/app/deep/own.txt", "/srv/one.txt") == "from a folder" * 2
    assert app.exec("/etc/app/tool") == "it runs\n"
    assert (tmp_path / "bytes").read_bytes() == b"\xff\x00"


def test_volumes_are_the_run_s_and_paths_are_the_project_s(
    seen: Any, app: ContainerServer, running: Project
) -> None:
    found = {each["Destination"]: each for each in seen["Mounts"]}

    assert found["/data"]["Name"] == f"wflo-{running.broker._session.run}-files"
    assert found["/named"]["Name"] == f"wflo-{running.broker._session.run}-data"
    assert found["/bound"]["Source"] == str(running.root / "data")
    assert app.exec("cat", "/bound/seed.txt") == "bound"


def test_the_host_can_be_reached_by_name(app: ContainerServer) -> None:
    assert app.exec("getent", "hosts", "host.docker.internal").split()[0]


def test_platform_and_pull_policy_choose_the_image(running: Project) -> None:
    never = {"image": "wflo-testkit/nobody-has-this:1", "pull_policy": "never"}
    with pytest.raises(ImageUnavailable) as caught:
        running.start("never", **never)
    assert caught.value.cause == "its pull_policy is never"

    here = "wflo-testkit-tests/only-here:1"
    subprocess.run(["docker", "tag", "wflo-testkit/python:3.13", here], check=True)
    try:
        assert running.start("here", **{**python(programs.REST), "image": here}).image == here
        with pytest.raises(ImageUnavailable, match="could not be pulled"):
            running.start("always", image=here, pull_policy="always")
    finally:
        subprocess.run(["docker", "rmi", here], check=True, capture_output=True)


def test_a_number_of_a_user_may_be_root_s(tmp_path: Path) -> None:
    assert described(tmp_path, image=PYTHON, user=0).docker["user"] == "0"
    assert "user" not in described(tmp_path, image=PYTHON).docker


def test_a_read_only_container_has_its_files_and_secrets(running: Project) -> None:
    words = {
        **python(programs.REST),
        "read_only": True,
        "tmpfs": {"/tmp": "16m"},
        "files": {"/etc/app.toml": "conf/deep/own.txt", "/opt/app/deep/x": "conf/deep/own.txt"},
        "secrets": {"token": "open sesame"},
        "user": "1000",
    }
    app = running.start("sealed", **words)

    assert inspected(app.container_id)["HostConfig"]["ReadonlyRootfs"] is True
    assert app.exec("cat", "/etc/app.toml", "/opt/app/deep/x") == "from a folder" * 2
    assert app.exec("cat", "/run/secrets/token") == "open sesame"
    assert "Read-only file system" in app.exec("sh", "-c", "touch /srv/new 2>&1 || true")


def test_a_tmpfs_does_not_hide_secrets_below_it(running: Project) -> None:
    words = {**python(programs.REST), "tmpfs": {"/run": "8m"}, "secrets": {"token": "open sesame"}}
    app = running.start("hidden", **words, ready=ready.log("is up"))

    assert app.exec("cat", "/run/secrets/token") == "open sesame"
    assert app.exec("stat", "-c", "%a", "/run/secrets/token") == "400\n"


def test_a_read_only_container_has_no_files_at_its_root(running: Project) -> None:
    words = {**python(programs.REST), "read_only": True, "files": {"/x": "conf/deep/own.txt"}}
    with pytest.raises(StartFailed, match="rooted is read_only, and its `files` are to be at"):
        running.start("rooted", **words)


def test_what_a_container_is_told_survives_json(running: Project, words: dict[str, Any]) -> None:
    spec = running.spec("plain", **words)

    assert type(spec).from_json(json.loads(json.dumps(spec.to_json()))) == spec
