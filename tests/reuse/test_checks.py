"""A good record is never trusted: what is behind it is looked at, within a second."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import pytest

from tests.cases import quick
from tests.reuse.conftest import Begin
from tests.reuse.damages import (
    Damage,
    add_a_field,
    garble,
    give_a_field_another_type,
    name_another_daemon,
    newer_image,
    open_to_all,
    pause,
    point_elsewhere,
    remove,
    restart,
    rewrite,
    stop,
    take_a_field_away,
    take_its_port,
)
from tests.reuse.parts import docker, kept_by
from tests.services.third_party import notes_service
from wflo_testkit.broker import reuse
from wflo_testkit.broker.broker import Broker
from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime.reuse import check, kept_servers
from wflo_testkit.runtime.reuse.check import Finding
from wflo_testkit.runtime.reuse.records import Record, Records
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.wait import clock, wait_until

DAMAGES = (
    *(stop, remove, pause, restart, take_its_port, point_elsewhere, name_another_daemon),
    *(newer_image, garble, open_to_all, add_a_field, take_a_field_away, give_a_field_another_type),
)
QUICK = (stop, take_its_port, newer_image, garble)

LIMIT = 1.0
"""Seconds within which a run has to see that it cannot attach."""


@pytest.fixture
def server(begin: Begin, spec: Spec, home: UserFolder) -> Iterator[Server]:
    """A kept server that no run uses, as a dead process has left it."""
    broker = begin()
    server = broker.servers.get(spec)
    broker.close()
    yield server
    if ids := docker("ps", "-aq", "--filter", f"name=wflo-test-foreign-{home.id}").split():
        docker("rm", "-fv", *ids)


@pytest.fixture(autouse=True)
def makers_are_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The maker of the first container is this process; let it count as dead there."""
    monkeypatch.setattr(reuse, "owner_is_dead", lambda _owner: True)


def found_out(broker: Broker, spec: Spec) -> float:
    """Return the seconds in which the run sees that it cannot attach; it must not."""
    way = broker.servers._reuse
    assert way is not None
    replace, seen = way._replace, []

    def seen_and_replaced(record: Record, finding: Finding) -> None:
        seen.append(clock.monotonic())
        replace(record, finding)

    way._replace = seen_and_replaced  # type: ignore[method-assign]
    began = clock.monotonic()
    notes, key = broker.servers._services["notes"], way._kept_servers.key(spec)
    assert way._attach(spec, notes, key) is None
    return min([*seen, clock.monotonic()]) - began


@pytest.mark.parametrize("damage", quick(DAMAGES, QUICK), ids=lambda each: each.__name__)
def test_it_is_found_within_a_second_and_replaced(
    begin: Begin, spec: Spec, home: UserFolder, server: Server, damage: Damage
) -> None:
    for _ in range(5):  # until once it is quick: the machine that runs these tests may be busy
        damage(server, home)
        broker, next_one = begin(), begin()
        seconds = found_out(broker, spec)
        replaced = broker.servers.get(spec)

        assert replaced.container_id != server.container_id
        assert kept_by(home) == [replaced.container_id]
        assert notes_service.ask(replaced, "PING") == "PONG"
        assert next_one.servers.get(spec).container_id == replaced.container_id
        if seconds <= LIMIT:
            break
        broker.close()
        next_one.close()
        server = replaced

    assert seconds <= LIMIT


def test_a_server_that_nobody_uses_and_that_answers_nothing_is_replaced(
    begin: Begin, spec: Spec, home: UserFolder, server: Server
) -> None:
    def deaf(found: Server) -> None:
        if found.container_id == server.container_id:
            raise ConnectionError("no answer")
        notes_service.SERVICE.probe(found)

    replaced = begin(probe=deaf).servers.get(spec)

    assert replaced.container_id != server.container_id
    assert kept_by(home) == [replaced.container_id]


@pytest.mark.slow
def test_a_foreign_container_is_left_alone(
    begin: Begin, spec: Spec, home: UserFolder, server: Server
) -> None:
    take_its_port(server, home)
    foreign = docker("ps", "-q", "--no-trunc", "--filter", f"name=wflo-test-foreign-{home.id}")
    begin().servers.get(spec)

    assert docker("inspect", "-f", "{{.State.Running}}", foreign) == "true"


@pytest.mark.parametrize(
    "damage", quick([take_its_port, restart, newer_image], (newer_image,)), ids=lambda d: d.__name__
)
def test_mutant_without_the_look_the_wrong_container_is_taken(
    begin: Begin,
    spec: Spec,
    home: UserFolder,
    server: Server,
    damage: Damage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    damage(server, home)
    if damage is restart:  # the mutant gets as far as the port, which is another one now
        rewrite(home, ports={"main": published_port(server)})
        wait_until(lambda: listens(published_port(server)), timeout=10)
    monkeypatch.setattr(kept_servers, "compare", lambda *_args, **_kwargs: Finding(""))

    with pytest.raises(AssertionError):
        found_out(begin(), spec)


def starting_up(_server: Server) -> None:
    raise ConnectionError("not up yet")


def test_a_server_that_is_still_starting_up_is_not_taken(
    begin: Begin, spec: Spec, server: Server
) -> None:
    # Until once it is quick: the machine that runs these tests may be busy.
    assert any(found_out(begin(probe=starting_up), spec) <= LIMIT for _ in range(5))


def test_mutant_without_the_probe_it_is_taken(
    begin: Begin, spec: Spec, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reuse.Reuse, "_answers", lambda *_args: True)

    with pytest.raises(AssertionError):
        found_out(begin(probe=starting_up), spec)


def test_every_finding_says_what_is_wrong(server: Server, home: UserFolder) -> None:
    [record] = Records(home)
    sound = json.loads(docker("inspect", server.container_id))[0]

    def finding(**state: object) -> Finding:
        return check.compare(record, sound | {"State": sound["State"] | state}, image_id="")

    assert check.compare(record, None, image_id="").reason == "its container is gone"
    assert finding().reason == ""
    assert finding(Paused=True).reason == "its container is paused"
    assert finding(Running=False, Status="exited").reason == "its container has exited"
    assert finding(Restarting=True, Status="restarting").reason == "its container has restarting"
    assert "restarted" in finding(StartedAt="2020").reason
    assert "newer" in check.compare(record, sound, image_id="another").reason
    assert is_other_ports(record, sound)


def is_other_ports(record: Record, sound: dict[str, object]) -> bool:
    moved = dataclasses.replace(record, server={**record.server, "ports": {"main": 1}})
    return check.compare(moved, sound, image_id="").reason == "its ports are others than before"


def published_port(server: Server) -> int:
    return int(docker("port", server.container_id, "6379/tcp").splitlines()[0].rpartition(":")[2])


def listens(port: int) -> bool:
    address = Server(service="notes", name="notes", host="127.0.0.1", ports={"main": port})
    return notes_service.ask(address, "PING") == "PONG"
