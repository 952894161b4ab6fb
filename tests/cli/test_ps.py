"""`ps` lists the kit's running containers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Run
from wflo_testkit.cli import ps
from wflo_testkit.runtime import labels
from wflo_testkit.wait import wait_until

Plant = Callable[..., str]


@pytest.fixture
def running(api: Any, plant: Plant) -> str:
    """The id of a running container that publishes a port."""
    host = api.create_host_config(
        port_bindings={8080: ("127.0.0.1",)}, binds=["/var/run/docker.sock:/var/run/docker.sock"]
    )
    container = plant(
        owner=labels.owner(),
        host_config=host,
        ports=[8080],
        environment={"RYUK_CONNECTION_TIMEOUT": "60s"},
    )
    api.start(container)
    wait_until(
        lambda: api.inspect_container(container)["NetworkSettings"]["Ports"]["8080/tcp"],
        timeout=10,
    )
    return container


def row(text: str, container: str) -> dict[str, Any]:
    return next(each for each in json.loads(text) if each["id"] == container)


def test_a_running_container_has_its_run_server_address_and_age(
    api: Any, running: str, command: Run, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    published = api.inspect_container(running)["NetworkSettings"]["Ports"]["8080/tcp"]

    assert command("ps", "--json") == 0

    found = row(capsys.readouterr().out, running)
    assert (found["run"], found["server"], found["kind"]) == (run_id, "store", "server")
    assert found["addresses"] == [f"127.0.0.1:{published[0]['HostPort']}"]
    assert 0 <= found["age"] < 60


def test_people_read_a_line_per_container_below_a_heading(
    api: Any, running: str, command: Run, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("ps") == 0

    lines = capsys.readouterr().out.splitlines()
    name = api.inspect_container(running)["Name"].lstrip("/")
    assert lines[0].split() == list(ps.HEAD)
    (line,) = [each for each in lines if each.endswith(name)]
    assert line.split()[:3] == ["store", "server", run_id]


def test_a_container_that_is_not_running_is_not_listed(
    plant: Plant, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = plant()

    command("ps", "--json")

    assert stopped not in {each["id"] for each in json.loads(capsys.readouterr().out)}
