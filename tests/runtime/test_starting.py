"""A start ends in a ready server or in an error that says what happened inside."""

from __future__ import annotations

import dataclasses
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from docker.errors import APIError
from requests import Response

from tests.services.third_party import notes_service
from wflo_testkit.broker.broker import Broker
from wflo_testkit.errors import DockerUnavailable, ImageUnavailable, StartFailed
from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime import containers, daemon
from wflo_testkit.runtime.address import Endpoint
from wflo_testkit.runtime.docker_session import DockerSession
from wflo_testkit.runtime.printing import TooMuch
from wflo_testkit.wait import Deadline, clock, wait_until


def test_a_ready_server_answers_on_loopback(broker: Broker, spec: Spec) -> None:
    server = broker.servers.get(spec)

    assert server.host == "127.0.0.1"
    assert notes_service.ask(server, "PING") == "PONG"
    await_line("Ready to accept connections", broker, server)


@pytest.mark.parametrize("status", [409, 500], ids=["being removed", "daemon in trouble"])
def test_a_log_that_cannot_be_read_does_not_hide_what_it_was_to_explain(
    session: DockerSession, broker: Broker, spec: Spec, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    server = broker.servers.get(spec)
    answer = Response()
    answer.status_code = status

    def refuse(*_args: object, **_options: object) -> None:
        raise APIError("marked for removal", answer)

    monkeypatch.setattr(session.client.client.api, "logs", refuse)

    assert "the log cannot be read" in broker.servers.logs(server.key, None)


def test_a_command_in_a_container_returns_all_that_it_prints(
    session: DockerSession, broker: Broker, spec: Spec
) -> None:
    server = broker.servers.get(spec)
    inside = containers.Containers(session)

    def printed(*command: str) -> bytes:
        return inside.printed(server.container_id, command, limit=1000)

    assert printed("printf", "%s", "a\nb -- 'c'\n") == b"a\nb -- 'c'\n"
    with pytest.raises(StartFailed, match="cat did not come to its end"):
        printed("cat", "/nothing")
    with pytest.raises(TooMuch, match="yes prints more than 1000 bytes"):
        printed("yes")


def test_logs_can_begin_at_a_moment(broker: Broker, spec: Spec) -> None:
    server = broker.servers.get(spec)
    await_line("Ready to accept connections", broker, server)
    moment = clock.wall()

    assert broker.servers.logs(server.key, moment) == ""


def test_an_exited_container_is_noticed_at_once_and_its_log_is_shown(
    broker: Broker, spec: Spec
) -> None:
    patience = Deadline(20)
    broken = dataclasses.replace(spec, command=("redis-server", "--no-such-option", "1"))
    with pytest.raises(StartFailed) as caught:
        broker.servers.get(broken)

    assert not patience.passed
    assert "exited with code 1" in caught.value.what
    assert "no-such-option" in str(caught.value.cause)


@pytest.mark.slow
def test_a_daemon_that_publishes_no_port_is_told_of_as_a_failed_start(
    broker: Broker, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No daemon of ours does that, so its answers are changed.
    monkeypatch.setattr(containers, "PUBLISHED", 0.2)
    monkeypatch.setattr(containers.ports, "host_port", lambda *_args: None)
    with pytest.raises(StartFailed) as caught:
        broker.servers.get(spec)

    assert "has no address after 0.2 s" in caught.value.what
    assert "Docker has not published all of the ports 6379" in str(caught.value.cause)
    assert "container " in str(caught.value.looked_at)


def test_what_is_kept_carries_no_label_of_a_foreign_reaper(spec: Spec) -> None:
    from testcontainers.core.labels import LABEL_SESSION_ID, SESSION_ID

    of_foreign_reaper = f"{LABEL_SESSION_ID}={SESSION_ID}"
    kept, guarded = (DockerSession(secrets.token_hex(4), keep=keep) for keep in (True, False))
    networked = dataclasses.replace(spec, networked=True)
    found, networks = {}, {}
    for session in (kept, guarded):
        server = Broker({"notes": notes_service.SERVICE}, session).servers.get(networked)
        api = session.client.client.api
        try:
            own = api.inspect_container(server.container_id)["Config"]["Labels"]
            networks[session] = api.inspect_network(session.network)["Labels"]
            found[session] = [name for name in own if name.startswith("org.testcontainers")]
            matching = api.containers(all=True, filters={"label": of_foreign_reaper})
            assert (server.container_id in {each["Id"] for each in matching}) is (
                session is guarded
            )
        finally:
            api.remove_container(server.container_id, force=True, v=True)
            api.remove_network(session.network)
            session.close()

    assert found[kept] == []
    assert LABEL_SESSION_ID in found[guarded], "else this looks for the wrong label"
    assert not [name for own in networks.values() for name in own if "testcontainers" in name]


def test_a_container_that_runs_out_of_memory_is_called_so(
    broker: Broker, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kit sets no memory limit, so this state is told by a fake daemon.
    from wflo_testkit.runtime.containers import Containers
    from wflo_testkit.runtime.running import State

    dead = State("exited", exit_code=137, out_of_memory=True)
    monkeypatch.setattr(Containers, "state", lambda _self, _id: dead)
    never_ready = dataclasses.replace(spec, command=("sleep", "60"))

    with pytest.raises(StartFailed, match="ran out of memory"):
        broker.servers.get(never_ready)


def test_a_server_that_never_gets_ready_shows_the_last_probe_and_the_setting(
    broker: Broker, spec: Spec
) -> None:
    silent = dataclasses.replace(spec, command=("sleep", "60"), startup_timeout=0.5)
    with pytest.raises(StartFailed, match=r"not ready after 0\.5 s") as caught:
        broker.servers.get(silent)

    assert "last probe: Connection" in str(caught.value.cause)
    assert "notes_startup_timeout" in str(caught.value.fix)


def test_an_image_that_is_nowhere_names_the_command_that_helps(broker: Broker, spec: Spec) -> None:
    absent = dataclasses.replace(spec, image="wflo-testkit/no-such-image:1")
    with pytest.raises(ImageUnavailable) as caught:
        broker.servers.get(absent)

    assert "wflo-testkit/no-such-image:1" in caught.value.text
    assert caught.value.fix


def test_placeholders_are_filled_with_password_and_published_address(
    broker: Broker, spec: Spec, session: DockerSession
) -> None:
    waiting = "until [ -s /tmp/late.sh ]; do sleep 0.02; done; exec sh /tmp/late.sh"
    script = (
        'echo "at {host}:{port:main} secret {password}"\nexec redis-server --protected-mode no\n'
    )
    late = dataclasses.replace(spec, command=("sh", "-c", waiting), files={"/tmp/late.sh": script})
    server = broker.servers.get(late)

    assert server.password
    await_line(f"at 127.0.0.1:{server.port} secret {server.password}", broker, server)


def knock(session: DockerSession, asker: Server, asked: Server) -> None:
    """Show that a server reaches another by its name.

    Asked is the other: what a command prints, Docker loses now and then on a busy machine.
    """
    where = ["-h", asked.internal_host, "-p", str(asked.internal_port)]
    inside = session.client.client.containers.get(asker.container_id)
    inside.exec_run(["redis-cli", *where, "set", asker.container_id, "was-here"])

    assert notes_service.ask(asked, "EXISTS", asker.container_id) == "1"


def test_servers_of_one_run_reach_each_other_by_name(broker: Broker, spec: Spec) -> None:
    first = broker.servers.get(spec)
    other = broker.servers.get(dataclasses.replace(spec, name="other"))

    knock(broker._session, other, first)


@pytest.mark.slow
def test_servers_that_need_no_network_get_one_when_somebody_asks_for_it(
    broker: Broker, session: DockerSession, spec: Spec
) -> None:
    alone = [dataclasses.replace(spec, name=name, networked=False) for name in ("one", "two")]
    one, two = map(broker.servers.get, alone)
    networks = session.client.client.networks
    with socket.create_connection((one.host, one.port)) as opened:
        assert networks.list(names=[f"wflo-{session.run}"]) == []
        name = one.network

        assert name == two.network == f"wflo-{session.run}"
        later = broker.servers.get(dataclasses.replace(spec, name="later", networked=False))
        for asker, asked in ((one, two), (two, later), (later, one)):
            knock(session, asker, asked)
        opened.sendall(b"PING\r\n")  # what was connected before still is
        assert opened.recv(16).startswith(b"+PONG")


def test_threads_that_ask_at_once_get_one_network(
    broker: Broker, session: DockerSession, spec: Spec
) -> None:
    server = broker.servers.get(dataclasses.replace(spec, networked=False))
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(lambda _number: server.network, range(8)))

    assert names == {f"wflo-{session.run}"}
    assert len(session.client.client.networks.list(names=[f"wflo-{session.run}"])) == 1


def await_line(text: str, broker: Broker, server: Server) -> None:
    """Docker stamps and keeps a line a moment after the server wrote it, ready or not."""
    wait_until(
        lambda: text in broker.servers.logs(server.key, None),
        timeout=20,
        describe=f"{text!r} logged",
    )


def test_whether_docker_is_there_is_decided_once_though_a_fake_daemon_changes_its_mind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All who ask in a run hear the same: else some tests would be skipped, and some would fail."""
    connect, attempts = daemon.connect, iter([False, True])

    def connects(endpoint: Endpoint) -> object:
        if not next(attempts):
            raise DockerUnavailable("no Docker daemon answers")
        return connect(endpoint)

    monkeypatch.setattr(daemon, "connect", connects)
    session = DockerSession(secrets.token_hex(4))
    try:
        for _ in range(2):
            with pytest.raises(DockerUnavailable):
                _ = session.client
    finally:
        session.close()
