"""The counters of the soak can count: what is planted for them, they find."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lifecycle.planted import NOBODY, folder
from tests.lifecycle.soak.counters import Containers, crossed, hurt, leaked
from tests.lifecycle.soak.footprint import footprint
from tests.lifecycle.soak.kills import Victim, landed
from tests.lifecycle.soak.machine import ENDLESS, PATIENCE, Kind, Machine, await_work, finish
from tests.lifecycle.soak.phases import FRESH, KEPT, PHASES
from tests.reuse.parts import docker
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse.records import Records
from wflo_testkit.runtime.reuse.uses import Uses

SHARES_A_DATABASE = """
@pytest.fixture
def redis_client(redis_server):
    import redis
    with redis.Redis.from_url(redis_server.url) as client:
        yield client
"""
"""A suite whose tests use the one database of the server that belongs to none of them."""


@pytest.fixture
def dead(machine: Machine) -> str:
    """The owner of what a run has made that is dead."""
    _pid, started, boot = labels.owner().split(" ")[1:]
    return f"{machine.host} {NOBODY} {started} {boot}"


@pytest.fixture
def run(api: Any) -> Iterator[str]:
    """The id of a run that never was; what carries it is removed."""
    run = secrets.token_hex(4)
    yield run
    for each in api.networks(filters={"label": f"{labels.RUN}={run}"}):
        api.remove_network(each["Id"])
    for each in api.volumes(filters={"label": f"{labels.RUN}={run}"})["Volumes"] or ():
        api.remove_volume(each["Name"])


def test_a_planted_leak_in_docker_is_counted_by_its_label_and_by_its_id(api: Any, run: str) -> None:
    mine = footprint(api, run)
    assert mine.left() == []

    network = api.create_network(f"wflo-{run}", labels=labels.of_run(run, "network"))
    volume = api.create_volume(f"wflo-{run}", labels=labels.of_run(run, "volume"))
    found = sorted(f"in Docker: {each}" for each in (network["Id"], volume["Name"]))
    assert mine.left() == found

    mine._filters, mine._label = [], {"label": "dev.wflo.testkit.run=of-nobody"}
    assert mine.left() == found
    assert len(mine.astray()) == 2


def test_planted_leaks_outside_docker_are_counted(machine: Machine, dead: str) -> None:
    folder(machine.temp, "dead", dead)
    folder(machine.temp, "alive", labels.owner())
    (machine.temp / "lost").touch()
    (machine.temp / "pytest-of-somebody").mkdir()
    home = machine.home()
    home.prepare()
    home.write("k.gone.use", f'{{"run": "gone", "owner": "{dead}"}}')
    Uses(home).mark("k", "alive")
    (home.folder / ".draft-0").touch()

    assert sorted(leaked(machine, ["gone"], [""])) == [
        "half of a record: .draft-0",
        "in the temp folder: lost",
        "in the temp folder: wflo-dead",
        "mark of a run that is over: gone",
    ]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_planted_leak_on_a_kept_server_and_a_planted_cross_talk_are_counted(
    machine: Machine,
) -> None:
    kind = Kind(KEPT, conftest=SHARES_A_DATABASE)
    both = [machine.launch(kind, SOAK_TESTS="3", SOAK_SECONDS="0.2") for _ in range(2)]
    for each in both:
        each.process.wait(PATIENCE)
    first, second = both

    assert any(f"{first.notes.name} saw" in each for each in crossed(both))
    assert any("run1 saw" in each or "run0 saw" in each for each in crossed(both))
    assert any("failed: " in each for each in hurt(both, passed=3))

    assert second.run
    [redis] = [each for each in Records(machine.home()) if each.name == "redis"]
    account = ["--user", redis.server["username"], "--pass", redis.server["password"]]
    cli = ["exec", redis.container_id, "redis-cli", *account]
    docker(*cli, "--no-auth-warning", "ACL", "SETUSER", f"wflo_{first.run}_1")
    found = leaked(machine, [first.run], [""])
    assert f"on redis: wflo_{first.run}_1" in found
    docker("rm", "-fv", redis.container_id)
    assert f"a record without its container: {redis.container_id}" in leaked(machine, [], [""])


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_hurt_bystander_is_counted(machine: Machine) -> None:
    bystander = machine.launch(Kind(FRESH), **ENDLESS)
    await_work(bystander)
    seen = Containers(bystander)
    assert seen.changed() == []

    [first, _second] = sorted(path.name for path in bystander.notes.glob("on-*"))
    docker("rm", "-fv", first.removeprefix("on-"))
    bystander.await_file("failed-*", timeout=PATIENCE)

    assert any("is None" in each for each in seen.changed())
    finish([bystander])
    assert any("failed: " in each for each in hurt([bystander]))


def test_a_run_that_got_out_of_its_phase_does_not_count(tmp_path: Path) -> None:
    class Dead:
        notes = tmp_path

    [hook, *_rest] = PHASES["creating"]
    victim = Victim(1, "pytest", Dead, hook, "", None)  # type: ignore[arg-type]
    assert not landed(victim)
    (tmp_path / f"in-{os.getpid()}-1").touch()
    assert landed(victim)
    (tmp_path / "past").touch()
    assert not landed(victim)
