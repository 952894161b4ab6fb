"""Replicas are containers with one name and addresses of their own, as many as there are to be."""

from __future__ import annotations

import dataclasses
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.containers import programs
from tests.containers.programs import python
from tests.containers.project import Project, inspected
from tests.docker_state import containers_named, docker_state
from wflo_testkit import ready
from wflo_testkit.errors import StartFailed, TestkitError
from wflo_testkit.runtime import configuration, labels
from wflo_testkit.services.container import ContainerServer
from wflo_testkit.wait import wait_until

pytestmark = pytest.mark.slow
WEB = {**python(programs.WEB), "ports": {"http": 8000}, "ready": ready.http()}
ASK = """
import json, urllib.request
print(json.dumps(sorted({urllib.request.urlopen("http://web:8000").read().decode()
                         for _ in range(120)})))
"""
ONE_ONLY = """
claimed = "/shared/claimed"
try:
    os.mkdir(claimed)
except FileExistsError:
    print("the place is taken")
    sys.exit(5)
serve(lambda path: (200, "alone"))
"""


@pytest.fixture(scope="module")
def web(running: Project) -> ContainerServer:
    return running.start("web", **WEB, replicas=2)


def answers(server: ContainerServer) -> list[str]:
    return [urlopen(each.url).read().decode() for each in server.replicas]


def test_each_has_an_address_of_its_own_and_all_have_one_name(
    running: Project, web: ContainerServer
) -> None:
    web.scale(3)
    said = running.start("asker", **python(ASK), after=["web"], ready=ready.done).logs()

    assert answers(web) == ["web-1", "web-2", "web-3"]
    assert web.url == web.replicas[0].url
    assert '["web-1", "web-2", "web-3"]' in said


def test_those_that_stay_keep_their_addresses(web: ContainerServer) -> None:
    web.scale(3)
    before = {each.number: (each.id, each.url) for each in web.replicas}
    web.scale(1)
    web.scale(2)
    after = {each.number: (each.id, each.url) for each in web.replicas}

    assert after[1] == before[1]
    assert after[2][0] != before[2][0], "that is a new one"


def test_one_that_goes_is_asked_and_has_its_grace(running: Project) -> None:
    program = """
def end(*_):
    time.sleep(1)
    open("/shared/" + os.uname().nodename, "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
threading.Event().wait()
"""
    server = running.start(
        "polite", **python(program), replicas=2, volumes={"shared": "/shared"},
        stop_grace_period=5, ready=ready.log("is up"),
    )  # fmt: skip
    server.scale(1)

    assert server.exec("ls", "/shared").split() == ["polite-2"]


def test_one_that_does_not_go_is_killed_after_its_grace(running: Project) -> None:
    program = "signal.signal(signal.SIGTERM, signal.SIG_IGN); threading.Event().wait()"
    server = running.start(
        "deaf", **python(program), stop_grace_period="1s", ready=ready.log("is up")
    )
    server.stop()

    assert server.state == "exited with code 137"


def test_replicas_that_cannot_start_leave_nothing(running: Project) -> None:
    server = running.start(
        "single", **python(ONE_ONLY), ports={"http": 8000}, volumes={"place": "/shared"}
    )
    mine = f"{labels.RUN}={running.broker._session.run}"
    before = docker_state(mine)
    for _time in ("first", "second"):
        with pytest.raises(StartFailed, match="exited with code 5") as caught:
            server.scale(3)
        assert "the place is taken" in str(caught.value.cause)

    assert docker_state(mine) - before == []
    assert [each.number for each in server.replicas] == [1]
    assert urlopen(server.url).status == 200


def test_a_server_whose_replicas_cannot_start_is_an_error(running: Project) -> None:
    with pytest.raises(StartFailed, match="exited with code 5"):
        running.start(
            "pair", **python(ONE_ONLY), ports={"http": 8000}, volumes={"pair": "/shared"},
            replicas=2,
        )  # fmt: skip
    assert not containers_named(f"wflo-pair-{running.broker._session.run}.*-2")


def test_two_who_scale_at_once_do_it_one_after_the_other(
    running: Project, web: ContainerServer
) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(web.scale, [3, 1, 4, 2]))

    numbers = {each.number for each in web.replicas}
    run = running.broker._session.run
    assert len(web.replicas) in (1, 2, 3, 4)
    assert len(containers_named(f"wflo-web-{run}.*")) == len(numbers)
    assert len(answers(web)) == len(numbers)


def test_there_is_at_least_one(web: ContainerServer) -> None:
    with pytest.raises(TestkitError, match="web cannot be scaled to 0"):
        web.scale(0)


def test_one_of_them_is_stopped_and_started_alone(web: ContainerServer) -> None:
    web.scale(2)
    first, second = web.replicas
    second.stop()

    assert (first.state, second.state) == ("running", "exited with code 0")
    assert urlopen(first.url).status == 200
    second.start()
    assert answers(web) == [f"web-{first.number}", f"web-{second.number}"]
    second.kill()
    assert second.state == "exited with code 137"
    second.start()


def test_one_that_is_gone_is_told(web: ContainerServer) -> None:
    web.scale(2)
    _first, second = web.replicas
    web.scale(1)
    with pytest.raises(TestkitError, match=f"web has no replica {second.number} any more"):
        second.stop()


def test_their_logs_carry_their_numbers(web: ContainerServer) -> None:
    web.scale(2)
    numbers = [each.number for each in web.replicas]

    assert [f"{number} | the process is up\n" in web.logs() for number in numbers] == [True, True]


def test_a_restart_keeps_addresses_and_waits_until_it_is_ready(running: Project) -> None:
    server = running.start("again", **WEB)
    url, began = server.url, inspected(server.container_id)["State"]["StartedAt"]
    server.restart()

    assert urlopen(url).status == 200
    assert inspected(server.container_id)["State"]["StartedAt"] > began
    server.pause()
    assert server.state == "paused"
    server.unpause()
    assert urlopen(url).status == 200
    server.kill("SIGTERM")
    wait_until(lambda: server.state == "exited with code 0", timeout=10)


def test_a_start_that_fails_is_told_like_the_first(running: Project) -> None:
    program = """
if os.path.exists("/once"):
    print("no second time")
    sys.exit(9)
open("/once", "w").close()
serve(lambda path: (200, "first"))
"""
    server = running.start("once", **python(program), ports={"http": 8000})
    server.stop()
    with pytest.raises(StartFailed, match="exited with code 9") as caught:
        server.start()

    assert "no second time" in str(caught.value.cause)


def test_files_go_in_and_out_and_commands_are_run(web: ContainerServer, tmp_path: Path) -> None:
    web.scale(2)
    (tmp_path / "in").write_bytes(b"\x00new\xff")
    web.copy_in(tmp_path / "in", "/srv/deep/new")
    web.copy_out("/srv/deep/new", tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == b"\x00new\xff"
    assert web.do("exec", command=["ls", "/srv/deep"], replica=web.replicas[1].number) == "new\n"
    with pytest.raises(TestkitError, match="ls /nothing ended with code 2 in web") as caught:
        web.exec("ls", "/nothing")
    assert "No such file" in str(caught.value.cause)
    with pytest.raises(TestkitError, match="copy_out has failed"):
        web.copy_out("/nothing", tmp_path / "out")


def test_an_address_that_docker_chooses_would_not_hold(running: Project) -> None:
    # A mutant: the kit chooses no port.
    spec = dataclasses.replace(running.spec("moves", **WEB), keeps_ports=False, ready=())
    moves, stays = running.get(spec), running.start("stays", **WEB)

    def published(server: ContainerServer) -> int:
        subprocess.run(["docker", "restart", "-t", "0", server.container_id], check=True)
        [bound] = inspected(server.container_id)["NetworkSettings"]["Ports"]["8000/tcp"]
        return int(bound["HostPort"])

    assert published(moves) != moves.port
    assert published(stays) == stays.port


def test_a_port_that_somebody_else_was_quicker_to_take_is_another_one(
    running: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = running.start("quicker", **WEB)
    chosen = configuration.free_port
    offered: list[int] = []

    def offer(address: str, taken: set[int]) -> int:
        offered.append(chosen(address, taken) if offered else first.port)
        return offered[-1]

    monkeypatch.setattr(configuration, "free_port", offer)
    second = running.start("slower", **WEB)

    assert offered == [first.port, second.port]
    assert urlopen(second.url).read() == b"slower-1"
