"""When the container of a warm image's maker is nobody's, and so holds nobody back."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from tests.warm.parts import Processes, give, images_of, made, makers_of, of, said
from tests.warm.test_making import WAITS
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.warm import makers, warm_images, work
from wflo_testkit.runtime.warm.notes import Notes
from wflo_testkit.runtime.warm.order import Order
from wflo_testkit.wait import wait_until

HOST, PID, STARTED, BOOT = labels.owner().split(" ")
ALIVE = labels.owner()
DEAD = f"{HOST} 4194305 1 {BOOT}"  # no Linux gives out this process id (proc(5), pid_max)
CLOSED_JOB = "a-ci-job/-/4026539999 7 1 0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
"""A process of a pid namespace that nobody can look into."""
LIMIT = 100.0
NOW = 1e9

Plant = Callable[..., str]


def at(seconds_ago: float) -> str:
    """Write a time as Docker does."""
    moment = datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=seconds_ago)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"


def container(owner: str, status: str, *, created: float, ended: float = 0.0) -> dict[str, Any]:
    """Return what Docker says of a maker's container, the parts that count."""
    return {
        "Config": {"Labels": {labels.OWNER: owner}, "Cmd": makers.limited(["sh"], LIMIT)},
        "Created": at(created),
        "State": {
            "Status": status,
            "FinishedAt": at(ended) if ended else "0001-01-01T00:00:00Z",
        },
    }


@pytest.mark.parametrize(
    ("owner", "status", "created", "ended", "is_nobodys"),
    [
        (DEAD, "running", 1, 0, True),
        (DEAD, "exited", 1, 1, True),
        (ALIVE, "running", LIMIT + 9, 0, False),
        (ALIVE, "running", LIMIT + 11, 0, True),
        (ALIVE, "exited", LIMIT + 99, 99, False),
        (ALIVE, "exited", LIMIT + 121, 121, True),
        (CLOSED_JOB, "created", 99, 0, False),
        (CLOSED_JOB, "created", LIMIT + 11, 0, True),
        (CLOSED_JOB, "running", LIMIT + 9, 0, False),
        (CLOSED_JOB, "running", LIMIT + 11, 0, True),
        (CLOSED_JOB, "paused", LIMIT + 11, 0, True),
        (CLOSED_JOB, "exited", 60, 29, False),
        (CLOSED_JOB, "exited", 60, 31, True),
        (CLOSED_JOB, "dead", 60, 31, True),
        ("", "exited", 60, 31, True),
        ("", "running", 60, 0, False),
    ],
    ids=itertools.count(),  # not the owner: it names this process, and workers compare names
)
def test_it_is_when_its_maker_is_dead_or_has_had_its_time(
    owner: str, status: str, created: float, ended: float, is_nobodys: bool
) -> None:
    found = container(owner, status, created=created, ended=ended)

    assert makers.is_nobodys(found, LIMIT, NOW) is is_nobodys


@pytest.mark.parametrize(
    ("command", "limit"),
    [
        (makers.limited(["sh", "make.sh"], 59.5), 60.0),
        (makers.limited([], 60.0), 60.0),
        (["timeout", "60", "sh"], makers.LONGEST),
        (["sh", "-c", "sleep 60"], makers.LONGEST),
        (["sleep", "60"], makers.LONGEST),
        (None, makers.LONGEST),
    ],
)
def test_its_limit_is_what_it_runs_under(command: list[str] | None, limit: float) -> None:
    assert makers.limit_of({"Config": {"Cmd": command}}) == limit


@pytest.mark.slow
def test_its_age_is_told_by_the_daemons_clock(client: docker.DockerClient, order: Order) -> None:
    before = makers.time_of_daemon(client)
    made = client.api.create_container(order.base, ["true"])
    try:
        created = makers._seconds(client.api.inspect_container(made["Id"])["Created"])
    finally:
        client.api.remove_container(made["Id"], v=True)

    assert before <= created <= makers.time_of_daemon(client)


@pytest.fixture
def plant(client: docker.DockerClient, order: Order) -> Iterator[Plant]:
    """plant("sleep", "300") -> the id of a running container in which a closed job made it."""
    planted: list[str] = []

    def plant(*command: str, owner: str = CLOSED_JOB, named: bool = True, image: str = "") -> str:
        marks = {labels.KIT: "maker", labels.WARM: order.key, labels.OWNER: owner}
        name = order.container if named else None
        made = client.api.create_container(
            image or order.base, list(command), labels=marks, name=name
        )
        planted.append(made["Id"])
        client.api.start(made["Id"])
        return str(made["Id"])

    yield plant
    for each in planted:
        try:
            client.api.remove_container(each, force=True, v=True)
        except NotFound:
            continue


def await_end(client: docker.DockerClient, container: str) -> None:
    def has_ended() -> bool:
        return client.api.inspect_container(container)["State"]["Status"] == "exited"

    wait_until(has_ended, timeout=60)


@pytest.mark.slow
def test_a_closed_jobs_container_that_has_ended_blocks_nobody(
    client: docker.DockerClient,
    order: Order,
    notes: Notes,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await_end(client, plant("true"))
    assert not work._is_settled(client, order)
    assert makers_of(client, order.key), "it may just be about to be committed"

    monkeypatch.setattr(makers, "GRACE", 0.2)
    _image, is_new = work.get(client, order, notes)

    assert is_new
    assert makers_of(client, order.key) == []
    assert len(images_of(client, order.key)) == 1


@pytest.mark.slow
def test_a_closed_jobs_container_that_is_too_old_blocks_nobody(
    client: docker.DockerClient,
    order: Order,
    notes: Notes,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant("sleep", "300")
    assert not work._is_settled(client, order)
    assert makers_of(client, order.key), "it may still be at work"

    monkeypatch.setattr(makers, "SLACK", 0.2 - order.limit)
    _image, is_new = work.get(client, order, notes)

    assert is_new
    assert makers_of(client, order.key) == []


@pytest.mark.slow
def test_mutant_that_waits_for_a_proof_of_death_is_blocked(
    client: docker.DockerClient, order: Order, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await_end(client, plant("true"))
    monkeypatch.setattr(makers, "GRACE", 0.0)
    monkeypatch.setattr(labels, "is_over", lambda owner, **_: labels.owner_is_dead(owner))
    work._is_settled(client, order)

    assert makers_of(client, order.key)


def test_a_container_of_that_name_that_is_no_makers_is_left_alone(
    client: docker.DockerClient, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(makers, "SLACK", -order.limit)
    foreign = client.api.create_container(order.base, ["true"], name=order.container)
    try:
        assert not work._is_settled(client, order)
        assert client.api.inspect_container(foreign["Id"])
    finally:
        client.api.remove_container(foreign["Id"], v=True)


@pytest.mark.slow
def test_pruning_agrees_on_whose_it_is(
    client: docker.DockerClient,
    order: Order,
    notes: Notes,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, _ = work.get(client, order, notes)
    await_end(client, plant("true", named=False, image=image))
    kept = warm_images.prune(client, notes, max_age=0, among=of(order))
    assert kept == []
    assert makers_of(client, order.key), "it may still be at work"

    monkeypatch.setattr(makers, "GRACE", -2.0)  # it is over, to the second, too
    gone = warm_images.prune(client, notes, max_age=0, among=of(order))

    assert [each.id for each in gone] == [image]
    assert makers_of(client, order.key) == []


@pytest.mark.slow
def test_a_maker_whose_container_is_taken_away_makes_it_again_or_takes_the_others(
    client: docker.DockerClient, order: Order, notes: Notes, processes: Processes
) -> None:
    slow = dataclasses.replace(order, script=WAITS)
    first = processes.begin(slow, notes)
    wait_until(lambda: makers_of(client, order.key), timeout=60)
    second = processes.begin(slow, notes)
    assert said(second) == "waiting"
    [taken] = makers_of(client, order.key)
    client.api.remove_container(taken, force=True, v=True)
    give(client, slow, "/go", after=taken)
    outcomes = [made(process) for process in (first, second)]

    assert len({image for image, _ in outcomes}) == 1
    assert sorted(is_new for _, is_new in outcomes) == [False, True]
    assert len(images_of(client, order.key)) == 1
    assert notes.failures() == []


@pytest.mark.slow
def test_a_maker_that_was_overtaken_leaves_one_image(
    client: docker.DockerClient, order: Order, notes: Notes, processes: Processes
) -> None:
    first = processes.begin(order, notes, "committed")
    assert said(first) == "halted"
    [taken] = makers_of(client, order.key)
    client.api.remove_container(taken, force=True, v=True)
    image, is_new = work.get(client, order, notes)
    assert first.stdin is not None
    first.stdin.close()
    first.stdin = None  # `communicate` would write to it

    assert is_new
    assert made(first) == (image, False)
    assert [each["Id"] for each in images_of(client, order.key)] == [image]
    assert json.loads((notes.home.folder / f"{image.partition(':')[2]}.json").read_text())
