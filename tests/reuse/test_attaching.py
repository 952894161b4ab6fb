"""A second run finds the first one's server, quickly and without Docker's library."""

from __future__ import annotations

import dataclasses
import json
import stat

from tests.reuse.conftest import Begin
from tests.reuse.parts import Processes, docker, kept_by, row_of, said
from tests.services.third_party import notes_service
from wflo_testkit.model import Spec
from wflo_testkit.runtime import labels
from wflo_testkit.runtime.reuse.kept_servers import KeptServers
from wflo_testkit.runtime.reuse.user_folder import UserFolder
from wflo_testkit.wait import wait_until

LIMIT = 0.1


def test_the_next_run_gets_the_same_container(begin: Begin, spec: Spec) -> None:
    first = begin()
    started = first.servers.get(spec)
    first.close()
    second = begin()
    found = second.servers.get(spec)

    assert found.container_id == started.container_id
    assert found.is_shared
    assert notes_service.ask(found, "PING") == "PONG"
    assert row_of(first)["reused"] == "started"
    assert row_of(second)["reused"] == "found"


def test_two_runs_share_it_at_the_same_time(begin: Begin, spec: Spec) -> None:
    servers = [begin().servers.get(spec) for _ in range(2)]

    assert len({server.container_id for server in servers}) == 1


def test_attaching_takes_at_most_a_tenth_of_a_second(begin: Begin, spec: Spec) -> None:
    begin().servers.get(spec)
    # The first quick one of many: the machine that runs these tests may be busy.
    seconds = (begin().servers.get(spec).seconds for _ in range(50))

    assert any(each <= LIMIT for each in seconds)


def test_attaching_loads_no_docker_library(processes: Processes, spec: Spec) -> None:
    first, second = processes.begin("first"), None
    started = said(first).split()
    second = processes.begin("second")
    found = said(second).split()

    assert started[1] == "True"
    assert found == [started[0], "False"]


def test_it_is_written_down_for_its_owner_alone(begin: Begin, spec: Spec, home: UserFolder) -> None:
    server = begin().servers.get(spec)
    [path] = home.files("*.json")
    record = json.loads(path.read_text())

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
    assert record["server"] == json.loads(json.dumps(server.to_json() | {"seconds": 0})) | {
        "seconds": record["server"]["seconds"]
    }
    assert record["daemon"].startswith("unix://")


def test_it_carries_no_label_by_which_a_reaper_would_find_it(
    begin: Begin, spec: Spec, home: UserFolder
) -> None:
    broker = begin()
    server = broker.servers.get(spec)
    for each in (server.container_id, home.network):
        path = ".Labels" if each == home.network else ".Config.Labels"
        found = json.loads(docker("inspect", "-f", f"{{{{json {path}}}}}", each))

        assert found[labels.HOME] == home.label
        assert labels.RUN not in found
        assert not [label for label in found if label.startswith("org.testcontainers")]


def test_its_logs_can_be_read(begin: Begin, spec: Spec) -> None:
    begin().servers.get(spec)
    broker = begin()
    server = broker.servers.get(spec)

    # Docker stores a line a moment after the server wrote it.
    wait_until(
        lambda: "Ready to accept connections" in broker.servers.logs(server.key, None), timeout=20
    )


def test_kept_servers_reach_each_other_by_their_internal_names(begin: Begin, spec: Spec) -> None:
    broker = begin()
    first = broker.servers.get(spec)
    other = broker.servers.get(dataclasses.replace(spec, name="other"))
    ping = ("redis-cli", "-h", first.internal_host, "-p", str(first.internal_port), "ping")

    assert docker("exec", other.container_id, *ping) == "PONG"


def test_one_tests_own_server_is_never_kept(begin: Begin, spec: Spec, home: UserFolder) -> None:
    broker = begin()
    server = broker.servers.get(dataclasses.replace(spec, unique="abc"))
    broker.close()

    assert not server.is_shared
    assert kept_by(home) == []


def test_a_start_that_fails_leaves_nothing(begin: Begin, spec: Spec, home: UserFolder) -> None:
    broken = dataclasses.replace(spec, command=("redis-server", "--no-such-option", "1"))
    broker = begin()
    error = broker.servers.begin(broken).ready.exception()

    assert "exited with code 1" in str(error)
    assert kept_by(home) == []
    assert home.files("*.use") == []


def test_a_cache_folder_that_cannot_be_written_means_a_server_of_ones_own(
    begin: Begin, spec: Spec, home: UserFolder, kept_servers: KeptServers
) -> None:
    home.folder.rmdir()
    home.folder.write_text("in the way")
    broker = begin()
    server = broker.servers.get(spec)

    assert not server.is_shared
    assert "not reused: " in str(row_of(broker)["note"])
    assert kept_by(home) == []
