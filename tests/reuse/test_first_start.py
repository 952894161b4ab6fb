"""Several processes want the same server at first: one starts it, whatever becomes of that one."""

from __future__ import annotations

import os
import secrets
import signal

import pytest

from tests.reuse.conftest import Begin
from tests.reuse.parts import Processes, docker, kept_by, row_of, said
from tests.services.third_party import notes_service
from wflo_testkit.broker import reuse
from wflo_testkit.model import Spec
from wflo_testkit.runtime.reuse import place
from wflo_testkit.runtime.reuse.kept_servers import KeptServers
from wflo_testkit.runtime.reuse.user_folder import UserFolder


def test_processes_that_fight_for_the_first_start_get_one_container(
    processes: Processes, home: UserFolder
) -> None:
    fighters = [processes.begin(f"fighter{n}") for n in range(3)]
    found = {said(each).split()[0] for each in fighters}

    assert kept_by(home) == sorted(found)
    assert len(found) == 1


def test_mutant_without_the_name_as_a_mutex_there_are_several(
    begin: Begin, spec: Spec, home: UserFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def any_name(_spec: Spec, key: str) -> str:
        return f"wflo-reused-{key}-{secrets.token_hex(4)}"

    monkeypatch.setattr(place, "container_name", any_name)
    started = [begin().servers.begin(spec) for _ in range(3)]
    found = {each.ready.result().container_id for each in started}

    assert len(kept_by(home)) > 1 or len(found) > 1


@pytest.mark.parametrize("moment", ["created", "started"])
def test_when_the_first_is_killed_half_way_another_takes_over(
    processes: Processes, begin: Begin, spec: Spec, home: UserFolder, moment: str
) -> None:
    first = processes.begin("first", moment)
    assert said(first) == "halted"
    [half_made] = kept_by(home)
    heir = begin()
    taken = heir.servers.begin(spec)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    server = taken.ready.result(timeout=60)

    assert server.container_id != half_made
    assert kept_by(home) == [server.container_id]
    assert row_of(heir)["reused"] == "started"
    assert notes_service.ask(server, "PING") == "PONG"


@pytest.mark.slow
def test_while_the_first_lives_its_half_made_server_is_not_touched(
    processes: Processes,
    begin: Begin,
    spec: Spec,
    home: UserFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reuse, "OTHER_START_TIMEOUT", -59.0)  # less than a second in all
    first = processes.begin("first", "started")
    assert said(first) == "halted"
    [half_made] = kept_by(home)
    broker = begin()
    own = broker.servers.get(spec)

    assert kept_by(home) == [half_made]
    assert not own.is_shared
    assert "has not finished starting it" in str(row_of(broker)["note"])


def test_a_name_that_a_foreign_container_has_means_a_server_of_ones_own(
    begin: Begin, spec: Spec, kept_servers: KeptServers
) -> None:
    name = place.container_name(spec, kept_servers.key(spec))
    docker("create", "--name", name, begin_image(spec), "true")
    try:
        broker = begin()
        server = broker.servers.get(spec)

        assert not server.is_shared
        assert "foreign container" in str(row_of(broker)["note"])
        assert docker("ps", "-aq", "--filter", f"name={name}")
    finally:
        docker("rm", "-fv", name)


def begin_image(spec: Spec) -> str:
    """Return an image that is surely here: the one that serves."""
    from wflo_testkit.runtime import daemon, images

    client = daemon.connect()
    try:
        return images.resolve(client.client, spec.image).reference
    finally:
        client.client.close()
